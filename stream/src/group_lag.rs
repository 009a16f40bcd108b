//! How far a member of a consumer group is behind: records of its partitions that it has not been given yet. Seen now and then, not for
//! each record.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use suikang_schemas::Topic;

use crate::log::{Extent, NextOffsets, Record};
use crate::metrics;

/// How often it is seen.
const EVERY: Duration = Duration::from_secs(2);

/// Follows what a member is given.
#[derive(Debug)]
pub(crate) struct GroupLag {
    group: String,
    topic: Topic,
    next_offsets: NextOffsets,
    due: Instant,
}

impl GroupLag {
    pub(crate) fn new(group: &str, topic: Topic) -> Self {
        Self { group: group.to_owned(), topic, next_offsets: NextOffsets::new(), due: Instant::now() }
    }

    /// A partition is given from here on.
    pub(crate) fn started(&mut self, kafka_partition: i32, next_offset: i64) {
        self.next_offsets.insert(kafka_partition, next_offset);
    }

    /// These are another's, who tells of them.
    pub(crate) fn lost(&mut self, kafka_partitions: &[i32]) {
        self.next_offsets.retain(|kafka_partition, _| !kafka_partitions.contains(kafka_partition));
        self.due = Instant::now();
    }

    /// These were given.
    pub(crate) fn given(&mut self, records: &[Record]) {
        for record in records {
            self.next_offsets.insert(record.kafka_partition, record.offset + 1);
        }
    }

    /// What to compare with the log's end, if it is time to.
    pub(crate) fn due(&mut self) -> Option<Given> {
        if Instant::now() < self.due {
            return None;
        }
        self.due = Instant::now() + EVERY;
        Some(Given { group: self.group.clone(), topic: self.topic, next_offsets: self.next_offsets.clone() })
    }
}

/// What a member has been given.
#[derive(Debug)]
pub(crate) struct Given {
    group: String,
    pub(crate) topic: Topic,
    next_offsets: NextOffsets,
}

impl Given {
    /// Tells how far it is behind.
    pub(crate) fn compare(self, extents: &BTreeMap<i32, Extent>) {
        metrics::group_lag(self.group.clone(), self.topic, self.behind(extents));
    }

    fn behind(&self, extents: &BTreeMap<i32, Extent>) -> i64 {
        let of = |(kafka_partition, next_offset): (&i32, &i64)| {
            extents.get(kafka_partition).map_or(0, |extent| (extent.next - next_offset).max(0))
        };
        self.next_offsets.iter().map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_anothers_does_not_count() {
        let extents = [(0, Extent { start: 5, next: 30 }), (1, Extent { start: 0, next: 10 })].into();
        let mut lag = GroupLag::new("g", Topic::Scans);
        lag.started(0, 10);
        lag.started(1, 4);
        let given = lag.due().expect("the first is due at once");
        assert_eq!(given.behind(&extents), 26);
        assert!(lag.due().is_none(), "not for each record");
        lag.lost(&[0]);
        assert_eq!(lag.due().expect("a loss is told at once").behind(&extents), 6);
    }
}
