//! Reading the counts of a district.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::Serialize;
use suikang_schemas::AreaCode;
use suikang_stream::Positions;

use super::Counts;

/// Scans of one district on one of the city's days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Day {
    /// Days since 1970.
    pub day: i32,
    /// Entries by hour, whatever the verdict.
    pub entries_by_hour: [i64; 24],
    /// Exits by hour, whatever the verdict.
    pub exits_by_hour: [i64; 24],
    /// Scans by verdict, both directions.
    pub verdicts: BTreeMap<String, i64>,
    /// Scans by reason; a scan may have several.
    pub reasons: BTreeMap<String, i64>,
    /// Scans with a fever.
    pub fevers: i64,
}

/// Everything that is counted of a district.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DistrictCounts {
    /// A day each, from the first asked for to the last.
    pub days: Vec<Day>,
    /// People whose code has not run out, by status.
    pub status: BTreeMap<String, i64>,
    /// People who have ever got a code.
    pub declared: i64,
    /// The first day of which everything is counted, in days since 1970. Counts that began after the log had let go its first records know
    /// nothing, or not all, of those before.
    pub whole_from: i32,
}

impl Counts {
    /// The counts of a district from one of the city's days to another, both included, and the log up to which they count. `now_ms` says which
    /// codes have run out.
    ///
    /// # Errors
    /// SQLite's.
    pub fn district(
        &self,
        district: &AreaCode,
        days: std::ops::RangeInclusive<i32>,
        now_ms: i64,
    ) -> rusqlite::Result<(DistrictCounts, Positions)> {
        self.view.read_at(|connection| read(connection, district, days, now_ms))
    }

    /// The counts of several districts on one day, all of one moment.
    ///
    /// # Errors
    /// SQLite's.
    pub fn districts(&self, districts: &[AreaCode], day: i32, now_ms: i64) -> rusqlite::Result<Vec<DistrictCounts>> {
        self.view
            .read(|connection| districts.iter().map(|district| read(connection, district, day..=day, now_ms)).collect())
    }
}

fn read(
    connection: &Connection,
    district: &AreaCode,
    days: std::ops::RangeInclusive<i32>,
    now_ms: i64,
) -> rusqlite::Result<DistrictCounts> {
    let district = district.as_str();
    let mut by_day: BTreeMap<i32, Day> = days.clone().map(|day| (day, Day { day, ..Day::default() })).collect();
    let (first, last) = (*days.start(), *days.end());
    let range = params![district, first, last];

    let mut entries = connection.prepare_cached(
        "SELECT local_date, hour, direction, verdict, scans FROM entries
         WHERE district = ?1 AND local_date BETWEEN ?2 AND ?3",
    )?;
    let mut rows = entries.query(range)?;
    while let Some(row) = rows.next()? {
        let scans: i64 = row.get(4)?;
        let Some(day) = by_day.get_mut(&row.get(0)?) else { continue };
        let by_hour =
            if row.get_ref(2)?.as_str()? == "entry" { &mut day.entries_by_hour } else { &mut day.exits_by_hour };
        by_hour[usize::try_from(row.get::<_, i64>(1)?).unwrap_or(0).min(23)] += scans;
        *day.verdicts.entry(row.get(3)?).or_default() += scans;
    }

    let mut reasons = connection.prepare_cached(
        "SELECT local_date, reason, scans FROM reasons WHERE district = ?1 AND local_date BETWEEN ?2 AND ?3",
    )?;
    let mut rows = reasons.query(range)?;
    while let Some(row) = rows.next()? {
        if let Some(day) = by_day.get_mut(&row.get(0)?) {
            day.reasons.insert(row.get(1)?, row.get(2)?);
        }
    }

    let mut fevers = connection
        .prepare_cached("SELECT local_date, scans FROM fevers WHERE district = ?1 AND local_date BETWEEN ?2 AND ?3")?;
    let mut rows = fevers.query(range)?;
    while let Some(row) = rows.next()? {
        if let Some(day) = by_day.get_mut(&row.get(0)?) {
            day.fevers = row.get(1)?;
        }
    }

    let mut status = connection.prepare_cached(
        "SELECT status, sum(people) FROM codes WHERE district = ?1 AND expiry_hour >= ?2 GROUP BY 1 HAVING sum(people) > 0",
    )?;
    let status = status
        .query_map(params![district, now_ms.div_euclid(3_600_000)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let declared = connection
        .prepare_cached("SELECT coalesce(sum(people), 0) FROM declared WHERE district = ?1")?
        .query_row(params![district], |row| row.get(0))?;
    let whole_from =
        connection.prepare_cached("SELECT coalesce(max(whole_from), 0) FROM begun")?.query_row([], |row| row.get(0))?;
    Ok(DistrictCounts { days: by_day.into_values().collect(), status, declared, whole_from })
}
