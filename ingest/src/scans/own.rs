//! Records of the scans topic that this process appended itself. What they hold it has noted already: following the topic, it passes
//! them over instead of decoding them again.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use suikang_stream::Position;

/// What was appended and not met yet, by partition: the few records between the log's end and the place that was followed to.
#[derive(Default)]
pub(super) struct Own(Mutex<HashMap<i32, Appended>>);

#[derive(Default)]
struct Appended {
    offsets: BTreeSet<i64>,
    /// Where following goes on.
    next_offset: i64,
}

impl Own {
    /// These records are on the log, and noted.
    pub(super) fn appended(&self, positions: &[Position]) {
        let mut partitions = self.lock();
        for position in positions {
            let partition = partitions.entry(position.kafka_partition).or_default();
            // The follower may have been faster; what it met it won't meet again.
            if position.offset >= partition.next_offset {
                partition.offsets.insert(position.offset);
            }
        }
    }

    /// Whether this record, which following has come to, is one of them.
    pub(super) fn meet(&self, position: Position) -> bool {
        let mut partitions = self.lock();
        let partition = partitions.entry(position.kafka_partition).or_default();
        partition.next_offset = position.offset + 1;
        // What lies before it was passed over, and is not kept for ever.
        while let Some(first) = partition.offsets.first().copied()
            && first < position.offset
        {
            partition.offsets.pop_first();
        }
        partition.offsets.remove(&position.offset)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Appended>> {
        // Whatever is lost here is decoded once more.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kafka_partition: i32, offset: i64) -> Position {
        Position { kafka_partition, offset }
    }

    #[test]
    fn own_records_are_known_once_and_none_is_kept() {
        let own = Own::default();
        own.appended(&[at(0, 3), at(0, 5), at(1, 4)]);
        assert!(!own.meet(at(0, 2)) && own.meet(at(0, 3)) && !own.meet(at(0, 4)));
        assert!(!own.meet(at(1, 3)) && own.meet(at(1, 4)));
        // The follower was faster than the acknowledgement.
        assert!(!own.meet(at(1, 5)));
        own.appended(&[at(1, 5)]);
        // Records went away before they were read.
        own.appended(&[at(0, 6), at(0, 7)]);
        assert!(own.meet(at(0, 7)));
        assert!(own.lock().values().all(|partition| partition.offsets.is_empty()));
    }
}
