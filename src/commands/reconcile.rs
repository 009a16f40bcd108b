//! `suikang reconcile`: the sums, from the log itself.

use std::process::ExitCode;

use suikang_analytics::reconcile::reconcile;
use suikang_stream::Access;

use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct ReconcileArgs {
    /// Everything must have been issued and written: what is pending counts as a difference.
    #[arg(long)]
    drained: bool,
    /// Print the sums as JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the sums; exits 1 if they differ.
pub(crate) async fn run(config: &Config, args: ReconcileArgs) -> anyhow::Result<ExitCode> {
    let log = suikang_stream::open(&config.log, Access::ReadOnly).await?;
    let sums = reconcile(log.as_ref(), &config.analytics.lake).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&sums)?);
    } else {
        println!("{sums}");
    }
    let differences = sums.differences(args.drained);
    for difference in &differences {
        eprintln!("differs: {difference}");
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
