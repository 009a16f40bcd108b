//! The same totals from four sides: clients, log, SQL, districts' summaries.

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::Value;

use super::City;
use crate::simulate::{Account, Client};
use crate::walk::mint;

/// What readers see.
#[derive(Debug, Clone, Serialize)]
pub struct Sums {
    /// `SELECT count(*)` over scans: lake and tail.
    pub sql_scans: i64,
    /// The same over distinct identities.
    pub sql_distinct_scans: i64,
    /// Issued outcomes.
    pub sql_issued: i64,
    /// Scans in the summaries of all districts.
    pub summary_scans: i64,
    /// Standing codes in the summaries of all districts.
    pub summary_codes: i64,
    /// Districts that were asked.
    pub districts: usize,
}

impl Sums {
    /// Asks SQL and every district's summary.
    ///
    /// # Errors
    /// If a question isn't answered.
    pub async fn collect(city: &City) -> anyhow::Result<Self> {
        let client = Client::new(vec![city.reader()], mint(&city.keys())?)?;
        let sql = async |query: &str| -> anyhow::Result<i64> {
            let answer = client.sql(query).await?;
            answer["rows"][0]["n"].as_i64().with_context(|| format!("no count in {answer}"))
        };
        let mut sums = Self {
            sql_scans: sql("SELECT count(*) AS n FROM scans").await?,
            sql_distinct_scans: sql("SELECT count(*) AS n FROM (SELECT DISTINCT device_epoch, seq FROM scans)").await?,
            sql_issued: sql("SELECT count(*) AS n FROM outcomes WHERE result = 'issued'").await?,
            summary_scans: 0,
            summary_codes: 0,
            districts: 0,
        };
        // A run may cross the city's midnight.
        let city = chrono::FixedOffset::east_opt(8 * 3600).expect("an offset");
        let yesterday = chrono::Utc::now().with_timezone(&city).date_naive() - chrono::Days::new(1);
        for place in suikang_registry::seed::places() {
            if place.area.level() != suikang_schemas::area::Level::District {
                continue;
            }
            let summary: Value = client
                .get(
                    &format!("/v1/districts/{}/summary?from={yesterday}", place.area),
                    ("district_analyst", &place.area, "walk"),
                )
                .await?
                .error_for_status()?
                .json()
                .await?;
            let total =
                |counts: &Value| counts.as_object().into_iter().flatten().filter_map(|(_, n)| n.as_i64()).sum::<i64>();
            sums.summary_scans += total(&summary["verdicts"]);
            sums.summary_codes += total(&summary["status"]);
            sums.districts += 1;
        }
        Ok(sums)
    }

    /// Compares all sides.
    ///
    /// # Errors
    /// With the first pair that differs.
    pub fn agree_with(&self, account: &Account, reconciliation: &Value) -> anyhow::Result<()> {
        let log = |part: &str, name: &str| {
            reconciliation
                .pointer(part)
                .and_then(|part| part[name].as_i64())
                .with_context(|| format!("no {part}/{name}"))
        };
        let promised = i64::try_from(account.scans)?;
        let rows = log("/lake/scans", "rows")?;
        for (what, left, right) in [
            ("scans promised = distinct in the log", promised, log("/scans", "distinct")?),
            ("scans distinct in the log = rows of the lake", log("/scans", "distinct")?, rows),
            ("rows of the lake = SQL", rows, self.sql_scans),
            ("SQL = SQL distinct", self.sql_scans, self.sql_distinct_scans),
            ("SQL = districts' summaries", self.sql_scans, self.summary_scans),
            (
                "outcomes that count = rows of the lake",
                log("/declarations", "issued")? + log("/declarations", "rejected")?,
                log("/lake/outcomes", "rows")?,
            ),
            ("issued in the log = SQL", log("/declarations", "issued")?, self.sql_issued),
            ("conflicts", i64::try_from(account.scans_conflict)?, 0),
            ("districts", i64::try_from(self.districts)?, 11),
        ] {
            ensure!(left == right, "{what}: {left} is not {right}");
        }
        let ruled = u64::try_from(log("/declarations", "issued")? + log("/declarations", "rejected")?)?;
        ensure!(
            (account.declarations..=account.declarations + account.unpromised).contains(&ruled),
            "declarations promised = issued + rejected: {} (or up to {} more) is not {ruled}",
            account.declarations,
            account.unpromised
        );
        Ok(())
    }
}
