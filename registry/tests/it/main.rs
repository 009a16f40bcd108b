//! The registry and its neighbours on a real log.

mod codes;
mod commands;
mod json_body;
mod nodes;
mod people;
mod seed;
mod tokens;
