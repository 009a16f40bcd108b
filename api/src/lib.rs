//! Everything that reads: outcomes and codes, keys, summaries, SQL, pages.
//!
//! Requests come in with a bearer token (pages, keys and verification without), answers come out of views in SQLite, of the lake joined
//! with the tail, or of the registry's snapshot. Nothing here writes but the audit and the vault, which publishes the keys that doors seal to.

pub mod router;
pub mod settings;
pub mod state;

// Answers, in the order of the router.
mod declarations;
mod districts;
mod keys;
pub mod openapi;
mod overview;
mod pages;
mod sql;
mod verify;

// What stands behind them.
pub mod audit;
mod dates;
mod metrics;
mod segment;
pub mod vault;

pub use router::router;
pub use settings::Settings;
pub use state::ApiState;
pub use vault::Vault;
