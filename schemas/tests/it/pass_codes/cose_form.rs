//! COSE in another form than the one, or of another kind. All of it is signed over the bytes that it has, by the city's key.

use std::slice::from_ref;

use super::*;
use crate::cbor::{endless_array, endless_map, endless_string, tagged, wider};

pub(super) fn cases() -> Vec<Case> {
    [tags(), headers(), layout()]
        .into_iter()
        .flatten()
        .map(|(name, bytes)| Case::malformed(name, pass_code::to_text(&bytes)))
        .collect()
}

type Made = (&'static str, Vec<u8>);

fn payload() -> Vec<u8> {
    map(&claims(&code()))
}

fn right() -> [Vec<u8>; 4] {
    items(Key::City, &protected(Key::City.id()), &payload())
}

fn kid() -> Vec<u8> {
    bytes(&Key::City.id().0)
}

fn tags() -> Vec<Made> {
    let (items, array) = (right(), array(&right()));
    vec![
        ("no tag", array.clone()),
        ("tagged as a CWT besides: 61(18(...))", tagged(61, &sign1(&items))),
        ("tagged as self-described CBOR: 55799(18(...))", tagged(55_799, &sign1(&items))),
        ("the tag twice", tagged(18, &sign1(&items))),
        ("tagged as COSE_Mac0", tagged(17, &array)),
        ("tagged as COSE_Sign", tagged(98, &array)),
        ("the tag in two bytes", [&[0xd8, 18], array.as_slice()].concat()),
        ("the claims alone, unsigned", payload()),
    ]
}

fn headers() -> Vec<Made> {
    let (alg, kid) = ((int(1), int(-8)), (int(4), kid()));
    let protected = |entries: &[(Vec<u8>, Vec<u8>)]| sign1(&items(Key::City, &map(entries), &payload()));
    let raw = |header: &[u8]| sign1(&items(Key::City, header, &payload()));
    let algorithm = |value: Vec<u8>| protected(&[(int(1), value), kid.clone()]);
    let key_id = |value: Vec<u8>| protected(&[alg.clone(), (int(4), value)]);
    let and = |key: Vec<u8>, value: Vec<u8>| {
        let mut entries = vec![alg.clone(), kid.clone(), (key, value)];
        entries.sort();
        protected(&entries)
    };
    let unprotected = |header: Vec<u8>| {
        let mut items = right();
        items[1] = header;
        sign1(&items)
    };
    let moved = |inside: &[(Vec<u8>, Vec<u8>)], outside: &[(Vec<u8>, Vec<u8>)]| {
        let mut items = items(Key::City, &map(inside), &payload());
        items[1] = map(outside);
        sign1(&items)
    };
    let mut header_as_map = right();
    header_as_map[0] = map(&[alg.clone(), kid.clone()]);
    let mut no_header = items(Key::City, &[], &payload());
    no_header[1] = map(&[alg.clone(), kid.clone()]);
    vec![
        ("algorithm ES256", algorithm(int(-7))),
        ("algorithm Ed25519 by its newer number", algorithm(int(-19))),
        ("algorithm HMAC", algorithm(int(5))),
        ("algorithm as a text", algorithm(text("EdDSA"))),
        ("no algorithm", protected(from_ref(&kid))),
        ("the algorithm unprotected", moved(from_ref(&kid), from_ref(&alg))),
        ("no key id", protected(from_ref(&alg))),
        ("the key id unprotected", moved(from_ref(&alg), from_ref(&kid))),
        ("a key id of 7 bytes", key_id(bytes(&Key::City.id().0[..7]))),
        ("a key id of 9 bytes", key_id(bytes(&[&Key::City.id().0[..], &[0]].concat()))),
        ("a key id as a text", key_id(text("16 bytes"))),
        ("no protected header", sign1(&no_header)),
        ("the protected header as a map", sign1(&header_as_map)),
        ("an unknown header", and(int(99), int(0))),
        ("a content type", and(int(3), int(61))),
        (
            "an unknown critical header",
            protected(&[alg.clone(), (int(2), array(&[int(99)])), kid.clone(), (int(99), int(0))]),
        ),
        ("a known header named as critical", and(int(2), array(&[int(1)]))),
        ("an empty list of critical headers", and(int(2), array(&[]))),
        ("headers in another order", protected(&[kid.clone(), alg.clone()])),
        ("the algorithm twice", protected(&[alg.clone(), alg.clone(), kid.clone()])),
        ("two key ids", protected(&[alg.clone(), kid.clone(), kid.clone()])),
        ("the algorithm in two bytes", algorithm(wider(&int(-8)))),
        ("the key id's length in two bytes", key_id(wider(&kid.1))),
        ("a protected header of indefinite length", raw(&endless_map(&[alg.clone(), kid.clone()]))),
        ("a byte after the protected header", raw(&[map(&[alg.clone(), kid.clone()]), vec![0]].concat())),
        ("the key id unprotected as well", unprotected(map(from_ref(&kid)))),
        ("an unknown unprotected header", unprotected(map(&[(int(99), int(0))]))),
        ("an unprotected header of indefinite length", unprotected(endless_map(&[]))),
        ("the unprotected header's length in two bytes", unprotected(wider(&map(&[])))),
        ("the unprotected header as an empty list", unprotected(array(&[]))),
    ]
}

fn layout() -> Vec<Made> {
    let items = right();
    let changed = |at: usize, item: Vec<u8>| {
        let mut items = right();
        items[at] = item;
        sign1(&items)
    };
    let signature = &items[3][2..];
    let whole = sign1(&items);
    vec![
        ("no signature", sign1(&items[..3])),
        ("five items", sign1(&[&items[..], &[bytes(&[])]].concat())),
        ("items in an array of indefinite length", tagged(18, &endless_array(&items))),
        ("the array's length in two bytes", tagged(18, &wider(&array(&items)))),
        ("a detached payload", changed(2, vec![0xf6])),
        ("the payload as a map", changed(2, payload())),
        ("the payload's length in three bytes", changed(2, wider(&items[2]))),
        ("a payload of indefinite length", changed(2, endless_string(&items[2]))),
        ("a protected header in chunks", changed(0, endless_string(&items[0]))),
        ("a signature of 63 bytes", changed(3, bytes(&signature[..63]))),
        ("a signature of 65 bytes", changed(3, bytes(&[signature, &[0]].concat()))),
        ("an empty signature", changed(3, bytes(&[]))),
        ("the signature as a text", changed(3, text(&"0".repeat(64)))),
        ("the signature's length in three bytes", changed(3, wider(&items[3]))),
        ("a signature of indefinite length", changed(3, endless_string(&items[3]))),
        ("a byte after the code", [whole.as_slice(), &[0]].concat()),
        ("two codes, one after the other", [whole.as_slice(), &whole].concat()),
        ("the last byte missing", whole[..whole.len() - 1].to_vec()),
        ("the first byte missing", whole[1..].to_vec()),
        ("no more than a tag", vec![0xd2]),
        ("a length that is not there", vec![0xd2, 0x84, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("four hundred lists in each other", vec![0x81; 400]),
    ]
}
