//! From a polling thread to its reader: items in order, bounded by bytes.
//!
//! The thread is never made to wait, for a group waits for its members' polls: it asks whether there is room, and fetches nothing while
//! there is none. So at most one record lies above the bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::log::{ReadError, Record};

/// What lies between a thread and its reader at most; librdkafka's own queue comes on top.
const ROOM_BYTES: usize = 8 << 20;

/// What the thread hands over, in order.
#[derive(Debug)]
pub(super) enum Item {
    Record(Record),
    /// Partitions, and which assignment they belong to.
    Gained(u64, Vec<i32>),
    Lost(Vec<i32>),
    Failed(ReadError),
}

impl Item {
    /// What it takes in memory, roughly.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Item::Record(record) => record.record_key.len() + record.payload.len(),
                _ => 0,
            }
    }
}

pub(super) fn handover() -> (Giver, Taker) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (held, failure) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let taker = Taker { items: receiver, held: Arc::clone(&held), failure: Arc::clone(&failure) };
    (Giver { items: sender, held, failure }, taker)
}

/// The thread's end.
pub(super) struct Giver {
    items: mpsc::UnboundedSender<Item>,
    held: Arc<AtomicUsize>,
    /// Whether one is on its way.
    failure: Arc<AtomicBool>,
}

impl Giver {
    /// Hands over; nothing happens if the reader has gone.
    pub(super) fn give(&self, item: Item) {
        self.held.fetch_add(item.bytes(), Ordering::Relaxed);
        let _ = self.items.send(item);
    }

    /// Tells of a failure, unless the reader has yet to hear of the last one. A broker that is away is told of many times a second, and a
    /// reader that pauses after each would hear of them long after it is back.
    pub(super) fn fail(&self, error: ReadError) {
        if !self.failure.swap(true, Ordering::AcqRel) {
            self.give(Item::Failed(error));
        }
    }

    /// Whether there is room for records.
    pub(super) fn has_room(&self) -> bool {
        self.held.load(Ordering::Relaxed) < ROOM_BYTES
    }

    /// Whether half of the room is free again, so that fetching anew is worth it.
    pub(super) fn is_half_free(&self) -> bool {
        self.held.load(Ordering::Relaxed) < ROOM_BYTES / 2
    }

    /// Whether the reader has gone.
    pub(super) fn is_closed(&self) -> bool {
        self.items.is_closed()
    }
}

/// The reader's end.
pub(super) struct Taker {
    items: mpsc::UnboundedReceiver<Item>,
    held: Arc<AtomicUsize>,
    failure: Arc<AtomicBool>,
}

impl Taker {
    /// The next item, or none once the thread has ended. Cancel-safe.
    pub(super) async fn take(&mut self) -> Option<Item> {
        let item = self.items.recv().await;
        self.let_go(item)
    }

    /// The next item if it is there.
    pub(super) fn try_take(&mut self) -> Option<Item> {
        let item = self.items.try_recv().ok();
        self.let_go(item)
    }

    fn let_go(&self, item: Option<Item>) -> Option<Item> {
        if let Some(item) = &item {
            self.held.fetch_sub(item.bytes(), Ordering::Relaxed);
            if matches!(item, Item::Failed(_)) {
                self.failure.store(false, Ordering::Release);
            }
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use suikang_schemas::Topic;

    use super::*;

    #[test]
    fn of_many_failures_one_is_heard() {
        let (giver, mut taker) = handover();
        for _ in 0..1_000 {
            giver.fail(ReadError::Unavailable("away".to_owned()));
        }
        assert!(matches!(taker.try_take(), Some(Item::Failed(_))));
        assert!(taker.try_take().is_none());
        giver.fail(ReadError::Unavailable("away again".to_owned()));
        assert!(matches!(taker.try_take(), Some(Item::Failed(_))));
    }

    #[test]
    fn room_is_counted_in_bytes() {
        let (giver, mut taker) = handover();
        let record = |offset| Record {
            topic: Topic::Scans,
            kafka_partition: 0,
            offset,
            record_key: Vec::new(),
            payload: vec![0; 1 << 20],
            time_ms: 0,
        };
        let mut given = 0;
        while giver.has_room() {
            giver.give(Item::Record(record(given)));
            given += 1;
        }
        assert_eq!(given, 8, "records of 1 MiB");
        assert!(!giver.is_half_free());
        for expected in 0..5 {
            let Some(Item::Record(taken)) = taker.try_take() else { panic!("it was given") };
            assert_eq!(taken.offset, expected);
        }
        assert!(giver.has_room() && giver.is_half_free());
    }
}
