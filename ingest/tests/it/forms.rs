//! Forms as people fill them in.

use serde_json::{Value, json};

use crate::city::{COMMUNITY, HOME};

/// A resident identity card that can exist (GB 11643), another one for each serial number up to 999.
pub(crate) fn document_number(serial: u32) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = format!("44010619800101{serial:03}");
    let sum: u32 = digits.chars().zip(WEIGHTS).map(|(digit, weight)| digit.to_digit(10).unwrap() * weight).sum();
    let check = b"10X98765432"[(sum % 11) as usize];
    format!("{digits}{}", char::from(check))
}

pub(crate) fn healthy() -> Value {
    json!({"symptoms": [], "hubei_stay": "none", "contact": "none"})
}

pub(crate) fn residence() -> Value {
    json!({"committee": HOME, "community": COMMUNITY, "since": "2019-05-01", "capacity": "owner"})
}

pub(crate) fn person(serial: u32) -> Value {
    json!({
        "name": "张三丰",
        "document": {"type": "resident_id", "number": document_number(serial)},
        "phone": "13800138000",
        "address": "体育东路 1 号",
        "kind": "resident",
    })
}

/// Full information, for oneself.
pub(crate) fn full(serial: u32) -> Value {
    json!({"person": person(serial), "declared_by": "self", "residence": residence(), "health": healthy()})
}

/// Health alone.
pub(crate) fn renewal(subject: &str) -> Value {
    json!({"person": {"subject": subject}, "declared_by": "self", "health": healthy()})
}
