//! The doors in process, on the embedded log, with the real registry, keys and issuer.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod batch;
mod bodies;
mod checks;
mod city;
mod declarations;
mod exchange;
mod forms;
mod idempotency;
mod interrupted_log;
mod outcomes;
mod rights;
mod scans;
mod wrong_fields;
