//! Which key list follows which.
use suikang_schemas::registry_event::KeyListPublished;

use crate::command::Refusal;
use crate::snapshot::PublishedKeyList;

pub(crate) fn refusal(
    root_public_key: &[u8; 32],
    current: Option<&KeyListPublished>,
    published: &KeyListPublished,
) -> Option<Refusal> {
    let _ = (root_public_key, current, published);
    None
}

pub(crate) fn read(published: KeyListPublished) -> Option<PublishedKeyList> {
    Some(PublishedKeyList { list: (), signed: published.key_list })
}
