//! Reconciliation: the sums that must agree, counted from the raw log by code that shares nothing with the readers it checks.
//!
//! Over what the topics retain: declarations appended = issued + rejected + duplicate + dead-lettered + pending; and of each table, what the
//! log has that is to have a row = rows + tail. Nothing is remembered between runs.

mod count;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

pub use count::reconcile;

/// The sums.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// Of declarations.
    pub declarations: Declarations,
    /// Of scans.
    pub scans: Scans,
    /// Of the lake, by table.
    pub lake: BTreeMap<&'static str, InLake>,
}

/// Records of declarations, each counted under exactly one of the names below `appended`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Declarations {
    /// Records on the topic.
    pub appended: i64,
    /// Those whose code counts.
    pub issued: i64,
    /// Those that were rejected.
    pub rejected: i64,
    /// Retries of one with a smaller position.
    pub duplicate: i64,
    /// Those that were set aside.
    pub dead_lettered: i64,
    /// Those without an outcome yet.
    pub pending: i64,
}

/// Scans, by their identity: device epoch and number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scans {
    /// On the topic, in all uploads.
    pub uploaded: i64,
    /// Identities among them.
    pub distinct: i64,
    /// The rest.
    pub duplicate: i64,
    /// Uploads that were set aside.
    pub dead_lettered: i64,
    /// Uploads that no row can be made of, and that are not set aside yet.
    pub pending: i64,
}

/// One table of the lake beside the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct InLake {
    /// What the log has that is to have a row.
    pub distinct: i64,
    /// Rows for it.
    pub rows: i64,
    /// Of the distinct, what the table's positions have not passed.
    pub tail: i64,
    /// Of the distinct, what they have passed and has no row.
    pub missing: i64,
    /// Of the distinct, what has more than one.
    pub doubled: i64,
}

impl Reconciliation {
    /// What doesn't add up, in words; nothing if everything does. When all is `drained`, nothing may be left to do either.
    pub fn differences(&self, drained: bool) -> Vec<String> {
        let Declarations { appended, issued, rejected, duplicate, dead_lettered, pending } = self.declarations;
        let mut differences = Vec::new();
        let accounted = issued + rejected + duplicate + dead_lettered + pending;
        if appended != accounted {
            differences.push(format!("declarations: {appended} appended, {accounted} accounted for"));
        }
        for (table, InLake { distinct, rows, tail, missing, doubled }) in &self.lake {
            if *distinct != rows + tail {
                differences.push(format!("{table}: {distinct} distinct, {} in lake and tail", rows + tail));
            }
            // One missing and one doubled would make the sums right.
            if *missing > 0 || *doubled > 0 {
                differences.push(format!("{table}: {missing} without a row, {doubled} with several"));
            }
            if drained && *tail > 0 {
                differences.push(format!("{table}: {tail} not in the lake yet"));
            }
        }
        for (what, pending) in [("declarations", pending), ("uploads", self.scans.pending)] {
            if drained && pending > 0 {
                differences.push(format!("{what}: {pending} pending"));
            }
        }
        differences
    }
}

impl fmt::Display for Reconciliation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Declarations { appended, issued, rejected, duplicate, dead_lettered, pending } = self.declarations;
        let scans = &self.scans;
        writeln!(f, "declarations appended      {appended:>10}")?;
        writeln!(f, "  issued                   {issued:>10}")?;
        writeln!(f, "  rejected                 {rejected:>10}")?;
        writeln!(f, "  duplicate                {duplicate:>10}")?;
        writeln!(f, "  dead-lettered            {dead_lettered:>10}")?;
        writeln!(f, "  pending                  {pending:>10}")?;
        writeln!(f, "scans uploaded             {:>10}", scans.uploaded)?;
        writeln!(f, "  distinct (epoch, seq)    {:>10}", scans.distinct)?;
        writeln!(f, "  duplicate                {:>10}", scans.duplicate)?;
        writeln!(f, "uploads dead-lettered      {:>10}", scans.dead_lettered)?;
        writeln!(f, "uploads pending            {:>10}", scans.pending)?;
        write!(f, "lake                         distinct       rows       tail    missing    doubled")?;
        for (table, InLake { distinct, rows, tail, missing, doubled }) in &self.lake {
            write!(f, "\n  {table:<24} {distinct:>10} {rows:>10} {tail:>10} {missing:>10} {doubled:>10}")?;
        }
        Ok(())
    }
}
