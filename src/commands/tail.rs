//! `suikang tail TOPIC`: records as JSON lines, sealed fields as sealed.

use std::time::Duration;

use serde_json::{Map, Value, json};
use suikang_schemas::Topic;
use suikang_schemas::json::to_json;
use suikang_stream::{Access, NextOffsets};

use crate::config::Config;

#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// declarations, codes, scans, registry, audit, notices or dead-letters.
    #[arg(value_parser = parse_topic)]
    topic: Topic,
    /// Begin with the oldest record instead of the last ten of each partition.
    #[arg(long)]
    from_start: bool,
    /// Go on as records come, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// End after this many records.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

pub(crate) async fn run(config: &Config, args: TailArgs) -> anyhow::Result<()> {
    let log = suikang_stream::open(&config.log, Access::ReadOnly).await?;
    let extents = log.extents(args.topic).await?;
    let from: NextOffsets = extents
        .iter()
        .map(|(&kafka_partition, extent)| {
            (kafka_partition, if args.from_start { extent.start } else { extent.start.max(extent.next - 10) })
        })
        .collect();
    let there: i64 = extents.iter().map(|(kafka_partition, extent)| extent.next - from[kafka_partition]).sum();
    let there = usize::try_from(there)?;
    let mut left = args.limit.unwrap_or(usize::MAX).min(if args.follow { usize::MAX } else { there });
    let mut reader = log.read(args.topic, from).await?;
    while left > 0 {
        for record in reader.next(500, Duration::from_secs(1)).await?.into_iter().take(left) {
            left -= 1;
            let mut line = Map::new();
            line.insert("kafka_partition".to_owned(), record.kafka_partition.into());
            line.insert("offset".to_owned(), record.offset.into());
            line.insert("time_ms".to_owned(), record.time_ms.into());
            let (name, value) = match to_json(&record.payload) {
                Ok((event, value)) => (event, value),
                Err(error) => ("unreadable", json!({"reason": error.to_string(), "bytes": record.payload.len()})),
            };
            line.insert(name.to_owned(), value);
            println!("{}", Value::Object(line));
        }
    }
    Ok(())
}

fn parse_topic(text: &str) -> Result<Topic, String> {
    Topic::from_short_name(text).ok_or_else(|| {
        let names: Vec<_> = Topic::ALL.iter().map(|topic| topic.short_name()).collect();
        format!("no such topic; there are {}", names.join(", "))
    })
}
