//! The day's curve: how much of a day's coming and going falls into each hour, with its morning and evening peaks.

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Share of a day's passages in each local hour, in thousandths. The peak hour carries 12 %, as a commuting city's does.
const PER_MILLE: [u32; 24] =
    [4, 2, 1, 1, 3, 12, 45, 110, 120, 60, 42, 48, 62, 50, 38, 36, 44, 78, 112, 66, 34, 20, 8, 4];

/// A moment between midnight and `until_s`, in seconds of the local day, drawn by the curve.
pub fn second_of_day(rng: &mut StdRng, until_s: u32) -> u32 {
    let hours_so_far = (until_s / 3600).min(23) as usize;
    let total: u32 = PER_MILLE[..=hours_so_far].iter().sum();
    let mut drawn = rng.random_range(0..total);
    let mut hour = 0;
    while drawn >= PER_MILLE[hour] {
        drawn -= PER_MILLE[hour];
        hour += 1;
    }
    let second = u32::try_from(hour).expect("an hour of a day") * 3600 + rng.random_range(0..3600);
    // The hour under way has only begun: what would lie after now happened just before.
    if second < until_s { second } else { rng.random_range(until_s.saturating_sub(600)..until_s.max(1)) }
}

/// How busy this hour is beside an average one.
pub fn intensity(hour: u32) -> f64 {
    let sum: u32 = PER_MILLE.iter().sum();
    f64::from(PER_MILLE[(hour % 24) as usize]) * 24.0 / f64::from(sum)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn moments_lie_in_the_past_and_follow_the_peaks() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut by_hour = [0u32; 24];
        for _ in 0..20_000 {
            let second = second_of_day(&mut rng, 86_400);
            assert!(second < 86_400);
            by_hour[(second / 3600) as usize] += 1;
        }
        assert!(by_hour[8] > 5 * by_hour[22], "{by_hour:?}");
        for until_s in [1, 59, 3_600, 30_000] {
            assert!((0..100).all(|_| second_of_day(&mut rng, until_s) < until_s));
        }
    }
}
