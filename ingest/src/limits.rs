//! How much is in hand at once. Whoever comes when a door is full is told at once to come again: those inside are served as fast as
//! ever, and memory stays under its ceiling.
//!
//! A place inside is for a request whose body is there. One on its way holds the bytes that came, of as many as all places together may
//! have: thousands of clients that send a byte now and then hold a few of them, and keep nobody out.

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

/// A place inside, with the bytes that came in; leaving gives them back.
#[derive(Debug)]
pub(crate) struct Admission {
    _place: OwnedSemaphorePermit,
    _held: Option<Held>,
}

impl Admission {
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
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl Room {
    fn new(places: usize, body_bytes: usize) -> Self {
        Self { places: semaphore(places), bytes: semaphore(places.saturating_mul(body_bytes)) }
    }
}

/// The room of each door.
pub(crate) struct Limits {
    declarations: Room,
    batches: Room,
    checks: Room,
    scans: Room,
    waiting: Arc<Semaphore>,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            declarations: Room::new(settings.declarations_at_once, settings.declaration_bytes),
            batches: Room::new(settings.batches_at_once, 0),
            checks: Room::new(settings.checks_at_once, settings.check_bytes),
            scans: Room::new(settings.uploads_at_once, settings.scans_bytes),
            waiting: semaphore(settings.waiting_at_once),
        }
    }

    /// A place inside, or 503 at once.
    pub(crate) fn admit(&self, door: Door) -> Result<Admission, Problem> {
        take(&self.room(door).places).ok_or_else(|| shed(door))
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
    Arc::clone(places).try_acquire_owned().ok().map(|place| Admission { _place: place, _held: None })
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
