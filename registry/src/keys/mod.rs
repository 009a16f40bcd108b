//! Key material: made, rotated and revoked in a folder; published as registry events.
//!
//! Everything here changes the folder first and the log second: [`publish`] appends whatever the folder has and the log hasn't, so
//! a crash between the two is mended by publishing again.

use std::path::Path;

use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};
use suikang_schemas::KeyId;
use suikang_schemas::registry_event::Actor;

use crate::command::CommandError;
use crate::registry::Registry;
use crate::secrets::{SealedFileError, Unlock};

pub(crate) mod files;
mod issuer_keystore;
mod vault;

pub use issuer_keystore::IssuerKeystore;
pub use vault::VaultKeystore;

/// Why key material was not made, changed or published.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file was not read or written.
    #[error(transparent)]
    File(#[from] SealedFileError),
    /// The folder already has keys; making new ones would orphan what they sealed and signed.
    #[error("there are keys already")]
    Exists,
    /// No entry of the list has this id.
    #[error("no key {0} in the list")]
    NoSuchKey(KeyId),
    /// The registry did not take it.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Whether the folder has keys.
pub fn exist(keys_dir: &Path) -> bool {
    keys_dir.join(files::ROOT_PUBLIC_KEY).exists()
}

/// Makes all key material and signs the first key list; [`publish`] it next.
pub fn init(keys_dir: &Path, unlock: &Unlock, now_ms: i64) -> Result<(), KeysError> {
    let _ = (keys_dir, unlock, now_ms);
    todo!()
}

/// Signs a new list with a next pass-code key, published ahead of its use, and makes seal keys for the days to come.
pub fn rotate(keys_dir: &Path, unlock: &Unlock, now_ms: i64) -> Result<KeyId, KeysError> {
    let _ = (keys_dir, unlock, now_ms);
    todo!()
}

/// Signs a new list in which this key is revoked; if it was the one in use, another takes over at once.
pub fn revoke(keys_dir: &Path, unlock: &Unlock, key_id: KeyId, now_ms: i64) -> Result<(), KeysError> {
    let _ = (keys_dir, unlock, key_id, now_ms);
    todo!()
}

/// Appends what the folder has and the log hasn't: the newest key list, the public halves of seal keys. Says how many events.
pub async fn publish(registry: &Registry, keys_dir: &Path, unlock: &Unlock, actor: Actor) -> Result<usize, KeysError> {
    let _ = (registry, keys_dir, unlock, actor);
    todo!()
}

/// What lake pseudonyms are made with.
pub fn lake_secret(keys_dir: &Path, unlock: &Unlock) -> Result<[u8; 32], SealedFileError> {
    files::read_secret(keys_dir, unlock, files::LAKE_SECRET).map(|secret| *secret)
}

/// A key's id: the first 8 bytes of the SHA-256 of its public half.
fn key_id_of(signing_key: &SigningKey) -> KeyId {
    let digest = Sha256::digest(signing_key.verifying_key().as_bytes());
    KeyId(*digest.first_chunk().expect("SHA-256 has more than 8 bytes"))
}
