//! Every event survives its bytes; every version ever written stays readable; a schema in use never changes.

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::audit::AuditEntry;
use crate::columns;
use crate::dead_letter::DeadLetter;
use crate::decide::Verdict;
use crate::declaration::*;
use crate::ids::{CodeId, DeclarationId, KeyId, Subject};
use crate::outcome::*;
use crate::registry_event::{Value as Choice, *};
use crate::scan::*;
use crate::status::Status;

fn sealed() -> Sealed {
    Sealed { seal_day: 18_319, bytes: vec![1, 2, 3] }
}

fn declaration() -> Declaration {
    Declaration {
        declaration_id: DeclarationId([1; 16]),
        subject: Subject([2; 16]),
        accepted_at_ms: 1_582_781_445_123,
        declared_by: DeclaredBy::Relative,
        inadmissible: None,
        policy_version: 1,
        signing_key: KeyId([3; 8]),
        validity_s: 604_800,
        registry_offset: 3_047,
        facts: IssuingFacts {
            birth_year: Some(1949),
            person_kind: "resident".into(),
            communities: vec!["440106001003-001".parse().unwrap()],
            masked_name: Some("张*".into()),
            hold: Some(Status::Amber),
        },
        residence: Residence {
            committee: "440106001003".parse().unwrap(),
            community: Some("440106001003-001".parse().unwrap()),
            since_day: Some(17_000),
            capacity: "tenant".into(),
        },
        health: Health {
            symptoms: vec!["fever".into(), "cough".into()],
            hubei_stay: "travelled".into(),
            hubei_return_day: Some(18_310),
            contact: "none".into(),
        },
        sealed: Some(sealed()),
    }
}

fn outcome() -> Outcome {
    Outcome {
        declaration_id: DeclarationId([1; 16]),
        subject: Subject([2; 16]),
        declaration_position: DeclarationPosition { kafka_partition: 3, offset: 99 },
        accepted_at_ms: 1_582_781_445_123,
        committee: "440106001003".parse().unwrap(),
        community: None,
        issued: Some(Issued {
            code_id: CodeId([7; 16]),
            status: Status::Red,
            reasons: vec!["symptoms".into()],
            expires_at_ms: 1_583_386_245_000,
            policy_version: 1,
            signing_key: KeyId([3; 8]),
            pass_code: vec![0xd2, 0x84],
        }),
        rejected: None,
    }
}

fn scan(seed: u8) -> Scan {
    Scan {
        scanned_at_ms: 1_582_781_445_123 + i64::from(seed),
        direction: if seed.is_multiple_of(2) { Direction::Entry } else { Direction::Exit },
        shown: Shown::Companion,
        verdict: Verdict::Refer,
        reasons: vec!["fever".into()],
        code_id: (!seed.is_multiple_of(3)).then_some(CodeId([seed; 16])),
        status: (!seed.is_multiple_of(3)).then_some(Status::Green),
        temperature_tenths_celsius: Some(374),
        vehicle: seed.is_multiple_of(5).then_some(Vehicle { group: 12, plate_hash: -5, heads: 3 }),
        offline: true,
    }
}

fn upload() -> ScanUpload {
    ScanUpload {
        device_epoch: -77,
        first_seq: 12,
        received_at_ms: 1_582_781_445_999,
        checkpoint: "440106001003-001-01".parse().unwrap(),
        scans: (0..7).map(scan).collect(),
    }
}

fn registry_event() -> RegistryEvent {
    RegistryEvent {
        command_id: [9; 16],
        at_ms: 1_582_781_445_123,
        actor: Actor { role: "street_administrator".into(), area: "440106001".into(), login: "li".into() },
        expected_version: 4,
        change: Change::PersonSet(PersonSet {
            subject: Subject([2; 16]),
            claim: Some([8; 32]),
            holder: "account-1".into(),
            birth_year: None,
            person_kind: "resident".into(),
            masked_name: None,
            committee: "440106001003".parse().unwrap(),
            community: None,
            since_day: None,
            capacity: "owner".into(),
            sealed: Some(sealed()),
        }),
    }
}

fn audit_entry() -> AuditEntry {
    AuditEntry {
        node: "api-1".into(),
        seq: 1,
        previous: [0; 32],
        at_ms: 1,
        actor: registry_event().actor,
        action: "read_summary".into(),
        target: "440106".into(),
        allowed: false,
    }
}

fn dead_letter() -> DeadLetter {
    DeadLetter {
        topic: "declarations".into(),
        kafka_partition: 1,
        offset: 2,
        reader: "issuer".into(),
        reason: "unknown schema".into(),
        failed_at_ms: 3,
        sealed: None,
    }
}

/// Encodes, compares with the kept bytes of version 1, decodes those.
fn golden<E: Event + PartialEq + std::fmt::Debug>(event: &E, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !path.exists() {
        std::fs::write(&path, encode(event)).unwrap();
    }
    let kept = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(&decode::<E>(&kept).unwrap(), event, "{file} reads as what was written");
}

#[test]
fn version_1_of_every_event_stays_readable() {
    golden(&declaration(), "declaration.v1.avro");
    golden(&outcome(), "outcome.v1.avro");
    golden(&upload(), "scan_upload.v1.avro");
    golden(&registry_event(), "registry_event.v1.avro");
    golden(&audit_entry(), "audit_entry.v1.avro");
    golden(&dead_letter(), "dead_letter.v1.avro");
}

#[test]
fn every_change_of_the_registry_round_trips() {
    let actor = registry_event().actor;
    let area: crate::AreaCode = "440106".parse().unwrap();
    let changes = [
        Change::ClaimErased(ClaimErased { claim: [8; 32] }),
        Change::PlaceSet(PlaceSet {
            area: area.clone(),
            name_zh: "天河区".into(),
            name_en: Some("Tianhe".into()),
            population: Some(Population { count: 2_241_826, source: "census".into(), as_of_day: 18_567 }),
        }),
        Change::ValueSetSet(ValueSetSet {
            name: "symptom".into(),
            values: vec![Choice { value: "fever".into(), label_zh: "发热".into(), label_en: "Fever".into() }],
        }),
        Change::PolicySet(PolicySet {
            version: 1,
            expression: "…".into(),
            effective_from_ms: 0,
            note: String::new(),
            approved_by: vec!["a".into(), "b".into()],
        }),
        Change::OrderSet(OrderSet {
            starts_at_ms: 0,
            coverage_days: 5,
            ends_at_ms: None,
            validity_s: 604_800,
            masked_name_on_code: true,
        }),
        Change::AreaRuleSet(AreaRuleSet {
            area,
            checking: true,
            members_only: false,
            fever_tenths_celsius: 373,
            fever_verdict: Verdict::Refer,
            amber_verdict: Verdict::Refer,
            red_verdict: Verdict::Refuse,
        }),
        Change::KeyListPublished(KeyListPublished { sequence: 2, key_list: vec![1] }),
        Change::SealKeySet(SealKeySet { seal_day: 18_319, public_key: [4; 32] }),
        Change::HaltSet(HaltSet { halted: true, reason: "drill".into() }),
    ];
    for change in changes {
        let event = RegistryEvent { command_id: [1; 16], at_ms: 5, actor: actor.clone(), expected_version: 0, change };
        assert_eq!(decode::<RegistryEvent>(&encode(&event)).unwrap(), event);
    }
}

/// The fingerprint of each schema in use. A line is added with a new version and never changed: a schema that has written records
/// is part of them.
const FINGERPRINTS: &[(&str, u32, &str)] = &include!("../../golden/fingerprints.in");

#[test]
fn a_schema_in_use_never_changes() {
    let now: Vec<_> = SCHEMAS
        .iter()
        .map(|&(event, version, text)| (event, version, hex::encode(parse(text).rabin_fingerprint())))
        .collect();
    let kept: Vec<_> = FINGERPRINTS.iter().map(|&(event, version, hex)| (event, version, hex.to_owned())).collect();
    assert_eq!(now, kept);
}

#[test]
fn each_version_can_be_read_as_the_next() {
    for pair in SCHEMAS.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let [old, new] = [pair[0].2, pair[1].2].map(|text| serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(refusal(&old, &new), None, "{}", pair[0].0);
    }
}

/// Why records of `old` can't be read as `new`: a new field without default, a changed type, a dropped enum symbol.
fn refusal(old: &Value, new: &Value) -> Option<String> {
    let (Some(old_fields), Some(new_fields)) = (old["fields"].as_array(), new["fields"].as_array()) else {
        let lost = old["symbols"].as_array().and_then(|symbols| {
            symbols.iter().find(|symbol| !new["symbols"].as_array().is_some_and(|all| all.contains(symbol)))
        });
        return match lost {
            Some(symbol) => Some(format!("symbol {symbol} is gone")),
            None if old["symbols"].is_array() || old == new => None,
            None => Some(format!("{old} became {new}")),
        };
    };
    new_fields.iter().find_map(|field| match old_fields.iter().find(|candidate| candidate["name"] == field["name"]) {
        Some(former) => refusal(&former["type"], &field["type"]),
        None if field.get("default").is_some() => None,
        None => Some(format!("{} has no default", field["name"])),
    })
}

#[test]
fn an_incompatible_change_is_refused() {
    let old: Value = serde_json::from_str(SCHEMAS[0].2).unwrap();
    assert_eq!(refusal(&old, &old), None);

    let mut with_new_field = old.clone();
    with_new_field["fields"].as_array_mut().unwrap().push(serde_json::json!({"name": "added", "type": "int"}));
    assert!(refusal(&old, &with_new_field).unwrap().contains("no default"));
    with_new_field["fields"].as_array_mut().unwrap().last_mut().unwrap()["default"] = 0.into();
    assert_eq!(refusal(&old, &with_new_field), None);

    let mut with_other_type = old.clone();
    with_other_type["fields"][5]["type"] = "string".into();
    assert!(refusal(&old, &with_other_type).is_some());

    let mut with_lost_symbol = old.clone();
    with_lost_symbol["fields"][3]["type"]["symbols"].as_array_mut().unwrap().pop();
    assert!(refusal(&old, &with_lost_symbol).unwrap().contains("staff"));
}

#[test]
fn what_is_not_the_event_is_named_as_such() {
    let bytes = encode(&declaration());
    assert_eq!(decode::<Outcome>(&bytes), Err(DecodeError::OtherEvent));
    assert_eq!(decode::<Declaration>(b"{}"), Err(DecodeError::NotAvro));
    assert_eq!(decode::<Declaration>(&[0xC3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0]), Err(DecodeError::UnknownSchema));
    assert_eq!(decode::<Declaration>(&bytes[..bytes.len() - 1]), Err(DecodeError::Malformed));
    assert_eq!(decode::<Declaration>(&[bytes.as_slice(), &[0]].concat()), Err(DecodeError::Malformed));
}

#[test]
fn columns_hold_what_the_structs_hold() {
    let bytes = encode(&upload());
    let columns = columns::decode::<ScanUpload>(&[&bytes, &bytes]).unwrap();
    assert!(columns.poison.is_empty());
    insta::assert_snapshot!(arrow::util::pretty::pretty_format_batches(&[columns.batch.slice(0, 1)]).unwrap());
    for (event, rows) in [
        (encode(&declaration()), columns::decode::<Declaration>(&[&encode(&declaration())])),
        (encode(&outcome()), columns::decode::<Outcome>(&[&encode(&outcome())])),
    ] {
        assert_eq!(rows.unwrap().batch.num_rows(), 1, "{}", event.len());
    }
}

#[test]
fn a_poison_record_leaves_the_others_unharmed() {
    let good = encode(&upload());
    let foreign = encode(&declaration());
    let cut = &good[..good.len() - 3];
    let payloads: [&[u8]; 5] = [&good, b"poison", cut, &foreign, &good];
    let columns = columns::decode::<ScanUpload>(&payloads).unwrap();
    assert_eq!(columns.batch.num_rows(), 2);
    assert_eq!(columns.poison, [(1, DecodeError::NotAvro), (2, DecodeError::Malformed), (3, DecodeError::OtherEvent)]);
    assert_eq!(columns::decode::<ScanUpload>(&[]).unwrap().batch.schema(), columns::schema::<ScanUpload>());
}

#[test]
fn whichever_byte_is_another_the_neighbours_are_unharmed() {
    let good = encode(&upload());
    let (mut poisoned, mut decoder) = (0, columns::Decoder::<ScanUpload>::default());
    for at in 10..good.len() {
        for byte in [0, 1, 2, 3, 0x20, 0x7f, 0x80, 0xff] {
            let mut damaged = good.clone();
            damaged[at] = byte;
            let columns = decoder.decode(&[&good, &damaged, &good]).unwrap();
            assert_eq!(columns.batch.num_rows() + columns.poison.len(), 3, "byte {at} is {byte}");
            assert!(columns.poison.iter().all(|poison| *poison == (1, DecodeError::Malformed)), "byte {at} is {byte}");
            poisoned += columns.poison.len();
        }
    }
    assert!(poisoned > 100, "{poisoned}");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), event in 0..3usize) {
        // Behind a valid header, so that the body is reached.
        let header = [encode(&declaration()), encode(&outcome()), encode(&upload())][event][..10].to_vec();
        let payload = [header, bytes].concat();
        let _ = decode::<Declaration>(&payload);
        let _ = decode::<Outcome>(&payload);
        let structs = decode::<ScanUpload>(&payload).is_ok();
        let columns = columns::decode::<ScanUpload>(&[&payload]).unwrap();
        // Both accept the same, but for a gate's code, which is only text to the columns.
        let gate = arrow::array::AsArray::as_string::<i32>(columns.batch.column_by_name("checkpoint").unwrap());
        let columns = columns.poison.is_empty() && gate.value(0).parse::<crate::AreaCode>().is_ok();
        prop_assert_eq!(structs, columns);
    }
}
