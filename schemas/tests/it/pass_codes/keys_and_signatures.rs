//! Codes in form whose key doesn't count, or whose signature isn't the key's.

use curve25519_dalek::Scalar;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use sha2::{Digest as _, Sha512};

use super::*;
use crate::signing::{NEUTRAL, NEUTRAL_UNREDUCED, items_for, sig_structure};

pub(super) fn cases() -> Vec<Case> {
    [keys(), other_signers(), altered(), points()].into_iter().flatten().collect()
}

fn keys() -> Vec<Case> {
    let by = |name: &str, key: Key, failure: &str| Case::refused(name, failure, issued(&code(), key));
    let revoked_at_ms = (NOW_S - 3600) * 1000;
    vec![
        by("by a key that no list has", Key::Unlisted, "unknown_key"),
        by("by the root key", Key::Root, "unknown_key"),
        by("by a key for session tokens", Key::SessionToken, "unknown_key"),
        by("by a key for bundles", Key::Bundle, "unknown_key"),
        by("with a list of no keys", Key::City, "unknown_key").with_list("empty"),
        by("by a revoked key", Key::Revoked, "key_revoked"),
        by("in the millisecond its key is revoked", Key::Revoked, "key_revoked").at_ms(revoked_at_ms),
        by("by a revoked key whose time is over besides", Key::Revoked, "key_revoked")
            .at_ms((NOW_S + 40 * DAY_S) * 1000),
        by("before its key began, which was revoked later", Key::Revoked, "key_not_yet_valid")
            .at_ms((NOW_S - 10 * DAY_S) * 1000 - 1),
        by("by a key past its time", Key::Retired, "key_expired"),
        by("in the millisecond its key ends", Key::Retired, "key_expired").at_ms((NOW_S - DAY_S) * 1000),
        by("by a key to come", Key::Coming, "key_not_yet_valid"),
        by("a millisecond before its key begins", Key::Coming, "key_not_yet_valid")
            .at_ms((NOW_S + 2 * DAY_S) * 1000 - 1),
    ]
}

/// Names the city's key, and is signed otherwise.
fn other_signers() -> Vec<Case> {
    let header = protected(Key::City.id());
    let payload = map(&claims(&code()));
    let signed_over = |message: &[u8]| [bytes(&header), map(&[]), bytes(&payload), bytes(&Key::City.sign(message))];
    let forged = |name: &str, items: &[Vec<u8>]| Case::refused(name, "forged", pass_code::to_text(&sign1(items)));
    let expired_key = items(Key::Unlisted, &protected(Key::Retired.id()), &payload);
    let no_claims = items(Key::Unlisted, &protected(Key::Unlisted.id()), &map(&[]));
    let token_key = items(Key::City, &protected(Key::SessionToken.id()), &payload);
    vec![
        forged("in the name of another key", &items(Key::Unlisted, &header, &payload)),
        forged("by the district's key in the name of the city's", &items(Key::District, &header, &payload)),
        forged("signed for session tokens", &items_for(Key::City, &header, b"suikang session token", &payload)),
        forged("signed for key lists", &items_for(Key::City, &header, b"suikang key list", &payload)),
        forged("signed over the claims alone", &signed_over(&payload)),
        forged(
            "signed as one of many signers",
            &signed_over(&array(&[text("Signature"), bytes(&header), bytes(&[]), bytes(&[]), bytes(&payload)])),
        ),
        forged("signed over an empty header", &signed_over(&sig_structure(&[], b"", &payload))),
        Case::malformed("without claims, by a key that no list has", pass_code::to_text(&sign1(&no_claims))),
        Case::refused("in the name of a key past its time", "key_expired", pass_code::to_text(&sign1(&expired_key))),
        Case::refused(
            "by the city's key in the name of the tokens'",
            "unknown_key",
            pass_code::to_text(&sign1(&token_key)),
        ),
    ]
}

fn altered() -> Vec<Case> {
    let genuine = right();
    let forged = |name: &str, items: [Vec<u8>; 4]| Case::refused(name, "forged", pass_code::to_text(&sign1(&items)));
    let claiming = |name: &str, code: PassCode| {
        let mut items = right();
        items[2] = bytes(&map(&claims(&code)));
        forged(name, items)
    };
    let with_signature = |name: &str, signature: [u8; 64]| {
        let mut items = right();
        items[3] = bytes(&signature);
        forged(name, items)
    };
    let signature: [u8; 64] = genuine[3][2..].try_into().unwrap();
    let flipped = |at: usize, bit: u8| {
        let mut signature = signature;
        signature[at] ^= bit;
        signature
    };
    let other =
        items(Key::City, &protected(Key::City.id()), &map(&claims(&PassCode { code_id: CodeId([7; 16]), ..code() })));
    let red = PassCode { status: Status::Red, ..code() };
    let mut red_made_green = items(Key::City, &protected(Key::City.id()), &map(&claims(&red)));
    red_made_green[2] = genuine[2].clone();
    vec![
        forged("red made green", red_made_green),
        claiming("made to last a year", PassCode { expires_at_s: NOW_S + 365 * DAY_S, ..code() }),
        claiming("made another's", PassCode { code_id: CodeId([7; 16]), ..code() }),
        claiming("made of another district", PassCode { district: "440103".parse().unwrap(), ..code() }),
        claiming("made a member", PassCode { community_tags: vec![[1, 2, 3, 4]], ..code() }),
        with_signature("another code's signature", other[3][2..].try_into().unwrap()),
        with_signature("a signature's first bit turned", flipped(0, 1)),
        with_signature("a signature's last bit turned", flipped(63, 0x80)),
        with_signature("a signature of zeros", [0; 64]),
        with_signature("a signature of ones", [0xff; 64]),
        with_signature("a signature whose second half is greater by the group's order", plus_order(signature)),
    ]
}

/// Signatures that one verifier in use or another accepts, and that a strict one doesn't.
fn points() -> Vec<Case> {
    let (header, payload) = (protected(Key::City.id()), map(&claims(&code())));
    let message = sig_structure(&header, b"", &payload);
    let secret = Key::City.signing_key().to_scalar();
    let nonce = Scalar::from(5u64);
    let made = |header: &[u8], point: [u8; 32], s: Scalar| {
        let signature = [point, s.to_bytes()].concat();
        pass_code::to_text(&sign1(&[bytes(header), map(&[]), bytes(&payload), bytes(&signature)]))
    };
    // s = r + h·a, for any point R that differs from r·B by something of small order.
    let answer = |point: [u8; 32], r: Scalar| r + challenge(point, Key::City.public_key(), &message) * secret;
    let neutral = |point: [u8; 32]| made(&header, point, answer(point, Scalar::ZERO));
    let torsioned = (ED25519_BASEPOINT_POINT * nonce + EIGHT_TORSION[1]).compress().to_bytes();
    let honest = (ED25519_BASEPOINT_POINT * nonce).compress().to_bytes();
    let weak =
        |key: [u8; 32], point: [u8; 32], s: Scalar| made(&protected(suikang_schemas::key_list::key_id(&key)), point, s);
    let case = |name: &str, text: String| Case::refused(name, "forged", text);
    vec![
        case("a signature whose point is of small order", neutral(NEUTRAL)),
        case("a signature whose point is of small order and not reduced", neutral(NEUTRAL_UNREDUCED)),
        case(
            "a signature that is good up to a point of small order",
            made(&header, torsioned, answer(torsioned, nonce)),
        ),
        case("a signature whose point is not on the curve", made(&header, off_curve(), nonce)),
        case("by a key of small order", weak(NEUTRAL, honest, nonce)).with_list("weak"),
        case("by a key of small order, which signs everything alike", weak(NEUTRAL, NEUTRAL, Scalar::ZERO))
            .with_list("weak"),
        case("by a key of small order that is not reduced", weak(NEUTRAL_UNREDUCED, honest, nonce)).with_list("weak"),
    ]
}

fn right() -> [Vec<u8>; 4] {
    items(Key::City, &protected(Key::City.id()), &map(&claims(&code())))
}

/// SHA-512 of R, A and the message, as a number modulo the group's order (RFC 8032, 5.1.7).
fn challenge(point: [u8; 32], public_key: [u8; 32], message: &[u8]) -> Scalar {
    let digest = Sha512::new().chain_update(point).chain_update(public_key).chain_update(message).finalize();
    Scalar::from_bytes_mod_order_wide(&digest.into())
}

/// The order is 2^252 + 27742317777372353535851937790883648493.
fn plus_order(mut signature: [u8; 64]) -> [u8; 64] {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    signature
}

fn off_curve() -> [u8; 32] {
    (2..)
        .map(|y| {
            let mut point = [0; 32];
            point[0] = y;
            point
        })
        .find(|point| curve25519_dalek::edwards::CompressedEdwardsY(*point).decompress().is_none())
        .unwrap()
}
