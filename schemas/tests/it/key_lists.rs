//! `key-list.json`: lists that the root signed, lists that it didn't, and which list may follow which.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use suikang_schemas::key_list::{KeyEntry, KeyList, KeyListError, Purpose};

use crate::cbor::{array, bytes, head, int, map, text, wider};
use crate::signing::{DAY_S, Key, NOW_S, entry, items, items_for, key_lists, protected, sign1};
use crate::vectors::{self, List, lines, members, must_be, value};

const FILE: &str = "key-list.json";
const AAD: &[u8] = b"suikang key list";

const ABOUT: [&str; 4] = [
    "Key lists and what a verifier makes of them: README.md says how. Made and checked by schemas/tests/it; don't edit by hand.",
    "reading: the bytes, which the root is said to have signed, are either this list, or give this error.",
    "following: whether the list next may replace the list current at now_s. An error says why not.",
    "Bytes are lower-case hex; _s is seconds since 1970.",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: Vec<String>,
    root_public_key: String,
    lists: BTreeMap<String, String>,
    reading: Vec<Reading>,
    following: Vec<Following>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    name: String,
    bytes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<List>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Following {
    name: String,
    current: String,
    next: String,
    now_s: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn signed(list: &KeyList) -> Vec<u8> {
    list.sign(&Key::Root.public_key(), |bytes| Key::Root.sign(bytes))
}

/// What the root would sign, if it signed anything.
fn by_root(payload: &[u8]) -> Vec<u8> {
    sign1(&items_for(Key::Root, &protected(Key::Root.id()), AAD, payload))
}

fn payload(entries: &[Vec<u8>]) -> Vec<u8> {
    map(&[(int(1), int(1)), (int(2), int(NOW_S)), (int(3), int(NOW_S + DAY_S)), (int(4), array(entries))])
}

/// An entry's items by their numbers, one of them another, or none.
fn entry_with(number: i64, item: Option<Vec<u8>>) -> Vec<u8> {
    let mut entries = vec![
        (int(1), bytes(&Key::City.id().0)),
        (int(2), int(-8)),
        (int(3), text("pass-code")),
        (int(4), bytes(&Key::City.public_key())),
        (int(5), text("4401")),
        (int(6), int(NOW_S)),
        (int(7), int(NOW_S + 30 * DAY_S)),
        (int(8), int(NOW_S + 38 * DAY_S)),
    ];
    entries.retain(|(key, _)| item.is_some() || *key != int(number));
    if let Some(item) = item {
        match entries.iter_mut().find(|(key, _)| *key == int(number)) {
            Some((_, value)) => *value = item,
            None => entries.push((int(number), item)),
        }
    }
    map(&entries)
}

fn reading() -> Vec<Reading> {
    let read = |name: &str, list: &KeyList| Reading {
        name: name.to_owned(),
        bytes: hex::encode(signed(list)),
        list: Some(List::from(list)),
        error: None,
    };
    let refused = |error: &str, name: &str, bytes: Vec<u8>| Reading {
        name: name.to_owned(),
        bytes: hex::encode(bytes),
        list: None,
        error: Some(error.to_owned()),
    };
    let malformed = |name: &str, bytes: Vec<u8>| refused("malformed", name, bytes);
    let forged = |name: &str, bytes: Vec<u8>| refused("forged", name, bytes);
    let with = |number: i64, item: Option<Vec<u8>>| by_root(&payload(&[entry_with(number, item)]));
    let lists = key_lists();
    let city = signed(&lists["city"]);
    let (header, content) = (protected(Key::Root.id()), payload(&[entry_with(2, Some(int(-8)))]));
    let mut altered = items_for(Key::Root, &header, AAD, &content);
    altered[2] = bytes(&payload(&[]));
    let mut turned = city.clone();
    *turned.last_mut().unwrap() ^= 0x80;
    vec![
        read("seven keys, one of them revoked", &lists["city"]),
        read("no keys", &lists["empty"]),
        forged(
            "signed by another root",
            lists["city"].sign(&Key::OtherRoot.public_key(), |bytes| Key::OtherRoot.sign(bytes)),
        ),
        forged("signed by another root in the root's name", sign1(&items_for(Key::OtherRoot, &header, AAD, &content))),
        forged(
            "signed by the root in another's name",
            sign1(&items_for(Key::Root, &protected(Key::City.id()), AAD, &content)),
        ),
        forged("signed as a pass code is", sign1(&items(Key::Root, &header, &content))),
        forged(
            "signed as a session token is",
            sign1(&items_for(Key::Root, &header, b"suikang session token", &content)),
        ),
        forged("its keys taken out", sign1(&altered)),
        forged("its signature's last bit turned", turned),
        malformed("nothing", Vec::new()),
        malformed("a byte after it", [city.as_slice(), &[0]].concat()),
        malformed("the last byte missing", city[..city.len() - 1].to_vec()),
        malformed("without its tag", city[1..].to_vec()),
        malformed("no claims", by_root(&map(&[]))),
        malformed(
            "the sequence number in two bytes",
            by_root(&map(&[
                (int(1), wider(&int(1))),
                (int(2), int(NOW_S)),
                (int(3), int(NOW_S)),
                (int(4), array(&[])),
            ])),
        ),
        malformed(
            "a sequence number past 64 bits with a sign",
            by_root(&map(&[
                (int(1), head(0, u64::MAX)),
                (int(2), int(NOW_S)),
                (int(3), int(NOW_S)),
                (int(4), array(&[])),
            ])),
        ),
        malformed("no entries", by_root(&map(&[(int(1), int(1)), (int(2), int(NOW_S)), (int(3), int(NOW_S))]))),
        malformed("an entry twice", by_root(&payload(&[entry_with(2, Some(int(-8))), entry_with(2, Some(int(-8)))]))),
        malformed(
            "a key for two purposes",
            by_root(&payload(&[entry_with(2, Some(int(-8))), entry_with(3, Some(text("bundle")))])),
        ),
        malformed("a key id that is not its key's", with(1, Some(bytes(&[0; 8])))),
        malformed("another algorithm", with(2, Some(int(-7)))),
        malformed("no algorithm", with(2, None)),
        malformed("an unknown purpose", with(3, Some(text("everything")))),
        malformed("a key of 31 bytes", with(4, Some(bytes(&[0; 31])))),
        malformed("a scope that is no area", with(5, Some(text("Guangzhou")))),
        malformed("no beginning", with(6, None)),
        malformed("no end", with(8, None)),
        malformed("revoked at a word", with(9, Some(text("now")))),
    ]
}

const FIRST: &str = "first";

/// Lists by name; each follows, or doesn't, the first.
fn follows() -> Vec<(&'static str, KeyList)> {
    let old = entry(Key::City.public_key(), Purpose::PassCode, "4401", NOW_S);
    let tokens = entry(Key::SessionToken.public_key(), Purpose::SessionToken, "4401", NOW_S);
    let new = entry(Key::Coming.public_key(), Purpose::PassCode, "4401", NOW_S + 28 * DAY_S);
    let list = |sequence: i64, entries: &[&KeyEntry]| KeyList {
        sequence,
        issued_at_s: NOW_S,
        next_update_s: NOW_S + DAY_S,
        entries: entries.iter().map(|entry| (*entry).clone()).collect(),
    };
    let revoked_at = |at_s: i64| KeyEntry { revoked_at_s: Some(at_s), ..old.clone() };
    let changed = |change: fn(&mut KeyEntry)| {
        let mut changed = old.clone();
        change(&mut changed);
        list(5, &[&changed, &tokens])
    };
    vec![
        (FIRST, list(4, &[&old, &tokens])),
        ("a new key", list(5, &[&old, &tokens, &new])),
        ("the same keys", list(5, &[&old, &tokens])),
        ("an old number", list(4, &[&old, &tokens, &new])),
        ("an older number", list(3, &[&old, &tokens])),
        ("a key dropped", list(5, &[&tokens, &new])),
        ("another purpose's key dropped", list(5, &[&old, &new])),
        ("a key revoked", list(5, &[&revoked_at(NOW_S + DAY_S), &tokens, &new])),
        ("revoked earlier", list(6, &[&revoked_at(NOW_S), &tokens, &new])),
        ("revoked later", list(6, &[&revoked_at(NOW_S + 2 * DAY_S), &tokens, &new])),
        ("no longer revoked", list(6, &[&old, &tokens, &new])),
        ("a key made to last longer", changed(|entry| entry.not_after_s += DAY_S)),
        ("a key made to end sooner", changed(|entry| entry.not_after_s -= 1)),
        ("a key made to begin later", changed(|entry| entry.not_before_s += 1)),
        ("a key for a smaller area", changed(|entry| entry.scope = "440106".parse().unwrap())),
        ("a key for another purpose", changed(|entry| entry.purpose = Purpose::Bundle)),
        ("a key made to sign no more", changed(|entry| entry.sign_until_s = entry.not_before_s)),
    ]
}

fn following() -> Vec<Following> {
    let on_day = |day: i64, current: &str, next: &str, error: &str| Following {
        name: format!("after {current}: {next}, on day {day}"),
        current: current.to_owned(),
        next: next.to_owned(),
        now_s: NOW_S + day * DAY_S,
        error: (!error.is_empty()).then(|| error.to_owned()),
    };
    vec![
        on_day(29, FIRST, "a new key", ""),
        on_day(29, FIRST, "the same keys", ""),
        on_day(29, FIRST, "an old number", "older"),
        on_day(29, FIRST, "an older number", "older"),
        on_day(29, FIRST, FIRST, "older"),
        on_day(29, FIRST, "a key dropped", "drops_key_in_use"),
        on_day(37, FIRST, "a key dropped", "drops_key_in_use"),
        on_day(38, FIRST, "a key dropped", ""),
        on_day(29, FIRST, "another purpose's key dropped", "drops_key_in_use"),
        on_day(1, FIRST, "a key revoked", ""),
        on_day(1, "a key revoked", "revoked earlier", ""),
        on_day(1, "a key revoked", "revoked later", "drops_key_in_use"),
        on_day(1, "a key revoked", "no longer revoked", "drops_key_in_use"),
        on_day(1, FIRST, "a key made to last longer", ""),
        on_day(1, FIRST, "a key made to end sooner", "drops_key_in_use"),
        on_day(1, FIRST, "a key made to begin later", "drops_key_in_use"),
        on_day(1, FIRST, "a key for a smaller area", "drops_key_in_use"),
        on_day(1, FIRST, "a key for another purpose", "drops_key_in_use"),
        on_day(1, FIRST, "a key made to sign no more", ""),
    ]
}

#[test]
fn the_file_is_what_is_made_here() {
    let lists = follows().into_iter().map(|(name, list)| (name.to_owned(), hex::encode(signed(&list))));
    must_be(
        FILE,
        &[
            ("about", lines(ABOUT)),
            ("root_public_key", value(hex::encode(Key::Root.public_key()))),
            ("reading", lines(reading())),
            ("lists", members(lists)),
            ("following", lines(following())),
        ],
    );
}

#[test]
fn every_case_of_the_file_is_taken_for_what_it_is() {
    let file: File = serde_json::from_str(&vectors::read(FILE)).unwrap();
    let root_public_key = hex::decode(&file.root_public_key).unwrap().try_into().unwrap();
    let read = |bytes: &str| KeyList::verify(&hex::decode(bytes).unwrap(), &root_public_key);
    let mut errors = BTreeSet::new();
    for case in &file.reading {
        let (list, error) = match read(&case.bytes) {
            Ok(list) => (Some(List::from(&list)), None),
            Err(error) => (None, Some(word(error))),
        };
        assert_eq!((&list, error), (&case.list, case.error.as_deref()), "{}", case.name);
        errors.extend(error);
    }
    for case in &file.following {
        let (current, next) = (read(&file.lists[&case.current]).unwrap(), read(&file.lists[&case.next]).unwrap());
        let error = next.may_follow(&current, case.now_s).err().map(word);
        assert_eq!(error, case.error.as_deref(), "{}", case.name);
        errors.extend(error);
    }
    assert_eq!(errors.len(), 4, "each error has a case: {errors:?}");
}

fn word(error: KeyListError) -> &'static str {
    match error {
        KeyListError::Malformed => "malformed",
        KeyListError::Forged => "forged",
        KeyListError::Older => "older",
        KeyListError::DropsKeyInUse => "drops_key_in_use",
    }
}
