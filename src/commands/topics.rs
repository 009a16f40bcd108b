//! `suikang topics …`: the topics of the log as they are.

use suikang_schemas::Topic;
use suikang_stream::Access;

use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum TopicsCommand {
    /// Create the topics that are missing; refuses those that have another number of partitions
    Create,
    /// Show partitions, copies, retention and how much there is
    Describe,
}

pub(crate) async fn run(config: &Config, command: TopicsCommand) -> anyhow::Result<()> {
    let access = match command {
        TopicsCommand::Create => Access::Write,
        TopicsCommand::Describe => Access::ReadOnly,
    };
    let log = suikang_stream::open(&config.log, access).await?;
    println!(
        "{:<28} {:>10} {:>7} {:>14} {:>12} {:>12}",
        "topic", "partitions", "copies", "retention", "start", "records"
    );
    let mut exposed = false;
    for topic in Topic::ALL {
        let described = log.describe(topic).await?;
        let records: i64 = described.extents.values().map(|extent| extent.next - extent.start).sum();
        let start: i64 = described.extents.values().map(|extent| extent.start).sum();
        println!(
            "{:<28} {:>10} {:>7} {:>12} h {:>12} {:>12}",
            described.name,
            described.partitions,
            described.replicas,
            described.retention_ms / 3_600_000,
            start,
            records
        );
        exposed |= !described.survives_power_cut;
    }
    if exposed {
        println!(
            "\nA power cut of the broker's machine may take what it has acknowledged: use three brokers, or set flush.messages=1."
        );
    }
    Ok(())
}
