//! `suikang`: every stage of the system and its tools in one binary.
//!
//! Reading order: [`cli`] is what can be asked for, [`config`] what can be configured, [`stages`] starts and stops the parts that serve,
//! `commands` holds the tools that run and end.

mod cli;
mod commands;
mod config;
mod demo;
mod operations;
mod room;
mod serve;
mod services;
mod stages;
mod telemetry;

use std::process::ExitCode;

use clap::Parser as _;

/// Why not the C library's: docs/adr/011-the-allocator.md.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli::run(cli::Cli::parse())) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
