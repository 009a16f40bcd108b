//! The doors: declarations, checks and scans come in over HTTP; records go out to the log. What was answered with 2xx is durable.
//!
//! Invariants: no answer names a value that was sent; nothing personal leaves this process unsealed; a request that is repeated, here or
//! through another node, adds nothing that readers would count twice.

// The routes, then what lies behind each.
mod router;

mod checks;
mod declarations;
mod scans;

// What they share.
mod body;
mod clock;
mod doors;
mod fields;
mod generations;
mod health;
mod limits;
mod log_pace;
mod metrics;
mod plates;
mod readiness;
mod refusals;
mod run;
mod settings;
mod vehicle;
mod wrong;

pub use doors::Doors;
pub use router::router;
pub use run::{StageError, run};
pub use settings::Settings;
