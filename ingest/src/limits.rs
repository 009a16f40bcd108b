//! How much is in hand at once. Whoever comes when a door is full is told at once to come again: those inside are served as fast as
//! ever, and memory stays under its ceiling.
//!
//! The slower people are answered, the fewer are let in: where requests outrun a door, its places alone would only make those inside wait
//! for each other. Devices and batches have time; their doors have a place for as many at any pace.
//!
//! A place inside is for a request whose body is there. One on its way holds the bytes that came, of as many as all places together may
//! have: thousands of clients that send a byte now and then hold a few of them, and keep nobody out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use suikang_registry::http::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::log_pace::LogPace;
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

/// One in so many answers may take longer than it should. Where more do, fewer are let in.
const ONE_IN: usize = 20;
/// However slow it is, a door has one in so many of its places.
const LEAST: usize = 16;
/// No answer is slow that took less than so many times as long as the log's quickest acknowledgement of late: where the log is far away, fewer
/// people would not be answered sooner.
const ACKNOWLEDGEMENTS: u32 = 4;

/// A place inside, with the bytes that came in; leaving gives them back.
#[derive(Debug)]
pub(crate) struct Admission {
    _place: OwnedSemaphorePermit,
    _held: Option<Held>,
    stay: Option<Stay>,
}

/// How long somebody has been inside, which is noted on leaving.
#[derive(Debug)]
struct Stay {
    since: Instant,
    answered: bool,
    pace: Arc<Pace>,
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.pace.note(self.since.elapsed(), self.answered);
    }
}

/// How many are let in, so that answers come as soon as they should. Those inside wait for each other: fewer of them are answered sooner.
#[derive(Debug)]
struct Pace {
    should: Duration,
    log: Arc<LogPace>,
    /// Places, in parts of one: a quick answer opens a part, and a slow one closes as many as the quick ones between two slow ones may open.
    open: AtomicUsize,
    least: usize,
    most: usize,
}

impl Pace {
    fn new(places: usize, should: Duration, log: Arc<LogPace>) -> Self {
        let most = places.saturating_mul(ONE_IN);
        Self { should, log, open: AtomicUsize::new(most), least: (most / LEAST).max(ONE_IN).min(most), most }
    }

    /// Whoever was refused, or left, tells nothing by having been quick.
    fn note(&self, took: Duration, answered: bool) {
        let is_slow = took > self.should.max(self.log.quickest().saturating_mul(ACKNOWLEDGEMENTS));
        let moved = |open: usize| {
            let open = match (is_slow, answered) {
                (true, _) => open.saturating_sub(ONE_IN - 1),
                (false, true) => open.saturating_add(1),
                (false, false) => open,
            };
            Some(open.clamp(self.least, self.most))
        };
        let _ = self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }

    /// Places that are open now.
    fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed) / ONE_IN
    }
}

impl Admission {
    /// Leaves with an answer.
    pub(crate) fn answered(mut self) {
        if let Some(stay) = &mut self.stay {
            stay.answered = true;
        }
    }

    /// Keeps these bytes for as long as the place.
    pub(crate) fn holding(mut self, held: Held) -> Self {
        self._held = Some(held);
        self
    }
}

/// Bytes of a body that is on its way or inside.
pub(crate) type Held = OwnedSemaphorePermit;

/// What a door has: places, and bytes for bodies (none where bodies are never held whole).
struct Room {
    size: usize,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// Where people wait.
    pace: Option<Arc<Pace>>,
}

impl Room {
    fn new(size: usize, body_bytes: usize) -> Self {
        Self { size, places: semaphore(size), bytes: semaphore(size.saturating_mul(body_bytes)), pace: None }
    }

    fn for_people(self, should_ms: u64, log: &Arc<LogPace>) -> Self {
        let pace = Pace::new(self.size, Duration::from_millis(should_ms), Arc::clone(log));
        Self { pace: Some(Arc::new(pace)), ..self }
    }

    fn is_full(&self) -> bool {
        let free = self.places.available_permits();
        free == 0 || self.pace.as_ref().is_some_and(|pace| self.size.saturating_sub(free) >= pace.open())
    }

    fn admit(&self) -> Option<Admission> {
        if self.is_full() {
            return None;
        }
        let stay =
            self.pace.as_ref().map(|pace| Stay { since: Instant::now(), answered: false, pace: Arc::clone(pace) });
        Some(Admission { stay, ..take(&self.places)? })
    }
}

/// The room of each door.
pub(crate) struct Limits {
    declarations: Room,
    batches: Room,
    checks: Room,
    scans: Room,
    waiting: Arc<Semaphore>,
    log: Arc<LogPace>,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        let log = Arc::new(LogPace::new());
        Self {
            declarations: Room::new(settings.declarations_at_once, settings.declaration_bytes)
                .for_people(settings.answer_ms, &log),
            batches: Room::new(settings.batches_at_once, 0),
            checks: Room::new(settings.checks_at_once, settings.check_bytes).for_people(settings.answer_ms, &log),
            scans: Room::new(settings.uploads_at_once, settings.scans_bytes),
            waiting: semaphore(settings.waiting_at_once),
            log,
        }
    }

    /// Notes how long the log took to acknowledge an append.
    pub(crate) fn acknowledged(&self, took: Duration) {
        self.log.note(took, Instant::now());
    }

    /// 503 if nobody would be let in now.
    pub(crate) fn knock(&self, door: Door) -> Result<(), Problem> {
        if self.room(door).is_full() { Err(shed(door)) } else { Ok(()) }
    }

    /// A place inside, or 503 at once.
    pub(crate) fn admit(&self, door: Door) -> Result<Admission, Problem> {
        self.room(door).admit().ok_or_else(|| shed(door))
    }

    /// Room for so many more bytes of a body, or 503 at once.
    pub(crate) fn hold(&self, door: Door, bytes: usize) -> Result<Held, Problem> {
        let held =
            u32::try_from(bytes).ok().map(|bytes| Arc::clone(&self.room(door).bytes).try_acquire_many_owned(bytes));
        held.and_then(Result::ok).ok_or_else(|| shed(door))
    }

    /// A place to wait for an outcome, if there is one: who waits costs memory, but no work.
    pub(crate) fn wait(&self) -> Option<Admission> {
        take(&self.waiting)
    }

    fn room(&self, door: Door) -> &Room {
        match door {
            Door::Declarations => &self.declarations,
            Door::Batches => &self.batches,
            Door::Checks => &self.checks,
            Door::Scans => &self.scans,
        }
    }
}

fn shed(door: Door) -> Problem {
    metrics::shed(door);
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "繁忙，请稍后再试 Busy: please try again shortly")
        .retry_after(1)
}

fn semaphore(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)))
}

fn take(places: &Arc<Semaphore>) -> Option<Admission> {
    Arc::clone(places).try_acquire_owned().ok().map(|place| Admission { _place: place, _held: None, stay: None })
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

    /// Checks with 64 places at most, answered within 50 ms, on a log that acknowledges in so many.
    fn limits(log_ms: u64) -> Limits {
        let settings = Settings { checks_at_once: 64, uploads_at_once: 16, answer_ms: 50, ..Settings::default() };
        let limits = Limits::new(&settings);
        limits.acknowledged(Duration::from_millis(log_ms));
        limits
    }

    /// How many are let in.
    fn inside(limits: &Limits, door: Door) -> usize {
        std::iter::from_fn(|| limits.admit(door).ok()).take(100).collect::<Vec<_>>().len()
    }

    /// Answers, every so many of them slow.
    fn answer(limits: &Limits, count: usize, every: usize, [quick_ms, slow_ms]: [u64; 2]) {
        let pace = limits.checks.pace.as_ref().unwrap();
        (1..=count)
            .for_each(|n| pace.note(Duration::from_millis(if n % every == 0 { slow_ms } else { quick_ms }), true));
    }

    #[test]
    fn the_slower_people_are_answered_the_fewer_are_let_in() {
        let limits = limits(5);
        assert_eq!((inside(&limits, Door::Checks), inside(&limits, Door::Scans)), (64, 16), "nobody was slow");
        answer(&limits, 1_039, 40, [50, 51]);
        assert_eq!((inside(&limits, Door::Checks), inside(&limits, Door::Scans)), (64, 16), "one in forty is slow");
        answer(&limits, 40, 4, [50, 51]);
        assert_eq!((inside(&limits, Door::Checks), inside(&limits, Door::Scans)), (55, 16), "one in four is slow");
        answer(&limits, 1_000, 1, [50, 51]);
        assert_eq!(inside(&limits, Door::Checks), 4, "a few are let in, to see whether it is over");
        let pace = limits.checks.pace.as_ref().unwrap();
        (0..1_000).for_each(|_| pace.note(Duration::ZERO, false));
        assert_eq!(inside(&limits, Door::Checks), 4, "refusals tell nothing");
        answer(&limits, 1_200, 1_201, [50, 51]);
        assert_eq!(inside(&limits, Door::Checks), 64);
    }

    #[test]
    fn where_the_log_is_far_away_nobody_is_kept_out_for_it() {
        let limits = limits(100);
        answer(&limits, 1_000, 1, [0, 400]);
        assert_eq!(inside(&limits, Door::Checks), 64);
        answer(&limits, 1_000, 1, [0, 401]);
        assert_eq!(inside(&limits, Door::Checks), 4, "that is not the log alone");
    }

    #[test]
    fn bodies_on_their_way_hold_what_came_of_them() {
        let limits = Limits::new(&Settings { checks_at_once: 2, check_bytes: 10, ..Settings::default() });
        let (one, other) = (limits.hold(Door::Checks, 15).unwrap(), limits.hold(Door::Checks, 5).unwrap());
        assert_eq!(limits.hold(Door::Checks, 1).unwrap_err().error_code(), "overloaded");
        let inside = limits.admit(Door::Checks).unwrap().holding(one);
        drop(other);
        assert!(limits.hold(Door::Checks, 5).is_ok() && limits.hold(Door::Checks, 6).is_err());
        drop(inside);
        assert!(limits.hold(Door::Checks, 20).is_ok(), "whoever leaves takes the bytes along");
    }
}
