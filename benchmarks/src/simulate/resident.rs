//! Residents: made-up people with well-formed documents, in families, in proportion to where people really live.

use chrono::{Datelike as _, Days, NaiveDate};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use suikang_schemas::AreaCode;
use suikang_schemas::area::Level;

use super::city::City;

const FAMILY_NAMES: [&str; 20] = [
    "陈", "李", "黄", "张", "梁", "林", "刘", "吴", "罗", "杨", "何", "邓", "周", "叶", "曾", "谢", "冯", "欧阳", "关",
    "区",
];
const GIVEN_NAMES: [&str; 20] = [
    "伟", "秀英", "志强", "敏", "静", "嘉欣", "俊杰", "丽华", "建国", "子轩", "梓晴", "浩然", "雪", "永康", "淑芬",
    "文", "𬭎", "家豪", "婉仪", "国栋",
];

/// Somebody who lives in the city.
#[derive(Debug, Clone)]
pub struct Resident {
    /// The account that declares: the head of the family's, or staff's.
    pub login: String,
    declared_by: &'static str,
    /// Where the person lives.
    pub committee: AreaCode,
    /// The request's body.
    pub declaration: Value,
}

impl Resident {
    /// The role in which the account declares, and where.
    pub fn caller(&self) -> (&'static str, AreaCode) {
        match self.declared_by {
            "staff" => ("community_administrator", self.committee.clone()),
            _ => ("resident", self.committee.ancestor(Level::City).expect("every area lies in a city")),
        }
    }
}

/// People without end, family by family.
#[derive(Debug)]
pub struct Residents {
    rng: StdRng,
    city: City,
    families: u64,
    /// What stands before an account's number.
    accounts: &'static str,
    family: std::vec::IntoIter<Resident>,
}

impl Residents {
    /// The same people for the same seed.
    pub fn new(seed: u64, accounts: &'static str) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { rng, city: City::guangzhou(), families: 0, accounts, family: Vec::new().into_iter() }
    }
}

impl Iterator for Residents {
    type Item = Resident;

    fn next(&mut self) -> Option<Resident> {
        loop {
            if let Some(resident) = self.family.next() {
                return Some(resident);
            }
            self.family = family(&mut self.rng, &self.city, self.accounts, self.families).into_iter();
            self.families += 1;
        }
    }
}

/// One family of 1 to 5, at one address, on one account; some are declared for by staff.
fn family(rng: &mut StdRng, city: &City, accounts: &str, number: u64) -> Vec<Resident> {
    let committee = city.draw(rng).clone();
    let size = [1, 1, 2, 2, 3, 3, 3, 4, 4, 5][rng.random_range(0..10)];
    let by_staff = rng.random_bool(0.05);
    let surname = FAMILY_NAMES[rng.random_range(0..FAMILY_NAMES.len())];
    (0..size)
        .map(|place| {
            let declared_by = match (by_staff, place) {
                (true, _) => "staff",
                (false, 0) => "self",
                (false, _) => "relative",
            };
            Resident {
                login: if by_staff { format!("staff-{committee}") } else { format!("{accounts}-{number}") },
                declared_by,
                declaration: declaration(rng, &committee, surname, declared_by),
                committee: committee.clone(),
            }
        })
        .collect()
}

fn declaration(rng: &mut StdRng, committee: &AreaCode, surname: &str, declared_by: &str) -> Value {
    let born = NaiveDate::from_ymd_opt(1930, 1, 1).expect("a date") + Days::new(rng.random_range(0..32_000));
    let given = GIVEN_NAMES[rng.random_range(0..GIVEN_NAMES.len())];
    let phone = format!("1{}{:09}", rng.random_range(3..10), rng.random_range(0..1_000_000_000u32));
    let address = format!("{}号{}房", rng.random_range(1..400), rng.random_range(101..3_000));
    let kind = if rng.random_bool(0.9) { "resident" } else { "returning" };
    let capacity = ["owner", "tenant", "family"][rng.random_range(0..3)];
    json!({
        "declared_by": declared_by,
        "person": {
            "name": format!("{surname}{given}"),
            "document": {"type": "resident_id", "number": resident_id(rng, born)},
            "phone": phone,
            "address": address,
            "kind": kind,
        },
        "residence": {"committee": committee, "community": format!("{committee}-001"), "capacity": capacity},
        "health": health(rng),
    })
}

/// Nearly all are well; some cough, a few came from Hubei, very few met a case.
fn health(rng: &mut StdRng) -> Value {
    let mut symptoms = Vec::new();
    if rng.random_bool(0.010) {
        symptoms.push("fever");
    }
    if rng.random_bool(0.015) {
        symptoms.push("cough");
    }
    let contact = match rng.random_range(0..2_000) {
        0 => "confirmed",
        1..6 => "suspected",
        _ => "none",
    };
    let mut health = json!({"symptoms": symptoms, "hubei_stay": "none", "contact": contact});
    if rng.random_bool(0.008) {
        let returned = chrono::Utc::now().date_naive() - Days::new(rng.random_range(1..30));
        health["hubei_stay"] = "travelled".into();
        health["hubei_return"] = returned.to_string().into();
    }
    health
}

/// A number whose check digit, date and area hold (GB 11643).
fn resident_id(rng: &mut StdRng, born: NaiveDate) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    let area = ["440103", "440106", "440111", "430102", "420106", "500112"][rng.random_range(0..6)];
    let digits =
        format!("{area}{:04}{:02}{:02}{:03}", born.year(), born.month(), born.day(), rng.random_range(0..1_000));
    let sum: u32 = digits.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{digits}{}", CHECKS[(sum % 11) as usize])
}

#[cfg(test)]
mod tests {
    use suikang_schemas::document::{DocumentType, IdentityDocument};

    use super::*;

    #[test]
    fn documents_are_well_formed() {
        let mut rng = StdRng::seed_from_u64(1);
        for day in (0..32_000).step_by(177) {
            let born = NaiveDate::from_ymd_opt(1930, 1, 1).unwrap() + Days::new(day);
            let number = resident_id(&mut rng, born);
            let today = chrono::Utc::now().date_naive();
            assert!(IdentityDocument::parse(DocumentType::ResidentId, &number, today).is_ok(), "{number}");
        }
    }

    #[test]
    fn a_seed_makes_the_same_city_again() {
        let draw =
            |seed| Residents::new(seed, "account").take(100).map(|r| r.declaration.to_string()).collect::<Vec<_>>();
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }
}
