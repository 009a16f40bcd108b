//! Which published key list is believed: signed by the root, newer than the one in force, and dropping no key in use.

use suikang_schemas::key_list::{KeyList, KeyListError};
use suikang_schemas::registry_event::KeyListPublished;

use crate::command::Refusal;
use crate::snapshot::PublishedKeyList;

/// What stands against a list, given the one in force. "In use" is judged at the time that the new list itself, signed, says it was
/// made: alike on every node and for ever.
pub(crate) fn refusal(
    root_public_key: &[u8; 32],
    current: Option<KeyListPublished>,
    published: &KeyListPublished,
) -> Option<Refusal> {
    let Ok(list) = KeyList::verify(&published.key_list, root_public_key) else {
        return Some(Refusal::KeyListForged);
    };
    if list.sequence != published.sequence {
        return Some(Refusal::KeyListForged);
    }
    let current = read(root_public_key, current?)?;
    match list.may_follow(&current.list, list.issued_at_s) {
        Ok(()) => None,
        Err(KeyListError::Malformed | KeyListError::Forged) => Some(Refusal::KeyListForged),
        Err(KeyListError::Older | KeyListError::DropsKeyInUse) => Some(Refusal::KeyListRegresses),
    }
}

/// A list that is in force; nothing if this node believes another root than when it was folded.
pub(crate) fn read(root_public_key: &[u8; 32], published: KeyListPublished) -> Option<PublishedKeyList> {
    let list = KeyList::verify(&published.key_list, root_public_key).ok()?;
    Some(PublishedKeyList { list, signed: published.key_list })
}
