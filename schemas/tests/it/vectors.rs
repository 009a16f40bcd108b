//! Files of vectors: a head, then one case a line. A file is what its generator makes, to the byte; `UPDATE_VECTORS=1` writes it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use suikang_schemas::key_list::{KeyEntry, KeyList};
use suikang_schemas::{AreaCode, KeyId};

use crate::signing::{Key, key_lists};

/// A key list as JSON, with every word that a verifier needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    pub(crate) sequence: i64,
    pub(crate) issued_at_s: i64,
    pub(crate) next_update_s: i64,
    pub(crate) entries: Vec<Entry>,
}

/// An entry of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    key_id: KeyId,
    purpose: String,
    public_key: String,
    scope: AreaCode,
    not_before_s: i64,
    sign_until_s: i64,
    not_after_s: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at_s: Option<i64>,
}

impl From<&KeyEntry> for Entry {
    fn from(entry: &KeyEntry) -> Self {
        Self {
            key_id: entry.key_id,
            purpose: entry.purpose.as_str().to_owned(),
            public_key: hex::encode(entry.public_key),
            scope: entry.scope.clone(),
            not_before_s: entry.not_before_s,
            sign_until_s: entry.sign_until_s,
            not_after_s: entry.not_after_s,
            revoked_at_s: entry.revoked_at_s,
        }
    }
}

impl From<&KeyList> for List {
    fn from(list: &KeyList) -> Self {
        Self {
            sequence: list.sequence,
            issued_at_s: list.issued_at_s,
            next_update_s: list.next_update_s,
            entries: list.entries.iter().map(Entry::from).collect(),
        }
    }
}

/// A list that a file's cases name, signed and in words.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedList {
    signed: String,
    list: List,
}

/// The lists at the head of a file.
pub(crate) fn named_lists() -> BTreeMap<String, NamedList> {
    let named = |(name, list): (&str, KeyList)| {
        let signed = list.sign(&Key::Root.public_key(), |bytes| Key::Root.sign(bytes));
        (name.to_owned(), NamedList { signed: hex::encode(signed), list: List::from(&list) })
    };
    key_lists().into_iter().map(named).collect()
}

impl NamedList {
    /// The list, from its signed bytes; its words must say the same.
    pub(crate) fn verified(&self, root_public_key: &str) -> KeyList {
        let root_public_key = hex::decode(root_public_key).unwrap().try_into().unwrap();
        let list = KeyList::verify(&hex::decode(&self.signed).unwrap(), &root_public_key).unwrap();
        assert_eq!(List::from(&list), self.list);
        list
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// The text of a file.
pub(crate) fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// Compares a file, given as its fields, with what it should be, or writes it.
pub(crate) fn must_be(name: &str, fields: &[(&str, String)]) {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("  \"{name}\": {value}")).collect();
    let made = format!("{{\n{}\n}}\n", fields.join(",\n"));
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(path(name), &made).unwrap();
    }
    assert!(read(name) == made, "vectors/{name} has drifted: UPDATE_VECTORS=1 writes it anew");
}

/// A field's value on its line.
pub(crate) fn value<T: Serialize>(value: T) -> String {
    serde_json::to_string(&value).unwrap()
}

/// A list, each item on a line of its own.
pub(crate) fn lines<T: Serialize>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(value).collect();
    format!("[\n    {}\n  ]", items.join(",\n    "))
}

/// An object, each member on a line of its own.
pub(crate) fn members<T: Serialize>(members: impl IntoIterator<Item = (String, T)>) -> String {
    let members: Vec<String> =
        members.into_iter().map(|(name, member)| format!("{}: {}", value(name), value(member))).collect();
    format!("{{\n    {}\n  }}", members.join(",\n    "))
}
