//! The folder of key material: which file holds what.
//!
//! ```text
//! root.key         seed of the root that signs key lists; take it offline after use
//! root.pub         its public half, hex, in the clear: whom this node believes
//! key-list.cose    the newest list that this folder signed, in the clear
//! issuer.keystore  pass-code keys and the code-id key
//! token.key        session-token key           bundle.key   bundle key
//! vault.keystore   private halves of the day seal keys
//! node.secret      what all nodes share        lake.secret  what lake pseudonyms are made with
//! unlock.key       opens them all, where no passphrase is given
//! turn             empty; locked by whoever changes the folder
//! ```

use std::fs;
use std::path::Path;

use zeroize::Zeroizing;

use crate::secrets::sealed_file::{self, SealedFileError, Unlock};

pub(crate) const ROOT_KEY: &str = "root.key";
pub(crate) const ROOT_PUBLIC_KEY: &str = "root.pub";
pub(crate) const KEY_LIST: &str = "key-list.cose";
pub(crate) const ISSUER_KEYSTORE: &str = "issuer.keystore";
pub(crate) const TOKEN_KEY: &str = "token.key";
pub(crate) const BUNDLE_KEY: &str = "bundle.key";
pub(crate) const VAULT_KEYSTORE: &str = "vault.keystore";
pub(crate) const NODE_SECRET: &str = "node.secret";
pub(crate) const LAKE_SECRET: &str = "lake.secret";

const TURN: &str = "turn";

/// Waits for whoever else is changing the folder; the turn ends when the file is dropped. Two who each add a key to what they read would
/// otherwise lose one.
pub(crate) fn turn(keys_dir: &Path) -> Result<fs::File, SealedFileError> {
    let path = keys_dir.join(TURN);
    let locked = fs::File::create(&path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| SealedFileError::Io { path, source })
}

/// A sealed file of 32 bytes.
pub(crate) fn read_secret(
    keys_dir: &Path,
    unlock: &Unlock,
    name: &'static str,
) -> Result<Zeroizing<[u8; 32]>, SealedFileError> {
    let path = keys_dir.join(name);
    let bytes = sealed_file::read(&path, unlock, name)?;
    let secret: &[u8; 32] = bytes.as_slice().try_into().map_err(|_| SealedFileError::Format { path })?;
    Ok(Zeroizing::new(*secret))
}

/// Seals 32 bytes.
pub(crate) fn write_secret(
    keys_dir: &Path,
    unlock: &Unlock,
    name: &'static str,
    secret: &[u8; 32],
) -> Result<(), SealedFileError> {
    sealed_file::write(&keys_dir.join(name), unlock, name, secret)
}

/// Whom this node believes.
pub(crate) fn read_root_public_key(keys_dir: &Path) -> Result<[u8; 32], SealedFileError> {
    let path = keys_dir.join(ROOT_PUBLIC_KEY);
    let text = fs::read_to_string(&path).map_err(|source| SealedFileError::Io { path: path.clone(), source })?;
    let mut root_public_key = [0; 32];
    hex::decode_to_slice(text.trim(), &mut root_public_key).map_err(|_| SealedFileError::Format { path })?;
    Ok(root_public_key)
}

/// Says whom to believe.
pub(crate) fn write_root_public_key(keys_dir: &Path, root_public_key: &[u8; 32]) -> Result<(), SealedFileError> {
    let line = format!("{}\n", hex::encode(root_public_key));
    sealed_file::write_private(&keys_dir.join(ROOT_PUBLIC_KEY), line.as_bytes())
}

/// The newest signed list.
pub(crate) fn read_key_list(keys_dir: &Path) -> Result<Vec<u8>, SealedFileError> {
    let path = keys_dir.join(KEY_LIST);
    fs::read(&path).map_err(|source| SealedFileError::Io { path, source })
}

/// Keeps the newest signed list.
pub(crate) fn write_key_list(keys_dir: &Path, signed: &[u8]) -> Result<(), SealedFileError> {
    sealed_file::write_private(&keys_dir.join(KEY_LIST), signed)
}
