//! How long the log takes at the least to acknowledge what is appended: known from the appends of the last seconds.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is known are the quickest of this stretch of time and of the one before.
const STRETCH: Duration = Duration::from_secs(10);

/// The quickest acknowledgements of late.
#[derive(Debug)]
pub(crate) struct LogPace(Mutex<Stretches>);

#[derive(Debug)]
struct Stretches {
    began: Instant,
    quickest: Duration,
    quickest_before: Duration,
}

impl LogPace {
    pub(crate) fn new() -> Self {
        let [quickest, quickest_before] = [Duration::MAX; 2];
        Self(Mutex::new(Stretches { began: Instant::now(), quickest, quickest_before }))
    }

    /// An append was acknowledged now, after so long.
    pub(crate) fn note(&self, took: Duration, now: Instant) {
        let mut stretches = self.lock();
        if now.duration_since(stretches.began) >= STRETCH {
            *stretches = Stretches { began: now, quickest: took, quickest_before: stretches.quickest };
        }
        stretches.quickest = stretches.quickest.min(took);
    }

    /// How long the quickest took; for ever, as long as there was none.
    pub(crate) fn quickest(&self) -> Duration {
        let stretches = self.lock();
        stretches.quickest.min(stretches.quickest_before)
    }

    fn lock(&self) -> MutexGuard<'_, Stretches> {
        // Plain numbers: each is whole after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_moves_away_is_known_to_after_a_while() {
        let (log, began) = (LogPace::new(), Instant::now());
        assert_eq!(log.quickest(), Duration::MAX, "nobody knows yet");
        let [near, far] = [5, 100].map(Duration::from_millis);
        log.note(near, began);
        for s in 0..19 {
            log.note(far, began + Duration::from_secs(s));
            assert_eq!(log.quickest(), near, "after {s} s");
        }
        log.note(far, began + Duration::from_secs(21));
        assert_eq!(log.quickest(), far);
        log.note(near, began + Duration::from_secs(22));
        assert_eq!(log.quickest(), near);
    }
}
