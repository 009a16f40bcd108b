//! The log becomes a lake, and both are read as one: rows, SQL, counts for summaries, reconciliation.
//!
//! ```text
//! log ──► rows (each scan and declaration once) ──► writer ──► Delta: files and positions in one commit
//!  └────► tail (what the lake doesn't have yet) ───┐                    │
//!                                                  └──► cut ◄───────────┘ ──► SQL
//! ```

// From records to rows.
pub mod pseudonym;
pub mod rows;
pub mod seen;
pub mod tables;

mod partition;

// From rows to the lake.
pub mod lake;
pub mod writer;

// Lake and tail as one.
pub mod cut;
pub mod sql;

// Standing counts.
pub mod counts;

pub mod reconcile;

mod fail_points;
mod metrics;
mod settings;

pub use settings::Settings;
