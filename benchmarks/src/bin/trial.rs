//! One fault at a time, under load, on a real Kafka: what must hold is counted, and a claim that doesn't hold fails the program.
//!
//! ```text
//! cargo build --release --workspace --bins
//! target/release/trial issuers               as often as is enough for the claim
//! target/release/trial issuers --times 3     fewer
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum as _};
use suikang_benchmarks::binary::binary;
use suikang_benchmarks::report::report;
use suikang_benchmarks::trials::{Fault, Stage};

/// Inflict a fault on the real processes under load, and count what must hold.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to inflict; all of them, one after the other, if none is named.
    faults: Vec<Fault>,
    /// How many kills, rounds or requests, instead of enough for the claim.
    #[arg(long)]
    times: Option<usize>,
    /// For how long, where that is what counts.
    #[arg(long)]
    seconds: Option<u64>,
    /// The load, as so many times the pace of a town of 100,000.
    #[arg(long, default_value_t = 200.0)]
    load: f64,
    /// The run can be had again with it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The binary to run, instead of the one beside this program.
    #[arg(long)]
    suikang: Option<PathBuf>,
    /// Keep logs and lake in this folder, to be looked at.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Keep the counts in this folder as well.
    #[arg(long)]
    save: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let faults = if arguments.faults.is_empty() { Fault::value_variants().to_vec() } else { arguments.faults.clone() };
    let mut failed = false;
    for fault in faults {
        if let Err(error) = inflict(fault, &arguments).await {
            eprintln!("trial {}: FAILED: {error:#}", name(fault));
            failed = true;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn inflict(fault: Fault, arguments: &Arguments) -> anyhow::Result<()> {
    let stage = Stage {
        suikang: binary(arguments.suikang.clone())?,
        seed: arguments.seed,
        load: arguments.load,
        keep: arguments.keep.as_ref().map(std::path::absolute).transpose()?,
    };
    let mut amount = fault.usual();
    amount.times = arguments.times.unwrap_or(amount.times);
    amount.time = arguments.seconds.map_or(amount.time, Duration::from_secs);
    let counted = fault.inflict(&stage, amount).await?;
    report(&format!("trial-{}", name(fault)), &counted, arguments.save.as_deref())
}

fn name(fault: Fault) -> String {
    fault.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
