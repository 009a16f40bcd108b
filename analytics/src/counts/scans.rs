//! Scans become counts: summed up over all uploads of a transaction first, for most lie in few hours.

use std::collections::HashMap;
use std::ops::Range;

use arrow::array::{AsArray as _, DictionaryArray, ListArray, StringArray};
use arrow::datatypes::{Int32Type, TimestampMillisecondType};
use rusqlite::{Transaction, params};
use suikang_schemas::decide::Reason;

use super::fold::district;
use crate::rows::{Upload, Uploads, field, local_day_and_hour, primitive};
use crate::seen::Intervals;

/// Counts the new scans of these uploads.
pub(super) fn count(transaction: &Transaction<'_>, uploads: &Uploads<'_>) -> rusqlite::Result<()> {
    let Uploads { uploads, scans } = uploads;
    let scanned_at_ms = primitive::<TimestampMillisecondType>(scans, "scanned_at").values();
    let at: Vec<_> = scanned_at_ms.iter().map(|at_ms| local_day_and_hour(*at_ms)).collect();
    let lists = field(scans, "reasons").as_list();
    let columns = Columns {
        directions: field(scans, "direction").as_dictionary(),
        verdicts: field(scans, "verdict").as_dictionary(),
        reasons: lists,
        texts: lists.values().as_string(),
    };
    let mut sums = Sums::default();
    for upload in uploads {
        let district = district(&upload.checkpoint);
        for new in new_scans(transaction, upload)? {
            let mut first = new.start;
            // Most of an upload lies in one hour.
            for hour in at[new].chunk_by(|a, b| a == b) {
                let scans = first..first + hour.len();
                first = scans.end;
                sums.add(&columns, district, hour[0], scans);
            }
        }
    }
    sums.store(transaction)
}

/// What is counted of scans.
struct Columns<'u> {
    directions: &'u DictionaryArray<Int32Type>,
    verdicts: &'u DictionaryArray<Int32Type>,
    reasons: &'u ListArray,
    texts: &'u StringArray,
}

#[derive(Default)]
struct Sums<'u> {
    entries: HashMap<(&'u str, i32, i32, &'u str, &'u str), i64>,
    reasons: HashMap<(&'u str, i32, &'u str), i64>,
    fevers: HashMap<(&'u str, i32), i64>,
}

impl<'u> Sums<'u> {
    /// Adds scans of one district's hour.
    fn add(&mut self, columns: &Columns<'u>, district: &'u str, (day, hour): (i32, i32), scans: Range<usize>) {
        let (directions, verdicts) = (columns.directions, columns.verdicts);
        let word = |words: &'u DictionaryArray<Int32Type>, key: usize| words.values().as_string::<i32>().value(key);
        let mut by_words = vec![0; directions.values().len() * verdicts.values().len()];
        let keys = |words: &'u DictionaryArray<Int32Type>| words.keys().values()[scans.clone()].iter();
        for (&direction, &verdict) in keys(directions).zip(keys(verdicts)) {
            by_words[direction as usize * verdicts.values().len() + verdict as usize] += 1;
        }
        for (at, scans) in by_words.into_iter().enumerate().filter(|(_, scans)| *scans > 0) {
            let (direction, verdict) = (at / verdicts.values().len(), at % verdicts.values().len());
            let words = (word(directions, direction), word(verdicts, verdict));
            *self.entries.entry((district, day, hour, words.0, words.1)).or_default() += scans;
        }
        let offsets = columns.reasons.value_offsets();
        for at in offsets[scans.start]..offsets[scans.end] {
            let reason = columns.texts.value(at as usize);
            *self.reasons.entry((district, day, reason)).or_default() += 1;
            if reason == Reason::Fever.as_str() {
                *self.fevers.entry((district, day)).or_default() += 1;
            }
        }
    }

    fn store(self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut add = transaction.prepare_cached(
            "INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET scans = scans + excluded.scans",
        )?;
        for ((district, day, hour, direction, verdict), scans) in self.entries {
            add.execute(params![district, day, hour, direction, verdict, scans])?;
        }
        let mut add = transaction.prepare_cached(
            "INSERT INTO reasons VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET scans = scans + excluded.scans",
        )?;
        for ((district, day, reason), scans) in self.reasons {
            add.execute(params![district, day, reason, scans])?;
        }
        let mut add = transaction.prepare_cached(
            "INSERT INTO fevers VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET scans = scans + excluded.scans",
        )?;
        for ((district, day), scans) in self.fevers {
            add.execute(params![district, day, scans])?;
        }
        Ok(())
    }
}

/// Where the scans of an upload lie whose numbers were not seen before; they are now. Intervals that touch become one.
fn new_scans(transaction: &Transaction<'_>, upload: &Upload<'_>) -> rusqlite::Result<Vec<Range<usize>>> {
    let (epoch, first, last) = (upload.device_epoch, upload.first_seq, upload.last_seq());
    let mut touching = transaction.prepare_cached(
        "SELECT first, last FROM seen WHERE device_epoch = ?1 AND first <= ?3 + 1 AND last >= ?2 - 1",
    )?;
    let touching: Vec<(i64, i64)> = touching
        .query_map(params![epoch, first, last], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut seen = Intervals::default();
    for &(first, last) in &touching {
        seen.insert_all(first, last);
    }
    let new = seen.insert_all(first, last);
    let (mut remove, mut add) = (
        transaction.prepare_cached("DELETE FROM seen WHERE device_epoch = ?1 AND first = ?2")?,
        transaction.prepare_cached("INSERT OR REPLACE INTO seen VALUES (?1, ?2, ?3)")?,
    );
    for &(former, _) in touching.iter().filter(|(former, _)| !seen.ranges().any(|(first, _)| first == *former)) {
        remove.execute(params![epoch, former])?;
    }
    for (first, last) in seen.ranges().filter(|range| !touching.contains(range)) {
        add.execute(params![epoch, first, last])?;
    }
    let at = |seq: i64| upload.scans.start + usize::try_from(seq - first).expect("a scan of the upload");
    Ok(new.into_iter().map(|(first, last)| at(first)..at(last) + 1).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rusqlite::Connection;
    use suikang_schemas::decide::Verdict;
    use suikang_schemas::scan::{Direction, Scan, ScanUpload, Shown};
    use suikang_schemas::{Topic, avro};
    use suikang_stream::{Fold as _, Record};

    use super::super::fold::CountsFold;

    const MINUTE_MS: i64 = 60_000;

    /// A device's scans of these minutes since an evening of 2020, numbered by them.
    fn upload(device: i64, first: i64, count: i64) -> Record {
        let scan = |minute: i64| Scan {
            scanned_at_ms: 1_582_786_800_000 + minute * MINUTE_MS,
            direction: if minute % 2 == 0 { Direction::Entry } else { Direction::Exit },
            shown: Shown::Screen,
            verdict: if minute % 5 == 0 { Verdict::Refuse } else { Verdict::Admit },
            reasons: if minute % 5 == 0 { vec!["fever".to_owned(), "expired".to_owned()] } else { vec![] },
            code_id: None,
            status: None,
            temperature_tenths_celsius: None,
            vehicle: None,
            offline: false,
        };
        let upload = ScanUpload {
            device_epoch: device,
            first_seq: first,
            received_at_ms: 1_582_786_800_000,
            checkpoint: format!("44010600100{}-001-01", device + 1).parse().unwrap(),
            scans: (first..first + count).map(scan).collect(),
        };
        let payload = avro::encode(&upload);
        Record { topic: Topic::Scans, kafka_partition: 0, offset: 0, record_key: vec![], payload, time_ms: 0 }
    }

    /// Every row of every table, and how many scans were counted.
    fn folded(records: &[Record], together: usize) -> (Vec<String>, i64) {
        let (mut fold, mut connection) = (CountsFold::default(), Connection::open_in_memory().unwrap());
        fold.create(&connection).unwrap();
        for records in records.chunks(together) {
            let transaction = connection.transaction().unwrap();
            fold.apply_all(&transaction, records, &mut |_, reason| panic!("{reason}")).unwrap();
            transaction.commit().unwrap();
        }
        let rows = ["entries", "reasons", "fevers", "seen"].map(|table| {
            let mut rows = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
            let columns = rows.column_count();
            let row = |row: &rusqlite::Row<'_>| {
                (0..columns).map(|column| row.get_ref(column).map(|cell| format!("{cell:?}"))).collect()
            };
            let rows = rows.query_map([], row).unwrap().collect::<Result<Vec<Vec<_>>, _>>().unwrap();
            format!("{table}: {rows:?}")
        });
        let counted = connection.query_row("SELECT sum(scans) FROM entries", [], |row| row.get(0)).unwrap();
        (rows.to_vec(), counted)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn each_scan_counts_once_however_many_are_folded_together(
            uploads in proptest::collection::vec((0i64..4, 1i64..300, 1i64..40), 1..25), together in 2usize..25,
        ) {
            let distinct: BTreeSet<_> = uploads.iter().flat_map(|&(device, first, count)| (first..first + count).map(move |seq| (device, seq))).collect();
            let records: Vec<_> = uploads.into_iter().map(|(device, first, count)| upload(device, first, count)).collect();
            let (one_by_one, counted) = folded(&records, 1);
            prop_assert_eq!(counted, i64::try_from(distinct.len()).unwrap());
            prop_assert_eq!(folded(&records, together), (one_by_one, counted));
        }
    }
}
