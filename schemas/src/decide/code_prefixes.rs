//! Sets of codes that reveal nobody and stay small: the first six bytes of their ids, sorted.
//!
//! Code ids are keyed hashes, so that a hundred thousand prefixes meet a code by accident once in 2.8 billion codes.

use crate::ids::CodeId;

/// Bytes of a code id that lists of codes hold.
pub const PREFIX_BYTES: usize = 6;

/// A set of codes, by prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodePrefixes {
    /// Ascending, each once.
    sorted: Vec<[u8; PREFIX_BYTES]>,
}

impl CodePrefixes {
    /// The prefix that stands for this code.
    pub fn prefix(code_id: CodeId) -> [u8; PREFIX_BYTES] {
        std::array::from_fn(|at| code_id.0[at])
    }

    /// Whether the code is in the set.
    pub fn contains(&self, code_id: CodeId) -> bool {
        self.sorted.binary_search(&Self::prefix(code_id)).is_ok()
    }

    /// The prefixes, ascending.
    pub fn as_slice(&self) -> &[[u8; PREFIX_BYTES]] {
        &self.sorted
    }
}

impl FromIterator<[u8; PREFIX_BYTES]> for CodePrefixes {
    fn from_iter<I: IntoIterator<Item = [u8; PREFIX_BYTES]>>(prefixes: I) -> Self {
        let mut sorted: Vec<_> = prefixes.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self { sorted }
    }
}

impl FromIterator<CodeId> for CodePrefixes {
    fn from_iter<I: IntoIterator<Item = CodeId>>(code_ids: I) -> Self {
        code_ids.into_iter().map(Self::prefix).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_sorted_whatever_it_was_built_from() {
        let ids = [CodeId([9; 16]), CodeId([1; 16]), CodeId([9; 16]), CodeId([5; 16])];
        let prefixes: CodePrefixes = ids.into_iter().collect();
        assert_eq!(prefixes.as_slice(), [[1; 6], [5; 6], [9; 6]]);
        assert!(ids.into_iter().all(|id| prefixes.contains(id)));
        let mut other = [5; 16];
        other[5] = 6;
        assert!(!prefixes.contains(CodeId(other)));
    }
}
