//! The reading side in process, on the embedded log, with the real registry, keys, views and SQL. Modules mirror the routes.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

// What they stand on.
mod city;
mod exchange;
mod mute_log;

// The routes, in the order of the router.
mod declarations;
mod overview;
mod sql;
mod summary;
mod verifiers;

// What holds for all of them.
mod audit;
mod openapi;
mod rights;
mod vault;
