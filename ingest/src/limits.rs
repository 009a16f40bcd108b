//! How much is in hand at once. Whoever comes when a door is full is told at once to come again: those inside are served as fast as
//! ever, and memory stays under its ceiling.

use std::sync::Arc;

use axum::http::StatusCode;
use suikang_registry::http::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Settings, metrics};

/// A door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Declarations,
    Batches,
    Checks,
    Scans,
}

impl Door {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Door::Declarations => "declarations",
            Door::Batches => "batches",
            Door::Checks => "checks",
            Door::Scans => "scans",
        }
    }
}

/// A place inside; leaving gives it back.
#[derive(Debug)]
pub(crate) struct Admission {
    _place: OwnedSemaphorePermit,
}

/// The places of each door.
pub(crate) struct Limits {
    declarations: Arc<Semaphore>,
    batches: Arc<Semaphore>,
    checks: Arc<Semaphore>,
    scans: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self {
            declarations: places(settings.declarations_at_once),
            batches: places(settings.batches_at_once),
            checks: places(settings.checks_at_once),
            scans: places(settings.uploads_at_once),
            waiting: places(settings.waiting_at_once),
        }
    }

    /// A place inside, or 503 at once.
    pub(crate) fn admit(&self, door: Door) -> Result<Admission, Problem> {
        let places = match door {
            Door::Declarations => &self.declarations,
            Door::Batches => &self.batches,
            Door::Checks => &self.checks,
            Door::Scans => &self.scans,
        };
        take(places).ok_or_else(|| {
            metrics::shed(door);
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "繁忙，请稍后再试 Busy: please try again shortly",
            )
            .retry_after(1)
        })
    }

    /// A place to wait for an outcome, if there is one: who waits costs memory, but no work.
    pub(crate) fn wait(&self) -> Option<Admission> {
        take(&self.waiting)
    }
}

fn take(places: &Arc<Semaphore>) -> Option<Admission> {
    Arc::clone(places).try_acquire_owned().ok().map(|place| Admission { _place: place })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_door_sheds_and_a_freed_place_admits() {
        let limits = Limits::new(&Settings { checks_at_once: 1, ..Settings::default() });
        let inside = limits.admit(Door::Checks).unwrap();
        let refused = limits.admit(Door::Checks).unwrap_err();
        assert_eq!((refused.status(), refused.error_code()), (StatusCode::SERVICE_UNAVAILABLE, "overloaded"));
        assert!(limits.admit(Door::Scans).is_ok(), "another door has its own places");
        drop(inside);
        assert!(limits.admit(Door::Checks).is_ok());
    }
}
