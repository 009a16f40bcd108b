//! The vault's keystore: private halves of the day seal keys. Once a day's is gone, what it sealed is unreadable everywhere.
//!
//! ```text
//! vault.keystore, sealed = (seal day, 4 bytes, big endian | private key, 32 bytes), …
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use suikang_schemas::declaration::Sealed;
use zeroize::Zeroizing;

use super::files::VAULT_KEYSTORE;
use crate::seal::{self, OpenSealError, SealPrivateKey, SealPurpose};
use crate::secrets::sealed_file::{self, SealedFileError, Unlock};

const DAY_BYTES: usize = 4;
const ENTRY_BYTES: usize = DAY_BYTES + 32;

/// What only the vault has.
#[derive(Clone, Default)]
pub struct VaultKeystore {
    by_day: BTreeMap<i32, SealPrivateKey>,
}

impl VaultKeystore {
    /// Reads `vault.keystore`.
    pub fn load(keys_dir: &Path, unlock: &Unlock) -> Result<Self, SealedFileError> {
        let path = keys_dir.join(VAULT_KEYSTORE);
        let bytes = sealed_file::read(&path, unlock, VAULT_KEYSTORE)?;
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return Err(SealedFileError::Format { path });
        }
        let entry = |entry: &[u8; ENTRY_BYTES]| {
            let (seal_day, private_key) = entry.split_first_chunk::<DAY_BYTES>()?;
            Some((i32::from_be_bytes(*seal_day), SealPrivateKey(private_key.try_into().ok()?)))
        };
        Ok(Self { by_day: entries.iter().filter_map(entry).collect() })
    }

    /// Opens what was sealed for this purpose, if the day's key still exists.
    pub fn open(&self, purpose: SealPurpose, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, OpenSealError> {
        let private_key = self.by_day.get(&sealed.seal_day).ok_or(OpenSealError)?;
        seal::open(private_key, purpose, sealed)
    }

    /// The days that have a key, with its public half.
    pub fn public_keys(&self) -> impl Iterator<Item = (i32, [u8; 32])> + '_ {
        self.by_day.iter().map(|(&seal_day, private_key)| (seal_day, seal::public_key_of(private_key)))
    }

    pub(super) fn has_key_of(&self, seal_day: i32) -> bool {
        self.by_day.contains_key(&seal_day)
    }

    /// Makes a key for each of these days that has none.
    pub(super) fn extend(&mut self, seal_days: impl Iterator<Item = i32>) {
        for seal_day in seal_days {
            self.by_day.entry(seal_day).or_insert_with(|| seal::generate().0);
        }
    }

    pub(super) fn save(&self, keys_dir: &Path, unlock: &Unlock) -> Result<(), SealedFileError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.by_day.len() * ENTRY_BYTES));
        for (seal_day, private_key) in &self.by_day {
            bytes.extend_from_slice(&seal_day.to_be_bytes());
            bytes.extend_from_slice(&private_key.0);
        }
        sealed_file::write(&keys_dir.join(VAULT_KEYSTORE), unlock, VAULT_KEYSTORE, &bytes)
    }
}

impl fmt::Debug for VaultKeystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultKeystore({} days)", self.by_day.len())
    }
}
