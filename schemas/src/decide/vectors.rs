//! The vectors, which other implementations run too.

use serde::Deserialize;

use super::*;
use crate::ids::CodeId;
use crate::status::Status;

const VECTORS: &str = include_str!("../../vectors/decide.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "about")]
    _about: Vec<String>,
    default_rule: AreaRule,
    default_code: serde_json::Map<String, serde_json::Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    now_ms: i64,
    checkpoint: AreaCode,
    #[serde(default)]
    rule: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    community_secret: Option<String>,
    #[serde(default)]
    revoked: Vec<String>,
    #[serde(default)]
    superseded: Vec<String>,
    #[serde(default)]
    approved: Vec<String>,
    #[serde(default)]
    code: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    failure: Option<String>,
    #[serde(default)]
    temperature_tenths_celsius: Option<i32>,
    verdict: Verdict,
    reasons: Vec<Reason>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code_id: CodeId,
    status: Status,
    district: AreaCode,
    scope: AreaCode,
    issued_at_ms: i64,
    expires_at_ms: i64,
    community_tags: Vec<String>,
}

impl From<Code> for Facts {
    fn from(code: Code) -> Self {
        Self {
            code_id: code.code_id,
            status: code.status,
            district: code.district,
            scope: code.scope,
            issued_at_ms: code.issued_at_ms,
            expires_at_ms: code.expires_at_ms,
            community_tags: code.community_tags.iter().map(|tag| bytes(tag)).collect(),
        }
    }
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn prefixes(texts: &[String]) -> CodePrefixes {
    texts.iter().map(|text| bytes::<PREFIX_BYTES>(text)).collect()
}

fn failure(word: &str) -> Failure {
    match word {
        "malformed" => Failure::Malformed,
        "forged" => Failure::Forged,
        "unknown_key" => Failure::UnknownKey,
        "key_revoked" => Failure::KeyRevoked,
        "key_expired" => Failure::KeyExpired,
        "key_not_yet_valid" => Failure::KeyNotYetValid,
        _ => panic!("no failure {word}"),
    }
}

/// The defaults, with what a case says instead.
fn overlaid<T: serde::de::DeserializeOwned>(
    mut whole: serde_json::Map<String, serde_json::Value>,
    part: serde_json::Map<String, serde_json::Value>,
) -> T {
    for (name, value) in part {
        assert!(whole.insert(name.clone(), value).is_some(), "no field {name}");
    }
    serde_json::from_value(whole.into()).unwrap()
}

#[test]
fn every_vector_is_decided_as_written() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(vectors.default_rule, AreaRule::default());
    let serde_json::Value::Object(default_rule) = serde_json::to_value(&vectors.default_rule).unwrap() else {
        panic!()
    };

    let mut seen = std::collections::BTreeSet::new();
    for case in vectors.cases {
        let credential = match (case.code, case.failure) {
            (Some(code), None) => Credential::Verified(overlaid::<Code>(vectors.default_code.clone(), code).into()),
            (None, Some(word)) => Credential::Failed(failure(&word)),
            (None, None) => Credential::NoCode,
            (Some(_), Some(_)) => panic!("{}: a code verifies or fails", case.name),
        };
        let secret = case.community_secret.as_deref().map(bytes::<32>);
        let decision = decide(
            &Presented { credential, temperature_tenths_celsius: case.temperature_tenths_celsius },
            case.now_ms,
            &Context {
                checkpoint: &case.checkpoint,
                rule: &overlaid(default_rule.clone(), case.rule),
                revoked: &prefixes(&case.revoked),
                superseded: &prefixes(&case.superseded),
                approved: &prefixes(&case.approved),
                community_secret: secret.as_ref(),
            },
        );
        let expected = Decision { verdict: case.verdict, reasons: case.reasons };
        assert_eq!(decision, expected, "{}", case.name);
        seen.extend(decision.reasons);
        assert_eq!(case.name.trim(), case.name);
    }
    assert!(seen.into_iter().eq(Reason::ALL), "each reason has a vector");
}
