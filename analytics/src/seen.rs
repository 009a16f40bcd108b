//! What has been counted: per device the numbers of its scans as intervals, and the declarations of the last day.
//!
//! Numbers come nearly in order, so a device's intervals coalesce into one, and each scan is counted once for ever at some 24 bytes a device.
//! A declaration's id carries its time, and keys older than a day are refused at the door, so a day and a bit of ids is enough.

use std::collections::{BTreeMap, HashMap, HashSet};

use suikang_schemas::DeclarationId;

/// Ids older than this can't come again: a key lives 24 hours, and the log may lag.
const REMEMBERED_MS: i64 = 30 * 3_600_000;

/// Disjoint, non-adjacent ranges `first..=last`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intervals {
    by_first: BTreeMap<i64, i64>,
}

impl Intervals {
    /// Adds a number; whether it is new.
    pub fn insert(&mut self, number: i64) -> bool {
        let before = self.by_first.range(..=number).next_back().map(|(&first, &last)| (first, last));
        if before.is_some_and(|(_, last)| number <= last) {
            return false;
        }
        let first = match before {
            Some((first, last)) if last + 1 == number => first,
            _ => number,
        };
        let last = self.by_first.remove(&(number + 1)).unwrap_or(number);
        self.by_first.insert(first, last);
        true
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        self.by_first.iter().map(|(&first, &last)| (first, last))
    }

    /// How many numbers.
    pub fn len(&self) -> i64 {
        self.ranges().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_first.is_empty()
    }
}

/// Scans that have been counted.
#[derive(Debug, Clone, Default)]
pub struct SeenScans {
    by_epoch: HashMap<i64, Intervals>,
}

impl SeenScans {
    /// Notes a scan; whether it is new.
    pub fn insert(&mut self, device_epoch: i64, seq: i64) -> bool {
        self.by_epoch.entry(device_epoch).or_default().insert(seq)
    }

    /// How many scans.
    pub fn len(&self) -> i64 {
        self.by_epoch.values().map(Intervals::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_epoch.is_empty()
    }
}

/// Declarations of the last day that have been counted.
#[derive(Debug, Clone, Default)]
pub struct SeenDeclarations {
    ids: HashSet<DeclarationId>,
    forgotten_at_ms: i64,
}

impl SeenDeclarations {
    /// Notes a declaration; whether it is new. `now_ms` is the log's time of its record.
    pub fn insert(&mut self, id: DeclarationId, now_ms: i64) -> bool {
        if now_ms - self.forgotten_at_ms > 3_600_000 {
            self.ids.retain(|id| now_ms - id.time_ms() < REMEMBERED_MS);
            self.forgotten_at_ms = now_ms;
        }
        self.ids.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn intervals_are_a_set(numbers in proptest::collection::vec(-20i64..60, 0..200)) {
            let (mut intervals, mut set) = (Intervals::default(), std::collections::BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(intervals.insert(number), set.insert(number));
            }
            let listed: Vec<_> = intervals.ranges().flat_map(|(first, last)| first..=last).collect();
            prop_assert_eq!(listed, set.iter().copied().collect::<Vec<_>>());
            let ranges: Vec<_> = intervals.ranges().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "coalesced");
        }
    }

    #[test]
    fn declarations_are_forgotten_after_their_day() {
        let at = |ms: i64| {
            let mut id = [7; 16];
            id[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
            DeclarationId(id)
        };
        let mut seen = SeenDeclarations::default();
        let day = 86_400_000;
        assert!(seen.insert(at(10 * day), 10 * day));
        assert!(!seen.insert(at(10 * day), 10 * day + 1));
        seen.insert(at(12 * day), 12 * day);
        assert_eq!(seen.ids.len(), 1);
    }
}
