//! The issuer's keys: those that sign pass codes, and the one that makes code ids.

use std::path::Path;

use ed25519_dalek::SigningKey;
use suikang_schemas::KeyId;

use crate::secrets::{SealedFileError, Unlock};

/// What only the issuer has.
pub struct IssuerKeystore {}

impl IssuerKeystore {
    /// Reads `issuer.keystore`.
    pub fn load(keys_dir: &Path, unlock: &Unlock) -> Result<Self, SealedFileError> {
        let _ = (keys_dir, unlock);
        todo!()
    }

    /// The private half of a pass-code key.
    pub fn signing_key(&self, key_id: &KeyId) -> Option<&SigningKey> {
        let _ = key_id;
        todo!()
    }

    /// For the keyed hash that is a code's id.
    pub fn code_id_key(&self) -> &[u8; 32] {
        todo!()
    }
}
