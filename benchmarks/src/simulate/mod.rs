//! A city that lives: residents declare, families and staff declare for others, people pass gates, some with a fever, some without a code.
//!
//! Everything that happens is drawn from one seed, so a run can be had again: who lives where, who is ill, who passes which gate when. What
//! the server answers (ids, codes) is its own. Times of scans follow the day's curve; the wall clock decides only how fast requests leave.

pub mod account;
pub mod city;
pub mod client;
pub mod curve;
pub mod gate;
pub mod resident;
mod run;

pub use account::{Account, Promises};
pub use client::{Client, Mint};
pub use resident::{Resident, Residents};
pub use run::{Plan, Speed, run};
