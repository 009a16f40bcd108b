//! How far a view has come, and when it last had everything.

use std::collections::HashMap;
use std::time::Instant;

use suikang_schemas::Topic;

use crate::log::{Log, NextOffsets, ReadError};

/// By topic, the first offsets that a view has not folded.
pub type Positions = HashMap<Topic, NextOffsets>;

/// How far a view has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    pub(super) next_offsets: Positions,
    /// When it was last known to be at the log's end.
    pub(super) at_end: Option<Instant>,
    /// Records between it and the log's end when that was last looked at.
    pub(super) lag: i64,
}

/// Where the log's end was when it was looked at.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) seen: Instant,
    next_offsets: Positions,
}

impl End {
    /// Looks.
    pub(super) async fn of(log: &dyn Log, topics: &[Topic]) -> Result<Self, ReadError> {
        let seen = Instant::now();
        let mut next_offsets = Positions::new();
        for &topic in topics {
            let extents = log.extents(topic).await?;
            let ends = extents.into_iter().map(|(kafka_partition, extent)| (kafka_partition, extent.next)).collect();
            next_offsets.insert(topic, ends);
        }
        Ok(Self { seen, next_offsets })
    }
}

impl Progress {
    /// The first offset of a partition that has not been folded, if it is known.
    pub(super) fn next_offset(&self, topic: Topic, kafka_partition: i32) -> Option<i64> {
        self.next_offsets.get(&topic)?.get(&kafka_partition).copied()
    }

    /// Notes where the log's end is. Once everything up to an earlier end is folded, the view is no older than that look: so a view that
    /// keeps up is not old though records never cease.
    pub(super) fn note_end(&mut self, former: Option<&End>, now: &End) {
        self.lag = self.behind(now);
        let reached = [Some(now), former].into_iter().flatten().find(|end| self.behind(end) == 0);
        self.at_end = self.at_end.max(reached.map(|end| end.seen));
    }

    /// Records before this end that are not folded.
    fn behind(&self, end: &End) -> i64 {
        let ends =
            end.next_offsets.iter().flat_map(|(&topic, ends)| ends.iter().map(move |(p, &end)| (topic, *p, end)));
        ends.map(|(topic, kafka_partition, end)| (end - self.next_offset(topic, kafka_partition).unwrap_or(0)).max(0))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(next_offset: i64) -> Positions {
        [(Topic::Scans, [(0, next_offset)].into())].into()
    }

    #[test]
    fn a_view_is_as_old_as_the_last_end_that_it_has_reached() {
        let first = End { seen: Instant::now(), next_offsets: at(10) };
        let second = End { seen: first.seen + Duration::from_secs(1), next_offsets: at(20) };
        let third = End { seen: first.seen + Duration::from_secs(2), next_offsets: at(30) };

        let mut progress = Progress { next_offsets: at(9), ..Progress::default() };
        progress.note_end(None, &first);
        assert_eq!((progress.at_end, progress.lag), (None, 1));
        progress.next_offsets = at(15);
        progress.note_end(Some(&first), &second);
        assert_eq!((progress.at_end, progress.lag), (Some(first.seen), 5));
        progress.next_offsets = at(19);
        progress.note_end(Some(&second), &third);
        assert_eq!((progress.at_end, progress.lag), (Some(first.seen), 11), "it doesn't keep up");
        progress.next_offsets = at(30);
        progress.note_end(Some(&second), &third);
        assert_eq!((progress.at_end, progress.lag), (Some(third.seen), 0));
    }
}
