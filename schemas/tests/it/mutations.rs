//! Genuine codes, damaged at random: none is accepted. The same damage each time, so that a failure can be looked at again.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use suikang_schemas::CodeId;
use suikang_schemas::decide::Failure;
use suikang_schemas::pass_code::{self, Kind, PassCode};
use suikang_schemas::status::Status;

use crate::signing::{DAY_S, Key, NOW_S, key_lists};

const MUTATIONS: usize = 1_000_000;

fn codes() -> Vec<Vec<u8>> {
    let bare = PassCode {
        code_id: CodeId([0xa5; 16]),
        issued_at_s: NOW_S,
        expires_at_s: NOW_S + 7 * DAY_S,
        status: Status::Red,
        district: "440106".parse().unwrap(),
        kind: Kind::Screen,
        masked_name: None,
        community_tags: Vec::new(),
    };
    let full = PassCode {
        masked_name: Some("张**".to_owned()),
        community_tags: vec![[1, 2, 3, 4], [5, 6, 7, 8]],
        kind: Kind::Paper,
        ..bare.clone()
    };
    [bare, full].iter().map(|code| pass_code::encode(code, Key::City.id(), |bytes| Key::City.sign(bytes))).collect()
}

/// One to three changes: a bit, a byte, a byte more or less, a stretch doubled, moved or taken from the other code.
fn damaged(bytes: &[u8], other: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..=3) {
        let at = random.random_range(0..bytes.len());
        let to = random.random_range(at..=bytes.len().min(at + 16));
        match random.random_range(0..8) {
            0..=1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 => bytes[at] = random.random(),
            3 => bytes.insert(at, random.random()),
            4 => drop(bytes.drain(at..to)),
            5 => {
                let stretch = bytes[at..to].to_vec();
                bytes.splice(at..at, stretch);
            }
            6 => bytes[at..to].reverse(),
            _ => {
                let from = at.min(other.len());
                let stretch = other[from..to.min(other.len()).max(from)].to_vec();
                bytes.splice(at..to, stretch);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

#[test]
fn no_damaged_code_is_accepted() {
    let (codes, list) = (codes(), &key_lists()["city"]);
    let mut random = StdRng::seed_from_u64(20_200_227);
    let mut found = std::collections::BTreeMap::<String, usize>::new();
    for round in 0..MUTATIONS {
        let (code, other) = (&codes[round % 2], &codes[(round + 1) % 2]);
        let bytes = damaged(code, other, &mut random);
        if codes.contains(&bytes) {
            continue;
        }
        let failure = pass_code::verify(&pass_code::to_text(&bytes), list, NOW_S * 1000).expect_err("damaged");
        *found.entry(format!("{failure:?}")).or_default() += 1;
    }
    // Damage that never gets past the form would prove little.
    assert!(found[&format!("{:?}", Failure::Forged)] > MUTATIONS / 20, "{found:?}");
    assert!(found[&format!("{:?}", Failure::UnknownKey)] > MUTATIONS / 200, "{found:?}");
}

#[test]
fn no_text_with_a_bit_turned_is_accepted() {
    for code in codes() {
        let text = pass_code::to_text(&code);
        for bit in 0..text.len() * 8 {
            let mut turned = text.clone().into_bytes();
            turned[bit / 8] ^= 1 << (bit % 8);
            if let Ok(turned) = String::from_utf8(turned) {
                assert!(pass_code::verify(&turned, &key_lists()["city"], NOW_S * 1000).is_err(), "bit {bit}");
            }
        }
    }
}
