//! Where people live: the real districts in proportion to their population, and the real committees within them.

use rand::RngExt as _;
use rand::rngs::StdRng;
use suikang_registry::seed;
use suikang_schemas::AreaCode;
use suikang_schemas::area::Level;

/// The places that residents are drawn from.
#[derive(Debug)]
pub struct City {
    districts: Vec<District>,
    population: i64,
}

#[derive(Debug)]
struct District {
    population: i64,
    committees: Vec<AreaCode>,
}

impl City {
    /// Guangzhou, as the demonstration city is seeded.
    pub fn guangzhou() -> Self {
        let places = seed::places();
        let districts: Vec<_> = places
            .iter()
            .filter(|place| place.area.level() == Level::District)
            .filter_map(|district| {
                Some(District {
                    population: district.population.as_ref()?.count,
                    committees: places
                        .iter()
                        .map(|place| &place.area)
                        .filter(|area| area.level() == Level::Committee && district.area.contains(area))
                        .cloned()
                        .collect(),
                })
            })
            .collect();
        Self { population: districts.iter().map(|district| district.population).sum(), districts }
    }

    /// A committee, likelier where more people live.
    pub fn draw(&self, rng: &mut StdRng) -> &AreaCode {
        let mut person = rng.random_range(0..self.population);
        for district in &self.districts {
            if person < district.population {
                return &district.committees[rng.random_range(0..district.committees.len())];
            }
            person -= district.population;
        }
        unreachable!("every person lives in a district")
    }
}
