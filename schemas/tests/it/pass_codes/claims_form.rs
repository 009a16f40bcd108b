//! Claims that are missing, out of bounds, or in another form. Everything around them is right and rightly signed.

use super::*;
use crate::cbor::{endless_array, endless_map, endless_string, tagged, wider};

pub(super) fn cases() -> Vec<Case> {
    [missing_or_other(), bounds(), form(), unknown_form()]
        .into_iter()
        .flatten()
        .map(|(name, payload)| Case::malformed(name, with_payload(&payload)))
        .collect()
}

type Made = (&'static str, Vec<u8>);
type Entries = Vec<(Vec<u8>, Vec<u8>)>;

const EXP: usize = 0;
const IAT: usize = 1;
const CTI: usize = 2;
const PRIVATE: usize = 3;
const STATUS: usize = 0;
const DISTRICT: usize = 1;
const KIND: usize = 2;

fn right() -> Entries {
    claims(&code())
}

fn without(at: usize) -> Vec<u8> {
    let mut claims = right();
    claims.remove(at);
    map(&claims)
}

fn with(at: usize, value: Vec<u8>) -> Vec<u8> {
    let mut claims = right();
    claims[at].1 = value;
    map(&claims)
}

fn and(key: Vec<u8>, value: Vec<u8>) -> Vec<u8> {
    let mut claims = right();
    claims.push((key, value));
    claims.sort();
    map(&claims)
}

fn private_without(at: usize) -> Vec<u8> {
    let mut private = private_claims(&code());
    private.remove(at);
    with(PRIVATE, map(&private))
}

fn private_with(at: usize, value: Vec<u8>) -> Vec<u8> {
    let mut private = private_claims(&code());
    private[at].1 = value;
    with(PRIVATE, map(&private))
}

fn private_and(key: i64, value: Vec<u8>) -> Vec<u8> {
    let mut private = private_claims(&code());
    private.push((int(key), value));
    with(PRIVATE, map(&private))
}

fn missing_or_other() -> Vec<Made> {
    vec![
        ("no claims", Vec::new()),
        ("no claim", map(&[])),
        ("the claims as a list", array(&right().into_iter().map(|(_, value)| value).collect::<Vec<_>>())),
        ("no exp", without(EXP)),
        ("no iat", without(IAT)),
        ("no cti", without(CTI)),
        ("no private claims", without(PRIVATE)),
        ("no status", private_without(STATUS)),
        ("no district", private_without(DISTRICT)),
        ("no kind", private_without(KIND)),
        ("exp as a text", with(EXP, text("1583308400"))),
        ("exp as a null", with(EXP, vec![0xf6])),
        ("exp as a float", with(EXP, [vec![0xfb], 1_583_308_400_f64.to_be_bytes().to_vec()].concat())),
        ("exp as a tagged time", with(EXP, tagged(1, &int(code().expires_at_s)))),
        ("exp as a big number", with(EXP, tagged(2, &bytes(&code().expires_at_s.to_be_bytes()[4..])))),
        ("cti as a text", with(CTI, text("0123456789abcdef"))),
        ("the private claims as a list", with(PRIVATE, array(&[int(0), int(440_106), int(0)]))),
        ("status as a text", private_with(STATUS, text("green"))),
        ("status as a truth value", private_with(STATUS, vec![0xf4])),
        ("district as a text", private_with(DISTRICT, text("440106"))),
        ("a masked name as bytes", private_and(4, bytes("张*".as_bytes()))),
        ("a masked name as a null", private_and(4, vec![0xf6])),
        ("a tag that is no list", private_and(5, bytes(&[1, 2, 3, 4]))),
        ("tags as texts", private_and(5, array(&[text("abcd")]))),
    ]
}

fn bounds() -> Vec<Made> {
    vec![
        ("exp before 1970", with(EXP, int(-1))),
        ("exp after the year 9999", with(EXP, int(253_402_300_800))),
        ("exp of nine quintillion", with(EXP, int(i64::MAX))),
        ("iat before 1970", with(IAT, int(-1))),
        ("iat past 64 bits with a sign", with(IAT, [vec![0x1b], vec![0xff; 8]].concat())),
        ("a cti of 15 bytes", with(CTI, bytes(&[0; 15]))),
        ("a cti of 17 bytes", with(CTI, bytes(&[0; 17]))),
        ("status 3", private_with(STATUS, int(3))),
        ("status -1", private_with(STATUS, int(-1))),
        ("kind 2", private_with(KIND, int(2))),
        ("a city as district", private_with(DISTRICT, int(4401))),
        ("a district of five digits", private_with(DISTRICT, int(44_010))),
        ("a street as district", private_with(DISTRICT, int(440_106_001))),
        ("a negative district", private_with(DISTRICT, int(-440_106))),
        ("a tag of 3 bytes", private_and(5, array(&[bytes(&[1, 2, 3])]))),
        ("a tag of 5 bytes", private_and(5, array(&[bytes(&[1, 2, 3, 4, 5])]))),
    ]
}

fn form() -> Vec<Made> {
    let swapped = |mut entries: Entries, a: usize, b: usize| {
        entries.swap(a, b);
        entries
    };
    let twice = |at: usize, value: Vec<u8>| {
        let mut claims = right();
        claims.insert(at + 1, (claims[at].0.clone(), value));
        map(&claims)
    };
    let private = private_claims(&code());
    let mut long_key = right();
    long_key[EXP].0 = wider(&int(4));
    let name = text("张*");
    let not_utf8 = [vec![0x62], vec![0xc3, 0x28]].concat();
    vec![
        ("exp in nine bytes", with(EXP, wider(&int(code().expires_at_s)))),
        ("the number of exp in two bytes", map(&long_key)),
        ("the cti's length in two bytes", with(CTI, wider(&bytes(&code().code_id.0)))),
        ("a cti of indefinite length", with(CTI, endless_string(&bytes(&code().code_id.0)))),
        ("status in two bytes", private_with(STATUS, wider(&int(0)))),
        ("district in nine bytes", private_with(DISTRICT, wider(&int(440_106)))),
        ("claims in another order", map(&swapped(right(), EXP, IAT))),
        ("private claims in another order", with(PRIVATE, map(&swapped(private.clone(), STATUS, KIND)))),
        ("exp twice", twice(EXP, int(code().expires_at_s))),
        ("a second exp, later", twice(EXP, int(code().expires_at_s + 365 * DAY_S))),
        ("status twice", with(PRIVATE, map(&[vec![private[0].clone()], private.clone()].concat()))),
        ("a second status, green", with(PRIVATE, map(&[vec![(int(1), int(2))], private.clone()].concat()))),
        ("claims of indefinite length", endless_map(&right())),
        ("private claims of indefinite length", with(PRIVATE, endless_map(&private))),
        ("tags of indefinite length", private_and(5, endless_array(&[bytes(&[1, 2, 3, 4])]))),
        ("a masked name of indefinite length", private_and(4, endless_string(&name))),
        ("a masked name's length in two bytes", private_and(4, wider(&name))),
        ("a masked name that is not UTF-8", private_and(4, not_utf8)),
        ("a masked name with half a surrogate pair", private_and(4, vec![0x63, 0xed, 0xa0, 0x80])),
        ("a byte after the claims", [map(&right()), vec![0]].concat()),
        ("one claim fewer than announced", [vec![0xa5], map(&right())[1..].to_vec()].concat()),
    ]
}

/// What isn't understood is ignored, yet it must be in form, or one code could be written in many ways.
fn unknown_form() -> Vec<Made> {
    let deep = (0..8).fold(int(0), |inner, _| array(&[inner]));
    vec![
        ("an unknown claim with a long number", and(int(99), wider(&int(5)))),
        ("an unknown claim with a float", and(int(99), vec![0xf9, 0x3c, 0x00])),
        ("an unknown claim that is not a number", and(int(99), vec![0xf9, 0x7e, 0x00])),
        ("an unknown claim with a tag", and(int(99), tagged(1, &int(5)))),
        ("an unknown claim that is undefined", and(int(99), vec![0xf7])),
        ("an unknown claim with a simple value", and(int(99), vec![0xe0])),
        ("an unknown claim with a truth value in two bytes", and(int(99), vec![0xf8, 0x14])),
        ("an unknown claim with a reserved head", and(int(99), vec![0x1c])),
        ("an unknown claim nine levels deep", and(int(99), deep)),
        ("unknown claims in the order of their length: -1 before 24", {
            let mut claims = right();
            claims.insert(3, (int(-1), int(0)));
            claims.insert(4, (int(24), int(0)));
            map(&claims)
        }),
        ("an unknown claim with a key twice within", and(int(99), map(&[(int(1), int(1)), (int(1), int(1))]))),
        ("an unknown private claim out of order", {
            let mut private = private_claims(&code());
            private.insert(0, (int(9), int(0)));
            with(PRIVATE, map(&private))
        }),
    ]
}
