//! The tree of places: districts, streets and committees from the shipped tables; below each committee one community with two entrances.

use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use suikang_schemas::AreaCode;
use suikang_schemas::registry_event::{PlaceSet, Population};

const DISTRICTS: &str = include_str!("../../places/guangzhou/districts.csv");
const STREETS: &str = include_str!("../../places/guangzhou/streets.csv");
const COMMITTEES: &str = include_str!("../../places/guangzhou/communities.csv");

const CENSUS: &str = "第七次全国人口普查 Seventh National Population Census";
/// 2020-11-01.
const CENSUS_DAY: i32 = 18_567;

#[derive(Deserialize)]
struct District {
    district_code: AreaCode,
    name_zh: String,
    name_en: String,
    population_2020: i64,
}

#[derive(Deserialize)]
struct Street {
    street_code: AreaCode,
    name_zh: String,
}

#[derive(Deserialize)]
struct Committee {
    community_code: AreaCode,
    name_zh: String,
}

/// Every place of the city, larger ones before those inside them.
pub fn places() -> &'static [PlaceSet] {
    static PLACES: LazyLock<Vec<PlaceSet>> = LazyLock::new(|| {
        let mut places = districts();
        places.extend(rows::<Street>(STREETS).map(|street| place(street.street_code, street.name_zh, None)));
        for committee in rows::<Committee>(COMMITTEES) {
            let inside = inside(&committee);
            places.push(place(committee.community_code, committee.name_zh, None));
            places.extend(inside);
        }
        places
    });
    &PLACES
}

fn districts() -> Vec<PlaceSet> {
    let districts: Vec<District> = rows(DISTRICTS).collect();
    let population = |count| Some(Population { count, source: CENSUS.to_owned(), as_of_day: CENSUS_DAY });
    let all = districts.iter().map(|district| district.population_2020).sum();
    let mut city = place(area("4401"), "广州市".to_owned(), Some("Guangzhou".to_owned()));
    city.population = population(all);
    let mut places = vec![city];
    places.extend(districts.into_iter().map(|district| PlaceSet {
        population: population(district.population_2020),
        ..place(district.district_code, district.name_zh, Some(district.name_en))
    }));
    places
}

/// What a committee's area holds in the demonstration: made up.
fn inside(committee: &Committee) -> [PlaceSet; 3] {
    let code = &committee.community_code;
    let name = short_name(&committee.name_zh);
    [
        place(area(&format!("{code}-001")), name.to_owned(), None),
        place(area(&format!("{code}-001-01")), format!("{name}东门"), Some("East gate".to_owned())),
        place(area(&format!("{code}-001-02")), format!("{name}西门"), Some("West gate".to_owned())),
    ]
}

/// 翠洲社区 of 翠洲社区居民委员会; 莲塘村 of 莲塘村委会.
fn short_name(committee: &str) -> &str {
    for (ending, keeps_village) in [("居民委员会", false), ("居委会", false), ("村民委员会", true), ("村委会", true)]
    {
        if let Some(name) = committee.strip_suffix(ending) {
            return if keeps_village { &committee[..name.len() + "村".len()] } else { name };
        }
    }
    committee
}

fn place(area: AreaCode, name_zh: String, name_en: Option<String>) -> PlaceSet {
    PlaceSet { area, name_zh, name_en, population: None }
}

fn area(text: &str) -> AreaCode {
    text.parse().expect("codes below are made of shipped codes, which a test parses")
}

fn rows<T: DeserializeOwned + 'static>(table: &'static str) -> impl Iterator<Item = T> {
    csv::Reader::from_reader(table.as_bytes())
        .into_deserialize()
        .map(|row| row.expect("tables are compiled in and a test reads them"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use suikang_schemas::area::Level;

    use super::*;

    #[test]
    fn the_tree_is_whole() {
        let of = |level| places().iter().filter(|place| place.area.level() == level).count();
        assert_eq!((of(Level::City), of(Level::District), of(Level::Street), of(Level::Committee)), (1, 11, 178, 2851));
        assert_eq!((of(Level::Community), of(Level::Checkpoint)), (2851, 2 * 2851));

        let mut seen = HashSet::new();
        for place in places() {
            assert!(place.area.parent().is_none_or(|parent| seen.contains(&parent)), "{} has no parent", place.area);
            assert!(seen.insert(place.area.clone()), "{} stands twice", place.area);
            assert!(!place.name_zh.is_empty());
        }
        assert_eq!(places()[0].population.as_ref().unwrap().count, 18_676_605, "as the census gives the city");
    }

    #[test]
    fn a_community_is_called_what_people_call_it() {
        assert_eq!(short_name("翠洲社区居民委员会"), "翠洲社区");
        assert_eq!(short_name("新村社区居委会"), "新村社区");
        assert_eq!(short_name("莲塘村委会"), "莲塘村");
        assert_eq!(short_name("大塱村民委员会"), "大塱村");
        assert_eq!(short_name("圭沙岛生活区"), "圭沙岛生活区");
    }
}
