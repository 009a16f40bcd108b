//! A map that forgets: it holds what was touched last, between one and two capacities of it, in constant time and without a clock.

use std::collections::HashMap;
use std::hash::Hash;

/// What was touched since the last change of generations, and what was touched in the one before.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    capacity: usize,
}

impl<K: Eq + Hash + Clone, V> Generations<K, V> {
    /// Remembers at least the last `capacity` entries.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), capacity: capacity.max(1) }
    }

    /// The value, which by this becomes young again.
    pub(crate) fn touch(&mut self, key: &K) -> Option<&mut V> {
        if let Some(value) = self.old.remove(key) {
            self.insert(key.clone(), value);
        }
        self.young.get_mut(key)
    }

    /// Sets a value; the oldest may go.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.capacity && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// The value, which stays as old as it is.
    pub(crate) fn peek_mut(&mut self, key: &K) -> Option<&mut V> {
        match self.young.get_mut(key) {
            Some(value) => Some(value),
            None => self.old.get_mut(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_stay_and_memory_is_bounded() {
        let mut map = Generations::new(10);
        for number in 0..1000 {
            map.insert(number, number);
            assert!(map.young.len() + map.old.len() <= 20);
            for recent in (number - 9).max(0)..=number {
                assert_eq!(map.peek_mut(&recent), Some(&mut recent.clone()));
            }
        }
        assert_eq!(map.touch(&0), None);
    }

    #[test]
    fn what_is_touched_stays() {
        let mut map = Generations::new(2);
        map.insert('k', 0);
        for other in 0..100_u32 {
            map.insert(char::from_u32(0x4e00 + other).unwrap(), 1);
            assert_eq!(map.touch(&'k'), Some(&mut 0));
        }
    }
}
