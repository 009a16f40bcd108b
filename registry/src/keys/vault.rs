//! The vault's keystore: private halves of the day seal keys.

use std::path::Path;

use suikang_schemas::declaration::Sealed;
use zeroize::Zeroizing;

use crate::seal::{OpenSealError, SealPurpose};
use crate::secrets::{SealedFileError, Unlock};

/// What only the vault has.
pub struct VaultKeystore {}

impl VaultKeystore {
    /// Reads `vault.keystore`.
    pub fn load(keys_dir: &Path, unlock: &Unlock) -> Result<Self, SealedFileError> {
        let _ = (keys_dir, unlock);
        todo!()
    }

    /// Opens what was sealed for this purpose, if the day's key still exists.
    pub fn open(&self, purpose: SealPurpose, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, OpenSealError> {
        let _ = (purpose, sealed);
        todo!()
    }
}
