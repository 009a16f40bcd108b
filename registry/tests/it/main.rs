//! The registry and its neighbours on a real log.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod codes;
mod commands;
mod json_body;
mod nodes;
mod people;
mod seed;
mod tokens;
