//! The fast way and the slow way read the same.

use proptest::prelude::*;
use serde_json::{Value, json};
use suikang_registry::Role;

use super::*;

const NOW_MS: i64 = 1_582_732_800_000;

/// Good values mostly, and what could be taken for one.
fn value(good: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    let wrong = [json!(null), json!("canary"), json!(""), json!(7), json!([]), json!({"entry": null}), json!(true)];
    prop_oneof![
        12 => prop::sample::select(good).prop_map(|text| Some(serde_json::from_str(text).unwrap())),
        1 => prop::sample::select(wrong.to_vec()).prop_map(Some),
        1 => Just(None),
    ]
}

prop_compose! {
    fn scan()(
        scanned_at_ms in value(&["1582732800000", "1582732700000", "5", "1682732800000", "1.5"]),
        direction in value(&["\"entry\"", "\"exit\""]),
        shown in value(&["\"screen\"", "\"paper\"", "\"companion\"", "\"none\""]),
        verdict in value(&["\"admit\"", "\"refer\"", "\"refuse\""]),
        reasons in value(&["[]", "[\"fever\"]", "[\"health\", \"fever\"]", "[\"fever\", \"fever\"]", "[\"x\"]"]),
        code_id in value(&["null", "\"000102030405060708090a0b0c0d0e0f\"", "\"000102030405060708090A0B0C0D0E0F\""]),
        status in value(&["null", "\"green\"", "\"red\""]),
        temperature_tenths_celsius in value(&["null", "365", "249", "450", "36.5"]),
        vehicle in value(&["null", "{\"group\": 1, \"plate\": \"粤A12345\", \"heads\": 2}", "{\"group\": 0}"]),
        offline in value(&["true", "false", "null"]),
        unknown in prop::option::weighted(0.02, Just(json!(1))),
    ) -> Value {
        let fields = [
            ("scanned_at_ms", scanned_at_ms), ("direction", direction), ("shown", shown), ("verdict", verdict),
            ("reasons", reasons), ("code_id", code_id), ("status", status),
            ("temperature_tenths_celsius", temperature_tenths_celsius), ("vehicle", vehicle), ("offline", offline),
            ("unknown", unknown),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<serde_json::Map<_, _>>().into()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_slow_way_accepts_exactly_what_the_fast_one_does(scan in scan()) {
        let caller = Caller { role: Role::Inspector, area: "4401".parse().unwrap(), login: String::new() };
        let registry = Snapshot::default();
        let reading = Reading { registry: &registry, now_ms: NOW_MS, plates: PlateHasher::new(&[1; 32]), caller: &caller };
        let text = scan.to_string();
        let fast = serde_json::from_str::<GoodScan>(&text).ok().and_then(|scan| scan.check(reading));
        let mut errors = Vec::new();
        let typed = json::parse::<TypedScan>(text.as_bytes());
        let is_json = typed.is_ok();
        let slow = typed.ok().and_then(|scan| scan.check("/scans/0", reading, &mut errors));
        prop_assert_eq!(fast.is_none() && is_json, !errors.is_empty(), "refused, so an error says why");
        prop_assert_eq!(fast, slow);
    }
}
