//! Where in a topic a moment lies: for each partition the first record that is not older, by bisection.
//!
//! Append times ascend within a partition except for small steps back, so the place found may be off by those; whoever asks wants about
//! a day, not a record.

use std::time::Duration;

use futures::future::try_join_all;
use suikang_schemas::Topic;
use suikang_stream::{Extent, Log, NextOffsets, ReadError};

/// How long a record that is there may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// The offsets at which to start in order to see everything appended since `time_ms`.
pub(crate) async fn since(log: &dyn Log, topic: Topic, time_ms: i64) -> Result<NextOffsets, ReadError> {
    let extents = log.extents(topic).await?;
    let places = extents.into_iter().map(|(kafka_partition, extent)| async move {
        Ok((kafka_partition, bisect(log, topic, kafka_partition, extent, time_ms).await?))
    });
    Ok(try_join_all(places).await?.into_iter().collect())
}

async fn bisect(
    log: &dyn Log,
    topic: Topic,
    kafka_partition: i32,
    extent: Extent,
    time_ms: i64,
) -> Result<i64, ReadError> {
    let Extent { start: mut low, next: mut high } = extent;
    // Where all that is retained is young enough, which is usual, one look does.
    let mut look_at = low;
    while low < high {
        match time_at(log, topic, kafka_partition, look_at).await? {
            Some(time) if time < time_ms => low = look_at + 1,
            // Young enough, or none: nothing that is sought comes after.
            _ => high = look_at,
        }
        look_at = low + (high - low) / 2;
    }
    Ok(low)
}

async fn time_at(log: &dyn Log, topic: Topic, kafka_partition: i32, offset: i64) -> Result<Option<i64>, ReadError> {
    let mut reader = log.read(topic, NextOffsets::from([(kafka_partition, offset)])).await?;
    Ok(reader.next(1, PATIENCE).await?.first().map(|record| record.time_ms))
}
