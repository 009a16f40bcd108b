//! What the system costs and how fast it is, beside what nobody can beat. Optimized builds only.
//!
//! ```text
//! cargo build --release --workspace --bins
//! target/release/bench flow       each stage on a real Kafka: door, issuer, gateway, writer, freshness
//! target/release/bench history    a history of scans: the writer at size, restarts, summaries, ten questions beside DuckDB
//!                       … --save benchmarks/results
//! ```

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use suikang_benchmarks::binary::binary;
use suikang_benchmarks::measure::servers::{self, Before};
use suikang_benchmarks::measure::{flow, history};
use suikang_benchmarks::report::report;

/// The floors have what the system has.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measure what the system costs, beside what nobody can beat.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// The binary to run, instead of the one beside this program.
    #[arg(long, global = true)]
    suikang: Option<PathBuf>,
    /// What is drawn follows from it.
    #[arg(long, default_value_t = 1, global = true)]
    seed: u64,
    /// Keep the figures in this folder as well.
    #[arg(long, global = true)]
    save: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Each stage by itself: door, issuer, gateway, writer, freshness
    Flow {
        /// People who declare and renew.
        #[arg(long, default_value_t = 5_000)]
        people: usize,
        /// Renewals that are measured.
        #[arg(long, default_value_t = 60_000)]
        renewals: u64,
        /// Checks at thin gates that are measured, 2,000 a second.
        #[arg(long, default_value_t = 30_000)]
        checks: u64,
        /// Uploads that are measured.
        #[arg(long, default_value_t = 20_000)]
        uploads: u64,
        /// Scans in each.
        #[arg(long, default_value_t = 100)]
        scans: usize,
        /// Single scans that are looked for in SQL.
        #[arg(long, default_value_t = 300)]
        looks: usize,
    },
    /// A history of scans, restarts, summaries, ten questions beside DuckDB
    History {
        /// How many.
        #[arg(long, default_value_t = 11_000_000)]
        scans: u64,
        /// Days over which they are spread.
        #[arg(long, default_value_t = 2)]
        days: u32,
        /// How often each question is put.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Keep log and lake in this folder.
        #[arg(long)]
        keep: Option<PathBuf>,
    },
    /// Answer every request alike; the flow starts it as its floor
    #[command(hide = true)]
    ServeAlike {
        /// Host and port.
        address: String,
        /// Answer once this broker has acknowledged the body.
        #[arg(long, requires = "linger_ms")]
        broker: Option<String>,
        /// How long its record waits for company.
        #[arg(long)]
        linger_ms: Option<String>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { what, suikang, seed, save } = Arguments::parse();
    if let What::ServeAlike { address, broker, linger_ms } = &what {
        let acknowledged = broker.as_deref().zip(linger_ms.as_deref());
        let before = acknowledged.map_or(Before::Nothing, |(url, linger_ms)| Before::Acknowledged { url, linger_ms });
        return servers::serve_alike(address, before).await;
    }
    if cfg!(debug_assertions) {
        eprintln!("bench: an unoptimized build measures nothing but itself: build it with --release");
    }
    let suikang = binary(suikang)?;
    let (name, figures) = match what {
        What::Flow { people, renewals, checks, uploads, scans, looks } => {
            let plan = flow::Plan { suikang, people, renewals, checks, uploads, scans, looks, seed };
            ("flow".to_owned(), flow::flow(&plan).await?)
        }
        What::History { scans, days, rounds, keep } => {
            let plan = history::Plan { suikang, scans, days, rounds, seed, keep };
            (format!("history-{}m", scans / 1_000_000), history::history(&plan).await?)
        }
        What::ServeAlike { .. } => unreachable!("served above"),
    };
    report(&name, &figures, save.as_deref())
}
