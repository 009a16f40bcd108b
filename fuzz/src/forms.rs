//! Forms as people fill them in, and as they get them wrong: bodies of `POST /v1/declarations`, and spreadsheets for the batch. Nobody in
//! them exists.

use serde_json::{Value, json};

const HOME: &str = "440106001001";
const COMMUNITY: &str = "440106001001-001";
const AWAY: &str = "440104001007";
const HEADER: &str = "name,document_type,document_number,phone,address,kind,committee,community,since,capacity,symptoms,\
                      hubei_stay,hubei_return,contact,description";

/// A number of a resident identity card that can exist (GB 11643), another one for each serial number up to 999.
fn document_number(serial: u32) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = format!("44010619800101{serial:03}");
    let sum: u32 = digits.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    let check = b"10X98765432"[(sum % 11) as usize];
    format!("{digits}{}", char::from(check))
}

/// Bodies of single declarations.
pub fn declarations() -> Vec<String> {
    let with = |pointer: &str, value: Value| {
        let mut form = full();
        *form.pointer_mut(pointer).expect("a field of the form") = value;
        form.to_string()
    };
    let document = |kind: &str, number: &str| with("/person/document", json!({"type": kind, "number": number}));
    let ill = json!({"symptoms": ["fever", "cough"], "hubei_stay": "travelled", "hubei_return": "2020-02-20",
        "contact": "suspected", "description": "夜里发热\n38.2"});
    let renewal = json!({"person": {"subject": "0".repeat(32)}, "declared_by": "self", "health": healthy()});
    vec![
        full().to_string(),
        with("/declared_by", json!("staff")),
        with("/residence", json!({"committee": AWAY, "capacity": "owner"})).replace("self", "staff"),
        with("/declared_by", json!("relative")),
        with("/health", ill),
        renewal.to_string(),
        document("passport", "EA1234567"),
        document("hong_kong_macau_permit", "H1234567801"),
        document("taiwan_permit", "1234567801B"),
        document("residence_permit", "810000199001010013"),
        document("foreign_permanent_resident_id", "USA440185050512"),
        document("resident_id", "110105194912310021"),
        with("/person/phone", json!("+852 9123-4567")),
        with("/person/phone", json!(13_800_138_000_i64)),
        with("/person/name", json!("张\u{202e}三")),
        with("/residence/since", json!("2021-02-29")),
        json!({"person": {"surname": "张", "44010619800101001X": 1}}).to_string(),
        r#"{"person": {"n\u0061me": "\u5f20\ud842\udfb7", "name": "\u0000"}}"#.to_owned(),
        "[".repeat(33),
    ]
}

/// Batches as CSV.
pub fn spreadsheets() -> Vec<String> {
    let plain = row(11, "体育东路 1 号", "13800138000", "");
    let quoted = row(12, "\"体育东路 1 号,\n\"\"甲\"\" 座\"", "13800138000", "fever; cough");
    let wrong = row(16, "体育东路", "phone", "fever;fever;x");
    let (one_quote, long_row, empty_rows) = (row(14, "5\" x", "13800138000", ""), "x".repeat(1100), "\n".repeat(18));
    vec![
        format!("{HEADER}\n{plain}\n{quoted}\n"),
        format!("\u{feff}{HEADER}\r\n{plain}\r\n\r\n{quoted}"),
        format!("{HEADER}\r{plain}\r"),
        format!("{HEADER}\n{wrong}\na,b,c\n{plain}\n"),
        format!("{HEADER}\n{}\n", plain.replace(HOME, AWAY)),
        format!("{HEADER}\n{one_quote}\n{one_quote}\n{plain}\n"),
        format!("{HEADER}\n{long_row}\n{empty_rows}{}{plain}\n", "a\n".repeat(18)),
        "phone,name, symptoms,address\n13800138000,张三,fever; cough,\"体育\n东路\"\n".to_owned(),
        "name,surname\n张,三\n".to_owned(),
        "name,phone,name\n".to_owned(),
    ]
}

fn row(serial: u32, address: &str, phone: &str, symptoms: &str) -> String {
    let number = document_number(serial);
    format!("张三,resident_id,{number},{phone},{address},resident,{HOME},,2019-05-01,tenant,{symptoms},none,,none,")
}

fn healthy() -> Value {
    json!({"symptoms": [], "hubei_stay": "none", "contact": "none"})
}

fn full() -> Value {
    json!({
        "person": {
            "name": "张三丰",
            "document": {"type": "resident_id", "number": document_number(1)},
            "phone": "13800138000",
            "address": "体育东路 1 号",
            "kind": "resident",
        },
        "declared_by": "self",
        "residence": {"committee": HOME, "community": COMMUNITY, "since": "2019-05-01", "capacity": "owner"},
        "health": healthy(),
    })
}
