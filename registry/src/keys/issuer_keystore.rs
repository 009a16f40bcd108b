//! The issuer's keys: those that sign pass codes, and the one that makes code ids.
//!
//! ```text
//! issuer.keystore, sealed = code-id key, 32 bytes | seed of a pass-code key, 32 bytes | …
//! ```

use std::fmt;
use std::path::Path;

use ed25519_dalek::SigningKey;
use suikang_schemas::KeyId;
use suikang_schemas::key_list::key_id;
use zeroize::{Zeroize, Zeroizing};

use super::files::ISSUER_KEYSTORE;
use crate::secrets::sealed_file::{self, SealedFileError, Unlock};

const KEY_BYTES: usize = 32;

/// What only the issuer has.
#[derive(Clone)]
pub struct IssuerKeystore {
    code_id_key: [u8; 32],
    signing_keys: Vec<(KeyId, SigningKey)>,
}

impl IssuerKeystore {
    /// Reads `issuer.keystore`.
    pub fn load(keys_dir: &Path, unlock: &Unlock) -> Result<Self, SealedFileError> {
        let path = keys_dir.join(ISSUER_KEYSTORE);
        let bytes = sealed_file::read(&path, unlock, ISSUER_KEYSTORE)?;
        let (keys, rest) = bytes.as_chunks::<KEY_BYTES>();
        match keys {
            [code_id_key, seeds @ ..] if rest.is_empty() => {
                let mut keystore = Self { code_id_key: *code_id_key, signing_keys: Vec::new() };
                seeds.iter().for_each(|seed| keystore.add(SigningKey::from_bytes(seed)));
                Ok(keystore)
            }
            _ => Err(SealedFileError::Format { path }),
        }
    }

    /// The private half of a pass-code key.
    pub fn signing_key(&self, key_id: &KeyId) -> Option<&SigningKey> {
        self.signing_keys.iter().find(|(known, _)| known == key_id).map(|(_, signing_key)| signing_key)
    }

    /// For the keyed hash that is a code's id.
    pub fn code_id_key(&self) -> &[u8; 32] {
        &self.code_id_key
    }

    pub(super) fn new() -> Self {
        Self { code_id_key: rand::random(), signing_keys: Vec::new() }
    }

    pub(super) fn add(&mut self, signing_key: SigningKey) {
        self.signing_keys.push((key_id(signing_key.verifying_key().as_bytes()), signing_key));
    }

    pub(super) fn save(&self, keys_dir: &Path, unlock: &Unlock) -> Result<(), SealedFileError> {
        let mut bytes = Zeroizing::new(self.code_id_key.to_vec());
        for (_, signing_key) in &self.signing_keys {
            bytes.extend_from_slice(signing_key.as_bytes());
        }
        sealed_file::write(&keys_dir.join(ISSUER_KEYSTORE), unlock, ISSUER_KEYSTORE, &bytes)
    }
}

impl Drop for IssuerKeystore {
    fn drop(&mut self) {
        // Signing keys wipe themselves.
        self.code_id_key.zeroize();
    }
}

impl fmt::Debug for IssuerKeystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.signing_keys.iter().map(|(key_id, _)| key_id)).finish()
    }
}
