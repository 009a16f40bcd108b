//! The closing account of a run: what was sent, what was acknowledged, what was answered. Reconciliation compares it with the log.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What was acknowledged, by its identity, to be looked for on the log.
#[derive(Debug, Default, Clone)]
pub struct Promises {
    /// Declarations.
    pub declarations: Vec<String>,
    /// Scans: device epoch, first number, how many.
    pub scans: Vec<(i64, i64, i64)>,
}

/// Everything one run did. Counts are of acknowledged requests unless they say otherwise.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Account {
    /// The run's seed.
    pub seed: u64,
    /// Declarations that a door acknowledged, each counted once.
    pub declarations: u64,
    /// Of these, sent a second time on purpose.
    pub declarations_sent_twice: u64,
    /// Of these, answered by another id than at first: must be none.
    pub answered_differently: u64,
    /// Answered by a problem, by its type: those that got no code, and those that were not acknowledged at all.
    pub declarations_refused: BTreeMap<String, u64>,
    /// Codes received, by status.
    pub codes: BTreeMap<String, u64>,
    /// Scans acknowledged as accepted, each counted once (uploads and checks together).
    pub scans: u64,
    /// Scans acknowledged again when they were sent a second time.
    pub scans_duplicate: u64,
    /// Scans acknowledged as conflicts: must be none.
    pub scans_conflict: u64,
    /// Scans by verdict.
    pub verdicts: BTreeMap<String, u64>,
    /// Requests sent again after 429, 503 or a broken connection.
    pub requests_retried: u64,
    /// Declarations whose last answer promised nothing, though they may be on the log.
    pub unpromised: u64,
    /// Requests given up.
    pub requests_failed: u64,
    /// Uploads that were sent after later ones of the same device.
    pub uploads_late: u64,
    /// What was acknowledged, where the plan wants it kept.
    #[serde(skip)]
    pub promises: Promises,
    /// How long the run took, in seconds.
    pub elapsed_s: f64,
    /// Latency of declarations with their code, in milliseconds: median, 99th percentile.
    pub declaration_ms: [f64; 2],
    /// Latency of uploads, in milliseconds: median, 99th percentile.
    pub upload_ms: [f64; 2],
}

impl Account {
    /// Adds one to a named count.
    pub fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
        *counts.entry(name.to_owned()).or_default() += 1;
    }
}

/// Median and 99th percentile in milliseconds; zeros for none.
pub fn percentiles_ms(latencies: &mut [Duration]) -> [f64; 2] {
    latencies.sort_unstable();
    [0.50, 0.99].map(|share| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the slice")]
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 latencies")]
        let rank = (latencies.len() as f64 * share) as usize;
        latencies.get(rank).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    })
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, u64>| {
            let texts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
        };
        writeln!(f, "seed                   {}", self.seed)?;
        writeln!(
            f,
            "declarations           {} acknowledged, {} of them sent twice, {} of those answered by another id",
            self.declarations, self.declarations_sent_twice, self.answered_differently
        )?;
        writeln!(f, "  codes                {}", list(&self.codes))?;
        writeln!(f, "  refused              {}", list(&self.declarations_refused))?;
        writeln!(
            f,
            "  with code            median {:.1} ms, p99 {:.1} ms",
            self.declaration_ms[0], self.declaration_ms[1]
        )?;
        writeln!(
            f,
            "scans                  {} accepted, {} duplicates, {} conflicts",
            self.scans, self.scans_duplicate, self.scans_conflict
        )?;
        writeln!(f, "  verdicts             {}", list(&self.verdicts))?;
        writeln!(f, "  per upload           median {:.1} ms, p99 {:.1} ms", self.upload_ms[0], self.upload_ms[1])?;
        writeln!(f, "  late                 {} uploads after later ones of their device", self.uploads_late)?;
        writeln!(f, "requests sent again    {}, given up {}", self.requests_retried, self.requests_failed)?;
        write!(f, "elapsed                {:.1} s", self.elapsed_s)
    }
}
