//! `make walk`: the whole system as processes on a real Kafka, some of them killed on the way, every sum compared at the end.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use suikang_benchmarks::binary::binary;
use suikang_benchmarks::walk::{Walk, walk};
use suikang_stream::testing::Broker;

/// Start Kafka and every stage, send a city through it, kill some of them on the way, and compare all sums.
#[derive(Debug, Parser)]
struct Arguments {
    /// Residents who declare.
    #[arg(long, default_value_t = 10_000)]
    declarations: u64,
    /// Scans at gates.
    #[arg(long, default_value_t = 50_000)]
    scans: u64,
    /// How often an issuer, the writer and a door are killed, each.
    #[arg(long, default_value_t = 1)]
    kills: usize,
    /// How often the broker is killed and started again.
    #[arg(long, default_value_t = 0)]
    broker_restarts: usize,
    /// The run can be had again with it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// `kafka` or `file`.
    #[arg(long, default_value = "kafka")]
    log: String,
    /// The binary to run, instead of the one beside this program.
    #[arg(long)]
    suikang: Option<PathBuf>,
    /// Keep everything in this folder instead of a temporary one.
    #[arg(long)]
    keep: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("walk: FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let mut broker = match arguments.log.as_str() {
        "kafka" => {
            eprintln!("walk: starting Kafka");
            Some(Broker::start().await)
        }
        "file" => None,
        other => anyhow::bail!("--log is kafka or file, not {other}"),
    };
    let plan = Walk {
        suikang: binary(arguments.suikang.clone())?,
        folder: arguments.keep.clone().unwrap_or_else(|| temporary.path().join("city")),
        declarations: arguments.declarations,
        scans: arguments.scans,
        seed: arguments.seed,
        kills: arguments.kills,
        broker_restarts: arguments.broker_restarts,
        progress: true,
    };
    let walked = walk(&plan, broker.as_mut()).await?;
    println!("{}\n\n{}", walked.account, serde_json::to_string_pretty(&(&walked.sums, &walked.found))?);
    println!("\nwalk: every sum agrees after {} blows; every acknowledged id is on the log", walked.blows);
    Ok(())
}
