//! What has been counted: numbers as intervals, and the declarations of the last day.
//!
//! A device numbers its scans, a partition its declarations. Numbers come nearly in order, so those of one device coalesce into one
//! interval, and each is counted once for ever at some 24 bytes a device. A declaration's id carries its time, and keys older than a day
//! are refused at the door, so a day and a bit of ids is enough.

pub(crate) mod saved;

use std::collections::{BTreeMap, HashMap, HashSet};

use suikang_schemas::DeclarationId;

/// Ids older than this can't come again: a key lives 24 hours, and the clocks of two doors may differ.
pub(crate) const REMEMBERED_MS: i64 = 30 * 3_600_000;

/// Disjoint, non-adjacent ranges `first..=last`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intervals {
    by_first: BTreeMap<i64, i64>,
}

impl Intervals {
    /// Adds a number; whether it is new.
    pub fn insert(&mut self, number: i64) -> bool {
        !self.insert_all(number, number).is_empty()
    }

    /// Adds `first..=last`; the parts that are new, ascending.
    pub fn insert_all(&mut self, first: i64, last: i64) -> Vec<(i64, i64)> {
        if last < first {
            return Vec::new();
        }
        let mut whole = (first, last);
        let mut new = Vec::new();
        // Nothing comes after the greatest number.
        let mut next = Some(first);
        // Ranges that overlap or touch, from the one that may reach in from before.
        let from = self.by_first.range(..first).next_back().map_or(first, |(&start, _)| start);
        let near = self.by_first.range(from..=last.saturating_add(1)).map(|(&start, &end)| (start, end));
        let touching: Vec<_> = near.filter(|(_, end)| end.saturating_add(1) >= first).collect();
        for (start, end) in touching {
            if let Some(next) = next.filter(|next| *next < start && *next <= last) {
                new.push((next, last.min(start - 1)));
            }
            next = next.and_then(|next| Some(next.max(end.checked_add(1)?)));
            whole = (whole.0.min(start), whole.1.max(end));
            self.by_first.remove(&start);
        }
        new.extend(next.filter(|next| *next <= last).map(|next| (next, last)));
        self.by_first.insert(whole.0, whole.1);
        new
    }

    /// Whether a number has been added.
    pub fn contains(&self, number: i64) -> bool {
        self.by_first.range(..=number).next_back().is_some_and(|(_, &last)| number <= last)
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

/// Numbers that have been counted, by who numbers: a device's scans by its epoch, declarations by their partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenNumbers {
    by_numberer: HashMap<i64, Intervals>,
}

impl SeenNumbers {
    /// Notes `first..=last`; the parts that are new.
    pub fn insert_all(&mut self, numberer: i64, first: i64, last: i64) -> Vec<(i64, i64)> {
        self.by_numberer.entry(numberer).or_default().insert_all(first, last)
    }

    /// Notes a number; whether it is new.
    pub fn insert(&mut self, numberer: i64, number: i64) -> bool {
        self.by_numberer.entry(numberer).or_default().insert(number)
    }

    /// Whether a number was noted.
    pub fn contains(&self, numberer: i64, number: i64) -> bool {
        self.by_numberer.get(&numberer).is_some_and(|intervals| intervals.contains(number))
    }

    /// Numberer, first, last; each numberer's ascending.
    pub fn ranges(&self) -> impl Iterator<Item = (i64, i64, i64)> + '_ {
        self.by_numberer
            .iter()
            .flat_map(|(&numberer, intervals)| intervals.ranges().map(move |(first, last)| (numberer, first, last)))
    }

    /// How many numbers.
    pub fn len(&self) -> i64 {
        self.by_numberer.values().map(Intervals::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_numberer.values().all(Intervals::is_empty)
    }
}

/// Declarations of the last day that have been counted.
#[derive(Debug, Clone, Default)]
pub struct SeenDeclarations {
    ids: HashSet<DeclarationId>,
    forgotten_at_ms: i64,
}

impl SeenDeclarations {
    /// Notes a declaration that was counted before.
    pub fn restore(&mut self, id: DeclarationId) {
        self.ids.insert(id);
    }

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
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn intervals_are_a_set(runs in proptest::collection::vec((-20i64..60, 0i64..6), 0..80)) {
            let (mut intervals, mut set) = (Intervals::default(), BTreeSet::new());
            for (first, more) in runs {
                let last = first + more;
                let expected: Vec<_> = (first..=last).filter(|number| set.insert(*number)).collect();
                let new: Vec<_> = intervals.insert_all(first, last).into_iter().flat_map(|(a, b)| a..=b).collect();
                prop_assert_eq!(new, expected);
            }
            prop_assert!(intervals.insert_all(3, 2).is_empty());
            let listed: Vec<_> = intervals.ranges().flat_map(|(first, last)| first..=last).collect();
            prop_assert_eq!(listed, set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(intervals.len(), i64::try_from(set.len()).unwrap());
            prop_assert!((-25..70).all(|number| intervals.contains(number) == set.contains(&number)));
            let ranges: Vec<_> = intervals.ranges().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "coalesced");
        }
    }

    #[test]
    fn the_greatest_numbers_do_no_harm() {
        let mut intervals = Intervals::default();
        assert!(intervals.insert(i64::MAX));
        assert!(!intervals.insert(i64::MAX));
        assert!(intervals.insert(i64::MAX - 1));
        assert_eq!(intervals.ranges().collect::<Vec<_>>(), [(i64::MAX - 1, i64::MAX)]);
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
