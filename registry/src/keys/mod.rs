//! Key material: made, rotated and revoked in a folder; published as registry events.
//!
//! Everything here changes the folder first and the log second: [`publish`] appends whatever the folder has and the log hasn't, so
//! a crash between the two is mended by publishing again.

use std::path::Path;

use ed25519_dalek::SigningKey;
use suikang_schemas::KeyId;
use suikang_schemas::key_list::{KeyList, KeyListError, Purpose};
use zeroize::Zeroizing;

use crate::command::CommandError;
use crate::secrets::{SealedFileError, Unlock};

pub(crate) mod files;
mod issuer_keystore;
mod lists;
mod publish;
mod vault;

pub use issuer_keystore::IssuerKeystore;
pub use publish::{publish, publish_seal_keys};
pub use vault::VaultKeystore;

/// Days ahead that have a seal key: rotating once a month leaves some to spare.
const SEAL_DAYS_AHEAD: i32 = 40;
/// With fewer days ahead than this, a running vault makes more by itself.
const FEW_SEAL_DAYS: i32 = 2;

/// Why key material was not made, changed or published.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file was not read or written.
    #[error(transparent)]
    File(#[from] SealedFileError),
    /// The folder already has keys; making new ones would orphan what they sealed and signed.
    #[error("there are keys already")]
    Exist,
    /// The folder's list is not one that its root signed.
    #[error("the folder's key list: {0}")]
    List(#[from] KeyListError),
    /// No entry of the list has this id.
    #[error("no key {0} in the list")]
    NoSuchKey(KeyId),
    /// The registry did not take it.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Whether the folder has keys.
pub fn exist(keys_dir: &Path) -> bool {
    // The last file that `init` writes.
    keys_dir.join(files::ROOT_PUBLIC_KEY).exists()
}

/// Makes all key material and signs the first key list; [`publish`] it next.
pub fn init(keys_dir: &Path, unlock: &Unlock, now_ms: i64) -> Result<(), KeysError> {
    if exist(keys_dir) {
        return Err(KeysError::Exist);
    }
    unlock.prepare()?;
    let root = new_signing_key();
    for name in [files::NODE_SECRET, files::LAKE_SECRET] {
        files::write_secret(keys_dir, unlock, name, &Zeroizing::new(rand::random()))?;
    }
    let mut vault = VaultKeystore::default();
    vault.extend(seal_days(now_ms));
    vault.save(keys_dir, unlock)?;

    let pass_code_key = new_signing_key();
    let mut keystore = IssuerKeystore::new();
    keystore.add(pass_code_key.clone());
    keystore.save(keys_dir, unlock)?;
    let now_s = now_ms.div_euclid(1000);
    let mut list = lists::empty(now_s);
    list.entries.push(lists::entry(&pass_code_key, Purpose::PassCode, now_s - lists::HEAD_START_S));
    for purpose in [Purpose::SessionToken, Purpose::Bundle] {
        renew(keys_dir, unlock, &mut list, purpose, now_s)?;
    }
    files::write_secret(keys_dir, unlock, files::ROOT_KEY, root.as_bytes())?;
    files::write_key_list(keys_dir, &lists::signed(&list, &root))?;
    Ok(files::write_root_public_key(keys_dir, root.verifying_key().as_bytes())?)
}

/// The newest list that the folder signed.
pub fn list(keys_dir: &Path) -> Result<KeyList, KeysError> {
    let root_public_key = files::read_root_public_key(keys_dir)?;
    Ok(KeyList::verify(&files::read_key_list(keys_dir)?, &root_public_key)?)
}

/// Signs a new list with a next pass-code key, published ahead of its use, renews the others where they are about to end, and makes
/// seal keys for the days to come. [`publish`] it next.
pub fn rotate(keys_dir: &Path, unlock: &Unlock, now_ms: i64) -> Result<KeyId, KeysError> {
    let _turn = files::turn(keys_dir)?;
    let now_s = now_ms.div_euclid(1000);
    let mut list = lists::next(&list(keys_dir)?, now_s);
    let mut vault = VaultKeystore::load(keys_dir, unlock)?;
    vault.extend(seal_days(now_ms));
    vault.save(keys_dir, unlock)?;

    let not_before_s = lists::next_start_s(&list, now_s);
    let key_id = add_pass_code_key(keys_dir, unlock, &mut list, not_before_s)?;
    for purpose in [Purpose::SessionToken, Purpose::Bundle] {
        if lists::is_due(&list, purpose, now_s) {
            renew(keys_dir, unlock, &mut list, purpose, now_s)?;
        }
    }
    sign(keys_dir, unlock, &list)?;
    Ok(key_id)
}

/// Whether the folder is a vault's.
pub fn has_vault(keys_dir: &Path) -> bool {
    keys_dir.join(files::VAULT_KEYSTORE).exists()
}

/// Makes seal keys for the days to come if today or one of the next two days has none; says whether it did.
/// [`publish_seal_keys`] next.
pub fn renew_seal_keys(keys_dir: &Path, unlock: &Unlock, now_ms: i64) -> Result<bool, KeysError> {
    let _turn = files::turn(keys_dir)?;
    let mut vault = VaultKeystore::load(keys_dir, unlock)?;
    let today = crate::seal::seal_day_at(now_ms);
    if (today..=today + FEW_SEAL_DAYS).all(|seal_day| vault.has_key_of(seal_day)) {
        return Ok(false);
    }
    vault.extend(seal_days(now_ms));
    vault.save(keys_dir, unlock)?;
    Ok(true)
}

/// Signs a new list in which this key is revoked; if it was the last of its purpose, another takes over at once. [`publish`] it next.
pub fn revoke(keys_dir: &Path, unlock: &Unlock, key_id: KeyId, now_ms: i64) -> Result<(), KeysError> {
    let _turn = files::turn(keys_dir)?;
    let now_s = now_ms.div_euclid(1000);
    let mut list = lists::next(&list(keys_dir)?, now_s);
    let entry = list.entries.iter_mut().find(|entry| entry.key_id == key_id).ok_or(KeysError::NoSuchKey(key_id))?;
    entry.revoked_at_s.get_or_insert(now_s);
    let purpose = entry.purpose;
    match purpose {
        purpose if list.signing_key_at(purpose, now_ms).is_some() => {}
        Purpose::PassCode => drop(add_pass_code_key(keys_dir, unlock, &mut list, now_s - lists::HEAD_START_S)?),
        purpose => renew(keys_dir, unlock, &mut list, purpose, now_s)?,
    }
    sign(keys_dir, unlock, &list)
}

/// What lake pseudonyms are made with.
pub fn lake_secret(keys_dir: &Path, unlock: &Unlock) -> Result<[u8; 32], SealedFileError> {
    files::read_secret(keys_dir, unlock, files::LAKE_SECRET).map(|secret| *secret)
}

fn sign(keys_dir: &Path, unlock: &Unlock, list: &KeyList) -> Result<(), KeysError> {
    let root = SigningKey::from_bytes(&*files::read_secret(keys_dir, unlock, files::ROOT_KEY)?);
    Ok(files::write_key_list(keys_dir, &lists::signed(list, &root))?)
}

fn add_pass_code_key(
    keys_dir: &Path,
    unlock: &Unlock,
    list: &mut KeyList,
    not_before_s: i64,
) -> Result<KeyId, KeysError> {
    let signing_key = new_signing_key();
    let entry = lists::entry(&signing_key, Purpose::PassCode, not_before_s);
    let key_id = entry.key_id;
    list.entries.push(entry);
    let mut keystore = IssuerKeystore::load(keys_dir, unlock)?;
    keystore.add(signing_key);
    keystore.save(keys_dir, unlock)?;
    Ok(key_id)
}

/// Another key of a purpose that has one at a time. It signs from now on; its predecessor still verifies.
fn renew(keys_dir: &Path, unlock: &Unlock, list: &mut KeyList, purpose: Purpose, now_s: i64) -> Result<(), KeysError> {
    let signing_key = new_signing_key();
    list.entries.push(lists::entry(&signing_key, purpose, now_s - lists::HEAD_START_S));
    let name = if purpose == Purpose::Bundle { files::BUNDLE_KEY } else { files::TOKEN_KEY };
    Ok(files::write_secret(keys_dir, unlock, name, signing_key.as_bytes())?)
}

fn new_signing_key() -> SigningKey {
    SigningKey::from_bytes(&Zeroizing::new(rand::random()))
}

fn seal_days(now_ms: i64) -> impl Iterator<Item = i32> {
    let today = crate::seal::seal_day_at(now_ms);
    // Yesterday's too: a node's clock may be a little behind.
    today - 1..=today + SEAL_DAYS_AHEAD
}

#[cfg(test)]
mod tests;
