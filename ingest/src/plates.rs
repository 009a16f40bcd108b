//! Number plates leave this process only as keyed hashes.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use suikang_schemas::plate::Plate;

/// Hashes plates under the deployment's key, equally on every node.
#[derive(Clone, Copy)]
pub(crate) struct PlateHasher<'a>(&'a [u8; 32]);

impl<'a> PlateHasher<'a> {
    /// With the key that [`suikang_registry::NodeSecrets`] derives for plates.
    pub(crate) fn new(plate_key: &'a [u8; 32]) -> Self {
        Self(plate_key)
    }

    /// The first 8 bytes of the plate's HMAC-SHA-256, big endian.
    pub(crate) fn hash(self, plate: &Plate) -> i64 {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0).expect("HMAC takes keys of any length");
        mac.update(plate.canonical());
        let hash = mac.finalize().into_bytes();
        i64::from_be_bytes(std::array::from_fn(|at| hash[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plate_has_one_hash_under_one_key() {
        let hash = |key: u8, text: &str| PlateHasher::new(&[key; 32]).hash(&text.parse().unwrap());
        assert_eq!(hash(1, "粤A12345"), hash(1, "粤a·12345"));
        assert_ne!(hash(1, "粤A12345"), hash(1, "粤A12346"));
        assert_ne!(hash(1, "粤A12345"), hash(2, "粤A12345"));
    }
}
