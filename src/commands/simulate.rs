//! `suikang simulate`: a city through HTTP.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use suikang_benchmarks::simulate::{self, Client, Mint, Plan, Speed};
use suikang_registry::Caller;
use suikang_registry::tokens::TokenKey;
use tokio_util::sync::CancellationToken;

use super::{now_ms, unlock};
use crate::config::Config;

/// How long the tokens of a simulation live.
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3600);

#[derive(Debug, clap::Args)]
pub(crate) struct SimulateArgs {
    /// Where the doors are; more than one are taken in turn.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8020")]
    door: Vec<String>,
    /// Residents who declare; without a number, until Ctrl-C.
    #[arg(long)]
    declarations: Option<u64>,
    /// Scans at gates; without a number, until Ctrl-C.
    #[arg(long)]
    scans: Option<u64>,
    /// The same seed draws the same people and the same day.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// `max`, or so many times the pace of a town of 100,000.
    #[arg(long, default_value = "10", value_parser = parse_speed)]
    speed: Speed,
    /// Share of requests that are sent twice, as a phone with a bad network does.
    #[arg(long, default_value_t = 0.01)]
    twice: f64,
    /// Write the closing account here too, as JSON.
    #[arg(long, value_name = "FILE")]
    account: Option<PathBuf>,
}

pub(crate) async fn run(config: &Config, args: SimulateArgs) -> anyhow::Result<()> {
    anyhow::ensure!((0.0..=1.0).contains(&args.twice), "--twice is a share between 0 and 1");
    let client = Client::new(args.door, mint(config)?)?;
    let plan = Plan {
        declarations: args.declarations,
        scans: args.scans,
        seed: args.seed,
        speed: args.speed,
        twice: args.twice,
        late: 0.0,
        keep: false,
        progress: true,
    };
    let stop = CancellationToken::new();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            let _ = tokio::signal::ctrl_c().await;
            stop.cancel();
        }
    });
    let account = simulate::run(plan, client, stop).await;
    println!("{account}");
    if let Some(file) = args.account {
        std::fs::write(&file, serde_json::to_vec_pretty(&account)?)?;
    }
    anyhow::ensure!(account.requests_failed == 0, "{} requests were given up", account.requests_failed);
    Ok(())
}

/// Tokens for everyone in the simulation, from the token key of this configuration.
pub(crate) fn mint(config: &Config) -> anyhow::Result<Mint> {
    let token_key = TokenKey::load(&config.keys_dir, &unlock(config))?;
    Ok(Arc::new(move |role, area, login| {
        let role = role.parse().expect("the simulation knows the roles");
        token_key.mint(&Caller { role, area: area.clone(), login: login.to_owned() }, now_ms(), TOKEN_LIFE)
    }))
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    match text {
        "max" => Ok(Speed::Max),
        _ => match text.parse() {
            Ok(times) if times > 0.0 && f64::is_finite(times) => Ok(Speed::Times(times)),
            _ => Err("max, or a number above 0".to_owned()),
        },
    }
}
