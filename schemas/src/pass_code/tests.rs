//! Codes round-trip; version 1 stays what it is; nothing that was altered is accepted.

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::key_list::{KeyEntry, key_id};

const NOW_MS: i64 = 1_582_790_000_000;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[42; 32])
}

fn key_list(purpose: Purpose) -> KeyList {
    let public_key = key().verifying_key().to_bytes();
    let entry = KeyEntry {
        key_id: key_id(&public_key),
        purpose,
        public_key,
        scope: "4401".parse().unwrap(),
        not_before_s: 1_582_000_000,
        sign_until_s: 1_584_592_000,
        not_after_s: 1_585_283_200,
        revoked_at_s: None,
    };
    KeyList { sequence: 1, issued_at_s: 1_582_000_000, next_update_s: 1_582_600_000, entries: vec![entry] }
}

fn code() -> PassCode {
    PassCode {
        code_id: CodeId(*b"0123456789abcdef"),
        issued_at_s: 1_582_781_445,
        expires_at_s: 1_583_386_245,
        status: Status::Green,
        district: "440106".parse().unwrap(),
        kind: Kind::Screen,
        masked_name: None,
        community_tags: Vec::new(),
    }
}

fn text(code: &PassCode) -> String {
    to_text(&encode(code, key_id(&key().verifying_key().to_bytes()), |bytes| key().sign(bytes).to_bytes()))
}

#[test]
fn version_1_stays_what_it_is() {
    let bytes = encode(&code(), KeyId([7; 8]), |bytes| key().sign(bytes).to_bytes());
    assert!((130..=150).contains(&bytes.len()), "{} bytes", bytes.len());
    insta::assert_snapshot!(hex::encode(&bytes));
}

#[test]
fn a_key_is_for_its_purpose_and_its_time() {
    let text = text(&code());
    assert_eq!(verify(&text, &key_list(Purpose::PassCode), NOW_MS).unwrap().claims, code());
    assert_eq!(verify(&text, &key_list(Purpose::SessionToken), NOW_MS), Err(Failure::UnknownKey));
    let mut list = key_list(Purpose::PassCode);
    assert_eq!(verify(&text, &list, 1_581_000_000_000), Err(Failure::KeyNotYetValid));
    assert_eq!(verify(&text, &list, 1_585_283_200_000), Err(Failure::KeyExpired));
    list.entries[0].revoked_at_s = Some(1);
    assert_eq!(verify(&text, &list, NOW_MS), Err(Failure::KeyRevoked));
    list.entries.clear();
    assert_eq!(verify(&text, &list, NOW_MS), Err(Failure::UnknownKey));
}

#[test]
fn no_other_spelling_is_read() {
    let text = text(&code());
    for other in [
        text.to_lowercase(),
        text.replace("GZ1:", "GZ2:"),
        text.replace("GZ1:", ""),
        format!("{text}0"),
        format!("{text} "),
        text[..text.len() - 1].to_owned(),
        "GZ1:".to_owned(),
        "GZ1::::".to_owned(),
        String::new(),
        format!("GZ1:{}", "0".repeat(900)),
    ] {
        assert_eq!(verify(&other, &key_list(Purpose::PassCode), NOW_MS), Err(Failure::Malformed), "{other}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_encoded_is_read(
        id: [u8; 16], at in 0i64..4_000_000_000, status in 0..3usize, paper: bool,
        name in proptest::option::of("[\\p{Han}]\\*{1,3}"), tags: Vec<[u8; 4]>,
    ) {
        let code = PassCode {
            code_id: CodeId(id),
            issued_at_s: at,
            expires_at_s: at + 604_800,
            status: Status::ALL[status],
            district: "440118".parse().unwrap(),
            kind: if paper { Kind::Paper } else { Kind::Screen },
            masked_name: name,
            community_tags: tags.into_iter().take(10).collect(),
        };
        let verified = verify(&text(&code), &key_list(Purpose::PassCode), NOW_MS).unwrap();
        prop_assert_eq!(&verified.claims, &code);
        prop_assert_eq!(Facts::from(verified).expires_at_ms, (at + 604_800) * 1000);
    }

    #[test]
    fn what_was_altered_is_refused(at in 0..10_000usize, becomes in "[0-9A-Z $%*+./:-]") {
        let text = text(&code());
        let at = at % text.len();
        let mut altered = text.clone();
        altered.replace_range(at..=at, &becomes);
        prop_assert!(altered == text || verify(&altered, &key_list(Purpose::PassCode), NOW_MS).is_err());
    }
}
