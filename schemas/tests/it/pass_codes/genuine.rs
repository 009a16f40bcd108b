//! Codes whose signature is good: every claim in its bounds, every moment at its edge.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    [said(), not_understood(), timed(), scoped()].into_iter().flatten().collect()
}

fn said() -> Vec<Case> {
    let case = |name: &str, code: &PassCode| Case::genuine(name, issued(code, Key::City), code);
    let named = |name: &str| PassCode { masked_name: Some(name.to_owned()), ..code() };
    vec![
        case("green, on a screen", &code()),
        case("amber, on paper", &PassCode { status: Status::Amber, kind: Kind::Paper, ..code() }),
        case("red, another district", &PassCode { status: Status::Red, district: "440118".parse().unwrap(), ..code() }),
        case("a masked name", &named("张**")),
        case("a masked name outside the basic plane", &named("𠮷*")),
        case("an empty masked name", &named("")),
        case("one community", &PassCode { community_tags: vec![[0x53, 0x75, 0xb3, 0x20]], ..code() }),
        case(
            "a masked name and three communities",
            &PassCode { community_tags: vec![[0; 4], [0xff; 4], [1, 2, 3, 4]], ..named("李*") },
        ),
        case("an odd number of bytes", &named("陈*1")),
        case("as long as is read: 799 characters", &named(&"*".repeat(LONGEST_NAME_BYTES))),
    ]
}

/// With it a code has 530 bytes; with one more its text is past what is read.
pub(super) const LONGEST_NAME_BYTES: usize = 393;

/// Claims that a verifier doesn't know are ignored, as RFC 8392 has it, so that later issuers may add some.
fn not_understood() -> Vec<Case> {
    let code = code();
    let case = |name: &str, extra: Vec<(Vec<u8>, Vec<u8>)>| {
        let mut claims = [extra, claims(&code)].concat();
        claims.sort();
        Case::genuine(name, with_payload(&map(&claims)), &code)
    };
    let mut private = private_claims(&code);
    private.push((int(5), array(&[])));
    private.push((int(9), text("later")));
    let mut with_private = claims(&code);
    with_private[3].1 = map(&private);
    let deep = (1..8).fold(int(0), |inner, _| array(&[inner]));
    vec![
        case("an unknown claim", vec![(int(1), text("https://gz.example"))]),
        case("unknown claims in the order of their bytes: 24 before -1", vec![(int(24), int(0)), (int(-1), int(0))]),
        case("an unknown claim under a text", vec![(text("x"), array(&[vec![0xf4], vec![0xf5], vec![0xf6]]))]),
        case("an unknown claim eight levels deep", vec![(int(99), deep)]),
        case(
            "unknown claims with the least and the greatest number",
            vec![(int(98), [vec![0x3b], vec![0xff; 8]].concat()), (int(99), [vec![0x1b], vec![0xff; 8]].concat())],
        ),
        Case::genuine("an unknown private claim, and a list of no tags", with_payload(&map(&with_private)), &code),
    ]
}

fn timed() -> Vec<Case> {
    let code = code();
    let at = |name: &str, now_ms: i64| Case::genuine(name, issued(&code, Key::City), &code).at_ms(now_ms);
    let (issued_at_ms, expires_at_ms) = (code.issued_at_s * 1000, code.expires_at_s * 1000);
    let of_key = |name: &str, key: Key, now_ms: i64| {
        let code = PassCode { issued_at_s: now_ms / 1000, expires_at_s: now_ms / 1000 + 7 * DAY_S, ..self::code() };
        Case::genuine(name, issued(&code, key), &code).at_ms(now_ms)
    };
    let for_ever = PassCode { issued_at_s: 0, expires_at_s: 253_402_300_799, ..self::code() };
    let backwards = PassCode { issued_at_s: code.expires_at_s, expires_at_s: code.issued_at_s, ..self::code() };
    vec![
        at("in the millisecond it was issued", issued_at_ms),
        at("issued two minutes ahead", issued_at_ms - 120_000),
        at("issued two minutes and a millisecond ahead", issued_at_ms - 120_001).whose_time_is("not_yet_valid"),
        at("in its last millisecond", expires_at_ms - 1),
        at("in the millisecond it ends", expires_at_ms).whose_time_is("expired"),
        at("ended days ago", expires_at_ms + 10 * DAY_S * 1000).whose_time_is("expired"),
        Case::genuine("ends before it begins", issued(&backwards, Key::City), &backwards).whose_time_is("expired"),
        Case::genuine("from 1970 to the end of the year 9999", issued(&for_ever, Key::City), &for_ever),
        of_key("in the first millisecond of its key", Key::Coming, (NOW_S + 2 * DAY_S) * 1000),
        of_key("in the last millisecond of its key", Key::Retired, (NOW_S - DAY_S) * 1000 - 1),
        of_key("in the last millisecond before its key was revoked", Key::Revoked, (NOW_S - 3600) * 1000 - 1),
    ]
}

fn scoped() -> Vec<Case> {
    let code = code();
    let scoped = |name: &str, code: &PassCode| {
        let mut case = Case::genuine(name, issued(code, Key::District), code);
        case.genuine = Some(Facts::new(code, "440106".parse().unwrap()));
        case
    };
    vec![
        scoped("by the district's own key", &code),
        scoped(
            "by the key of another district than the holder's",
            &PassCode { district: "440103".parse().unwrap(), ..self::code() },
        ),
    ]
}
