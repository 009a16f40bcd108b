//! `pass-code.json`: codes that are genuine, codes that are not, and what each of them is taken for.

mod claims_form;
mod cose_form;
mod genuine;
mod keys_and_signatures;
mod text_form;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use suikang_schemas::decide::{self, AreaRule, CodePrefixes, Context, Credential, Failure, Presented, Reason};
use suikang_schemas::pass_code::{self, Kind, PassCode, Verified};
use suikang_schemas::status::Status;
use suikang_schemas::{AreaCode, CodeId};

use crate::cbor::{array, bytes, int, map, text};
use crate::signing::{DAY_S, Key, NOW_S, items, protected, sign1};
use crate::vectors::{self, NamedList, lines, members, must_be, named_lists, value};

const FILE: &str = "pass-code.json";

const ABOUT: [&str; 4] = [
    "Pass codes and what a verifier makes of them: README.md says how. Made and checked by schemas/tests/it; don't edit by hand.",
    "A case's text is verified with one of key_lists at now_ms. It is either genuine, saying these facts, or gives this failure.",
    "A genuine code's time is what a checkpoint adds to that: valid, expired, or not_yet_valid (issued more than two minutes ahead).",
    "key_lists are given as signed by the root, and in words. Bytes are lower-case hex; _s is seconds since 1970, _ms milliseconds.",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: Vec<String>,
    root_public_key: String,
    key_lists: BTreeMap<String, NamedList>,
    cases: Vec<Case>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    text: String,
    key_list: String,
    now_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    genuine: Option<Facts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    code_id: CodeId,
    status: Status,
    district: AreaCode,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    masked_name: Option<String>,
    community_tags: Vec<String>,
    issued_at_s: i64,
    expires_at_s: i64,
    scope: AreaCode,
}

impl Facts {
    fn new(code: &PassCode, scope: AreaCode) -> Self {
        Self {
            code_id: code.code_id,
            status: code.status,
            district: code.district.clone(),
            kind: match code.kind {
                Kind::Screen => "screen".to_owned(),
                Kind::Paper => "paper".to_owned(),
            },
            masked_name: code.masked_name.clone(),
            community_tags: code.community_tags.iter().map(hex::encode).collect(),
            issued_at_s: code.issued_at_s,
            expires_at_s: code.expires_at_s,
            scope,
        }
    }
}

impl Case {
    fn genuine(name: &str, text: String, code: &PassCode) -> Self {
        let facts = Facts::new(code, "4401".parse().unwrap());
        Self { genuine: Some(facts), time: Some("valid".to_owned()), ..Self::refused(name, "", text) }
    }

    fn malformed(name: &str, text: String) -> Self {
        Self::refused(name, "malformed", text)
    }

    fn refused(name: &str, failure: &str, text: String) -> Self {
        Self {
            name: name.to_owned(),
            text,
            key_list: "city".to_owned(),
            now_ms: NOW_S * 1000,
            genuine: None,
            time: None,
            failure: (!failure.is_empty()).then(|| failure.to_owned()),
        }
    }

    fn at_ms(self, now_ms: i64) -> Self {
        Self { now_ms, ..self }
    }

    fn with_list(self, key_list: &str) -> Self {
        Self { key_list: key_list.to_owned(), ..self }
    }

    fn whose_time_is(self, time: &str) -> Self {
        Self { time: Some(time.to_owned()), ..self }
    }
}

/// The code that most cases are about, or begin from.
fn code() -> PassCode {
    PassCode {
        code_id: CodeId(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"),
        issued_at_s: NOW_S - DAY_S,
        expires_at_s: NOW_S + 6 * DAY_S,
        status: Status::Green,
        district: "440106".parse().unwrap(),
        kind: Kind::Screen,
        masked_name: None,
        community_tags: Vec::new(),
    }
}

/// A code as the issuer makes it.
fn issued(code: &PassCode, key: Key) -> String {
    pass_code::to_text(&pass_code::encode(code, key.id(), |bytes| key.sign(bytes)))
}

/// Its four claims, as entries of the payload's map.
fn claims(code: &PassCode) -> Vec<(Vec<u8>, Vec<u8>)> {
    vec![
        (int(4), int(code.expires_at_s)),
        (int(6), int(code.issued_at_s)),
        (int(7), bytes(&code.code_id.0)),
        (int(-65_537), map(&private_claims(code))),
    ]
}

fn private_claims(code: &PassCode) -> Vec<(Vec<u8>, Vec<u8>)> {
    let tags: Vec<_> = code.community_tags.iter().map(|tag| bytes(tag)).collect();
    [(1, int(code.status as i64)), (2, int(code.district.as_str().parse().unwrap())), (3, int(code.kind as i64))]
        .into_iter()
        .chain(code.masked_name.as_deref().map(|name| (4, text(name))))
        .chain((!tags.is_empty()).then(|| (5, array(&tags))))
        .map(|(key, value)| (int(key), value))
        .collect()
}

/// A text whose COSE is in form, rightly signed by the city's key, and whose payload is this.
fn with_payload(payload: &[u8]) -> String {
    pass_code::to_text(&sign1(&items(Key::City, &protected(Key::City.id()), payload)))
}

fn cases() -> Vec<Case> {
    [genuine::cases(), text_form::cases(), cose_form::cases(), claims_form::cases(), keys_and_signatures::cases()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn the_file_is_what_is_made_here() {
    must_be(
        FILE,
        &[
            ("about", lines(ABOUT)),
            ("root_public_key", value(hex::encode(Key::Root.public_key()))),
            ("key_lists", members(named_lists())),
            ("cases", lines(cases())),
        ],
    );
}

#[test]
fn every_case_of_the_file_is_taken_for_what_it_is() {
    let file: File = serde_json::from_str(&vectors::read(FILE)).unwrap();
    let key_lists: BTreeMap<_, _> =
        file.key_lists.iter().map(|(name, list)| (name.as_str(), list.verified(&file.root_public_key))).collect();
    let (mut names, mut failures, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for case in &file.cases {
        let verified = pass_code::verify(&case.text, &key_lists[case.key_list.as_str()], case.now_ms);
        let found = match &verified {
            Ok(Verified { claims, scope }) => {
                (Some(Facts::new(claims, scope.clone())), Some(time(&verified, case.now_ms)), None)
            }
            Err(failure) => (None, None, Some(word(*failure))),
        };
        if (&found.0, found.1, found.2) != (&case.genuine, case.time.as_deref(), case.failure.as_deref()) {
            wrong.push((&case.name, found));
        }
        assert!(names.insert(&case.name), "two cases are called {}", case.name);
        failures.extend(case.failure.as_deref());
    }
    assert!(wrong.is_empty(), "taken for something else: {wrong:#?}");
    assert!(
        failures.into_iter().eq(Failure::ALL.map(word).into_iter().collect::<BTreeSet<_>>()),
        "each failure has a case"
    );
}

#[test]
fn what_is_put_together_by_hand_is_what_the_issuer_makes() {
    let code = PassCode {
        masked_name: Some("张**".to_owned()),
        community_tags: vec![[1, 2, 3, 4], [5, 6, 7, 8]],
        kind: Kind::Paper,
        ..code()
    };
    assert_eq!(with_payload(&map(&claims(&code))), issued(&code, Key::City));
}

fn word(failure: Failure) -> &'static str {
    match failure {
        Failure::Malformed => "malformed",
        Failure::Forged => "forged",
        Failure::UnknownKey => "unknown_key",
        Failure::KeyRevoked => "key_revoked",
        Failure::KeyExpired => "key_expired",
        Failure::KeyNotYetValid => "key_not_yet_valid",
    }
}

/// As the checkpoint's own decision has it.
fn time(verified: &Result<Verified, Failure>, now_ms: i64) -> &'static str {
    let credential = match verified.clone() {
        Ok(verified) => Credential::Verified(verified.into()),
        Err(failure) => Credential::Failed(failure),
    };
    let context = Context {
        checkpoint: &"440106001003-001-01".parse().unwrap(),
        rule: &AreaRule::default(),
        revoked: &CodePrefixes::default(),
        superseded: &CodePrefixes::default(),
        approved: &CodePrefixes::default(),
        community_secret: None,
    };
    let presented = Presented { credential, temperature_tenths_celsius: None };
    let reasons = decide::decide(&presented, now_ms, &context).reasons;
    match (reasons.contains(&Reason::Expired), reasons.contains(&Reason::NotYetValid)) {
        (true, _) => "expired",
        (_, true) => "not_yet_valid",
        _ => "valid",
    }
}
