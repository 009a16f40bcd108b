//! The numbers of one device that were seen, as intervals: they coalesce into one, in whatever order uploads arrive.

use std::ops::Range;

/// Disjoint, ascending, none touching another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Intervals(Vec<Range<i64>>);

impl Intervals {
    /// Whether any number of the range was seen.
    pub(crate) fn meets(&self, range: &Range<i64>) -> bool {
        self.0.get(self.first_ending_after(range.start)).is_some_and(|interval| interval.start < range.end)
    }

    /// Whether this number was seen.
    pub(crate) fn contains(&self, number: i64) -> bool {
        self.meets(&(number..number + 1))
    }

    /// Every number of the range is seen from now on.
    pub(crate) fn insert(&mut self, range: Range<i64>) {
        // One that ends where this one starts is joined as well.
        let first = self.first_ending_after(range.start - 1);
        let beyond = first + self.0[first..].partition_point(|interval| interval.start <= range.end);
        let joined = &self.0[first..beyond];
        let start = joined.first().map_or(range.start, |interval| interval.start.min(range.start));
        let end = joined.last().map_or(range.end, |interval| interval.end.max(range.end));
        self.0.splice(first..beyond, std::iter::once(start..end));
    }

    fn first_ending_after(&self, number: i64) -> usize {
        self.0.partition_point(|interval| interval.end <= number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_coalesce() {
        let mut seen = Intervals::default();
        seen.insert(1..101);
        seen.insert(201..301);
        assert_eq!(seen.0.len(), 2);
        seen.insert(101..201);
        assert_eq!(seen.0, std::iter::once(1..301).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn intervals_are_the_set_of_their_numbers(inserts in proptest::collection::vec((0_i64..60, 1_i64..10), 0..20), asked in (0_i64..70, 1_i64..5)) {
            let (mut seen, mut set) = (Intervals::default(), BTreeSet::new());
            for (start, length) in inserts {
                seen.insert(start..start + length);
                set.extend(start..start + length);
            }
            let asked = asked.0..asked.0 + asked.1;
            prop_assert_eq!(seen.meets(&asked), asked.clone().any(|number| set.contains(&number)));
            prop_assert!((0..80).all(|number| seen.contains(number) == set.contains(&number)));
            prop_assert!(seen.0.windows(2).all(|pair| pair[0].end < pair[1].start), "disjoint, ascending, not touching");
        }
    }
}
