//! Pseudonyms: subjects, codes and plates, enciphered and cut, in place of themselves. Whoever has the lake and not its secret can count,
//! join, and name nobody.
//!
//! The first 8 bytes of AES-256(HMAC-SHA-256(secret, kind), id), where an id is a block: each scan has one or two, and the processor has
//! instructions for AES.

use std::fmt;

use aes::Aes256Enc;
use aes::cipher::array::Array;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use arrow::array::{Array as _, FixedSizeBinaryArray, Int64Array};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use suikang_schemas::{CodeId, Subject};

/// The lake's keys, one for each kind of pseudonym.
#[derive(Clone)]
pub struct LakeSecret {
    subjects: Aes256Enc,
    codes: Aes256Enc,
    plates: Aes256Enc,
}

impl LakeSecret {
    /// The keys that come of these bytes.
    pub fn new(secret: [u8; 32]) -> Self {
        let key = |kind: &[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&secret).expect("an HMAC key may have any length");
            mac.update(kind);
            Aes256Enc::new(&mac.finalize().into_bytes())
        };
        Self { subjects: key(b"subject"), codes: key(b"code"), plates: key(b"plate") }
    }

    /// Of a person.
    pub fn subject_ref(&self, subject: &Subject) -> i64 {
        references(&self.subjects, [subject.0])[0]
    }

    /// Of a code.
    pub fn code_ref(&self, code_id: &CodeId) -> i64 {
        references(&self.codes, [code_id.0])[0]
    }

    /// Of codes, by their ids; nothing where there is none.
    pub(crate) fn code_refs(&self, code_ids: &FixedSizeBinaryArray) -> Int64Array {
        let ids = code_ids.value_data().as_chunks().0.to_vec();
        Int64Array::new(references(&self.codes, ids).into(), code_ids.nulls().cloned())
    }

    /// Of plates, by the hashes that the door made; nothing where there is none.
    pub(crate) fn plate_refs(&self, plate_hashes: &Int64Array) -> Int64Array {
        let ids: Vec<_> = plate_hashes.values().iter().map(|hash| block(*hash)).collect();
        Int64Array::new(references(&self.plates, ids).into(), plate_hashes.nulls().cloned())
    }
}

/// A block that begins with this number.
fn block(number: i64) -> [u8; 16] {
    (u128::from(number.cast_unsigned()) << 64).to_be_bytes()
}

/// Of many the processor enciphers several at once.
fn references<Ids: AsMut<[[u8; 16]]>>(key: &Aes256Enc, mut ids: Ids) -> Vec<i64> {
    let ids = ids.as_mut();
    key.encrypt_blocks(Array::cast_slice_from_core_mut(ids));
    ids.iter().map(|enciphered| i64::from_be_bytes(*enciphered.first_chunk().expect("8 of 16 bytes"))).collect()
}

impl fmt::Debug for LakeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LakeSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with OpenSSL's HMAC and AES.
    #[test]
    fn pseudonyms_are_what_another_library_computes() {
        let secret = LakeSecret::new([3; 32]);
        assert_eq!(secret.subject_ref(&Subject([5; 16])), -91_346_894_403_731_796);
        assert_eq!(secret.code_ref(&CodeId([5; 16])), 6_929_289_463_801_766_392);
        assert_eq!(secret.plate_refs(&Int64Array::from(vec![5])).value(0), -8_691_742_424_325_227_305);
    }

    #[test]
    fn a_columns_pseudonyms_are_those_of_its_ids() {
        let secret = LakeSecret::new([3; 32]);
        let ids: Vec<_> = (0..40).map(|n| (n % 3 > 0).then_some([n; 16])).collect();
        let column = FixedSizeBinaryArray::try_from_sparse_iter_with_size(ids.iter().copied(), 16).unwrap();
        let of_each = |ids: &[Option<[u8; 16]>]| -> Int64Array {
            ids.iter().map(|id| id.map(|id| secret.code_ref(&CodeId(id)))).collect()
        };
        assert_eq!(secret.code_refs(&column), of_each(&ids));
        assert_eq!(secret.code_refs(&column.slice(7, 20)), of_each(&ids[7..27]));
        let plates = secret.plate_refs(&Int64Array::from(vec![None, Some(5), None, Some(5)]).slice(1, 3));
        assert!(plates.is_valid(0) && plates.is_null(1) && plates.value(0) == plates.value(2));
    }
}
