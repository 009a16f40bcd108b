//! Times as the city reads them: Asia/Shanghai, which is UTC+8 all year. Days are counted since 1970, as everywhere in the log.

use chrono::{DateTime, Datelike as _, FixedOffset, NaiveDate, SecondsFormat};

/// The city's offset from UTC, in seconds.
const OFFSET_S: i32 = 8 * 3600;
/// A day in milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;

/// A moment in the city's time; out of range is the beginning of time.
pub(crate) fn local(at_ms: i64) -> DateTime<FixedOffset> {
    let offset = FixedOffset::east_opt(OFFSET_S).expect("eight hours is an offset");
    DateTime::from_timestamp_millis(at_ms).unwrap_or_default().with_timezone(&offset)
}

/// RFC 3339 to the second, with the offset.
pub(crate) fn rfc3339(at_ms: i64) -> String {
    local(at_ms).to_rfc3339_opts(SecondsFormat::Secs, false)
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// The city's date now.
pub(crate) fn today() -> NaiveDate {
    local(now_ms()).date_naive()
}

/// A date as a day since 1970.
pub(crate) fn day(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - DateTime::UNIX_EPOCH.num_days_from_ce()
}

/// The date of a day since 1970.
pub(crate) fn date(day: i32) -> NaiveDate {
    NaiveDate::from_num_days_from_ce_opt(day + DateTime::UNIX_EPOCH.num_days_from_ce()).unwrap_or_default()
}

/// When a day of the city is over, in milliseconds since 1970.
pub(crate) fn end_ms(day: i32) -> i64 {
    (i64::from(day) + 1) * DAY_MS - i64::from(OFFSET_S) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_citys() {
        assert_eq!(rfc3339(1_582_781_445_123), "2020-02-27T13:30:45+08:00");
        assert_eq!(local(1_582_819_200_000).date_naive(), NaiveDate::from_ymd_opt(2020, 2, 28).unwrap());
    }

    #[test]
    fn a_day_ends_at_the_citys_midnight() {
        let leap_day = NaiveDate::from_ymd_opt(2020, 2, 29).unwrap();
        assert_eq!(date(day(leap_day)), leap_day);
        assert_eq!(rfc3339(end_ms(day(leap_day))), "2020-03-01T00:00:00+08:00");
    }
}
