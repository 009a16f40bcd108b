//! The wall clock, in milliseconds since 1970, and the city's calendar. Time-outs are measured with `Instant`, never with this.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, FixedOffset, NaiveDate, SecondsFormat};

const SHANGHAI_OFFSET_S: i32 = 8 * 60 * 60;

/// Now.
pub(crate) fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

/// The date in the city at this time.
pub(crate) fn local_date(time_ms: i64) -> NaiveDate {
    in_the_city(time_ms).date_naive()
}

/// RFC 3339 with the city's offset.
pub(crate) fn rfc3339(time_ms: i64) -> String {
    in_the_city(time_ms).to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// A date as days since 1970.
pub(crate) fn days_since_1970(date: NaiveDate) -> i32 {
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).expect("chrono's dates span fewer days")
}

fn in_the_city(time_ms: i64) -> DateTime<FixedOffset> {
    let offset = FixedOffset::east_opt(SHANGHAI_OFFSET_S).expect("eight hours are an offset");
    DateTime::from_timestamp_millis(time_ms).unwrap_or_default().with_timezone(&offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_begins_at_midnight_in_the_city() {
        let midnight_ms = 1_582_732_800_000;
        assert_eq!(rfc3339(midnight_ms), "2020-02-27T00:00:00+08:00");
        assert_eq!(local_date(midnight_ms).to_string(), "2020-02-27");
        assert_eq!(local_date(midnight_ms - 1).to_string(), "2020-02-26");
        assert_eq!(days_since_1970(local_date(midnight_ms)), 18_319);
        assert_eq!(days_since_1970(NaiveDate::default()), 0);
    }
}
