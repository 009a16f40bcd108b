//! What the folder has and the log hasn't becomes registry events.

use std::path::Path;

use suikang_schemas::CommandId;
use suikang_schemas::key_list::KeyList;
use suikang_schemas::registry_event::{Actor, Change, KeyListPublished, SealKeySet};

use super::{KeysError, VaultKeystore, files};
use crate::command::{Command, CommandError};
use crate::registry::Registry;
use crate::secrets::Unlock;
use crate::snapshot::Snapshot;

/// Appends what the folder has and the log hasn't: the newest key list, the public halves of seal keys. Says how many events.
pub async fn publish(registry: &Registry, keys_dir: &Path, unlock: &Unlock, actor: Actor) -> Result<usize, KeysError> {
    let snapshot = registry.snapshot();
    let mut changes = unpublished_key_list(&snapshot, keys_dir)?;
    changes.extend(unpublished_seal_keys(&snapshot, keys_dir, unlock)?);
    submit(registry, actor, changes).await
}

/// The same of seal keys alone: all that a vault's folder needs to hold.
pub async fn publish_seal_keys(
    registry: &Registry,
    keys_dir: &Path,
    unlock: &Unlock,
    actor: Actor,
) -> Result<usize, KeysError> {
    let changes = unpublished_seal_keys(&registry.snapshot(), keys_dir, unlock)?;
    submit(registry, actor, changes).await
}

async fn submit(registry: &Registry, actor: Actor, changes: Vec<Change>) -> Result<usize, KeysError> {
    let commands: Vec<Command> = (changes.iter().cloned())
        .map(|change| Command { command_id: CommandId::now(), actor: actor.clone(), expected_version: None, change })
        .collect();
    let mut published = 0;
    for (outcome, change) in registry.submit_all(commands).await.into_iter().zip(changes) {
        match outcome {
            Ok(_) => published += 1,
            // Another process published the same folder meanwhile.
            Err(CommandError::Refused(_)) if is_published(&registry.snapshot(), &change) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(published)
}

fn unpublished_key_list(snapshot: &Snapshot, keys_dir: &Path) -> Result<Vec<Change>, KeysError> {
    let key_list = files::read_key_list(keys_dir)?;
    let sequence = KeyList::verify(&key_list, &files::read_root_public_key(keys_dir)?)?.sequence;
    if snapshot.key_list().is_none_or(|published| published.list.sequence < sequence) {
        Ok(vec![Change::KeyListPublished(KeyListPublished { sequence, key_list })])
    } else {
        Ok(Vec::new())
    }
}

fn unpublished_seal_keys(snapshot: &Snapshot, keys_dir: &Path, unlock: &Unlock) -> Result<Vec<Change>, KeysError> {
    let seal_keys = VaultKeystore::load(keys_dir, unlock)?;
    let missing = seal_keys.public_keys().filter(|(seal_day, _)| snapshot.seal_key(*seal_day).is_none());
    Ok(missing.map(|(seal_day, public_key)| Change::SealKeySet(SealKeySet { seal_day, public_key })).collect())
}

fn is_published(snapshot: &Snapshot, change: &Change) -> bool {
    match change {
        Change::KeyListPublished(ours) => snapshot.key_list().is_some_and(|theirs| theirs.signed == ours.key_list),
        Change::SealKeySet(ours) => snapshot.seal_key(ours.seal_day) == Some(ours.public_key),
        _ => false,
    }
}
