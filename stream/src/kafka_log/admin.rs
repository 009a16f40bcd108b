//! Topics at the broker: created once, described as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use suikang_schemas::Topic;

use super::{PATIENCE, unreadable};
use crate::config::{Access, LogConfig, OpenError};
use crate::log::{Extent, ReadError};
use crate::topics::{TopicDescription, TopicsError};

/// Creates topics that are missing, if asked for; refuses those with another number of partitions.
pub(super) async fn ensure_topics(
    client: &ClientConfig,
    asker: &Arc<BaseConsumer>,
    config: &Arc<LogConfig>,
    access: Access,
) -> Result<(), OpenError> {
    let (brokers, there) = topics_there(asker, config).await?;
    let missing: Vec<_> = Topic::ALL.into_iter().filter(|topic| !there.contains_key(topic)).collect();
    for (&topic, &partitions) in &there {
        let asked = config.partitions_of(topic);
        if partitions != asked {
            return Err(TopicsError::Partitions { topic, there: partitions, asked }.into());
        }
    }
    match (access, missing.first()) {
        (_, None) => Ok(()),
        (Access::ReadOnly, Some(topic)) => {
            Err(OpenError::Broker(format!("no topic {}; run `suikang topics create`", config.physical_name(*topic))))
        }
        (Access::Write, Some(_)) => {
            create(client, config, &missing, brokers).await?;
            // The answer to a creation may come before every partition has a leader.
            for _ in 0..100 {
                if topics_there(asker, config).await?.1.len() == Topic::ALL.len() && have_leaders(asker, config).await {
                    return Ok(());
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            Err(OpenError::Broker("topics were created but do not appear".to_owned()))
        }
    }
}

/// How many brokers there are, and the partitions of those of our topics that exist.
async fn topics_there(
    asker: &Arc<BaseConsumer>,
    config: &Arc<LogConfig>,
) -> Result<(usize, BTreeMap<Topic, i32>), OpenError> {
    let (asker, config) = (Arc::clone(asker), Arc::clone(config));
    let asked = tokio::task::spawn_blocking(move || {
        let metadata = asker.fetch_metadata(None, PATIENCE)?;
        let there = Topic::ALL
            .into_iter()
            .filter_map(|topic| {
                let name = config.physical_name(topic);
                let found =
                    metadata.topics().iter().find(|found| found.name() == name && !found.partitions().is_empty())?;
                Some((topic, i32::try_from(found.partitions().len()).ok()?))
            })
            .collect();
        Ok::<_, rdkafka::error::KafkaError>((metadata.brokers().len(), there))
    })
    .await;
    asked
        .map_err(|_| OpenError::Broker("a thread broke".to_owned()))?
        .map_err(|error| OpenError::Broker(format!("{error}; is it running, and is log.url right?")))
}

async fn have_leaders(asker: &Arc<BaseConsumer>, config: &Arc<LogConfig>) -> bool {
    let (asker, config) = (Arc::clone(asker), Arc::clone(config));
    let asked = tokio::task::spawn_blocking(move || {
        Topic::ALL.into_iter().all(|topic| {
            let name = config.physical_name(topic);
            (0..config.partitions_of(topic)).all(|partition| asker.fetch_watermarks(&name, partition, PATIENCE).is_ok())
        })
    });
    asked.await.unwrap_or(false)
}

async fn create(client: &ClientConfig, config: &LogConfig, topics: &[Topic], brokers: usize) -> Result<(), OpenError> {
    let broker = |error: rdkafka::error::KafkaError| OpenError::Broker(error.to_string());
    let admin: AdminClient<DefaultClientContext> = client.create().map_err(broker)?;
    let replicas = if brokers >= 3 { 3 } else { 1 };
    let in_sync = if brokers >= 3 { "2" } else { "1" };
    let names: Vec<_> = topics
        .iter()
        .map(|&topic| (topic, config.physical_name(topic), config.retention_ms_of(topic).to_string()))
        .collect();
    let new: Vec<_> = names
        .iter()
        .map(|(topic, name, retention_ms)| {
            NewTopic::new(name, config.partitions_of(*topic), TopicReplication::Fixed(replicas))
                .set("retention.ms", retention_ms)
                .set("min.insync.replicas", in_sync)
                .set("cleanup.policy", "delete")
                // The largest record that is taken, and what its frame adds.
                .set("max.message.bytes", "1114112")
                // The log says when a record came, whatever its producer's clock says.
                .set("message.timestamp.type", "LogAppendTime")
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
    for created in admin.create_topics(&new, &options).await.map_err(broker)? {
        match created {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(OpenError::Broker(format!("cannot create {name}: {code}"))),
        }
    }
    Ok(())
}

/// The topic as the broker has it.
pub(super) async fn describe(
    client: &ClientConfig,
    config: &LogConfig,
    topic: Topic,
    extents: BTreeMap<i32, Extent>,
) -> Result<TopicDescription, ReadError> {
    let name = config.physical_name(topic);
    let admin: AdminClient<DefaultClientContext> = client.create().map_err(|error| unreadable(&error))?;
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let described = admin
        .describe_configs([&ResourceSpecifier::Topic(&name)], &options)
        .await
        .map_err(|error| unreadable(&error))?;
    let resource: ConfigResource = described
        .into_iter()
        .next()
        .ok_or_else(|| ReadError::Fatal(format!("no topic {name}")))?
        .map_err(|code| ReadError::Fatal(format!("cannot describe {name}: {code}")))?;
    let number = |property: &str| -> Option<i64> { resource.get(property)?.value.as_ref()?.parse().ok() };
    let replicas = replicas(client, &name).await?;
    let min_in_sync = number("min.insync.replicas").and_then(|n| i32::try_from(n).ok()).unwrap_or(1);
    Ok(TopicDescription {
        topic,
        partitions: i32::try_from(extents.len()).unwrap_or(i32::MAX),
        replicas,
        min_in_sync,
        retention_ms: number("retention.ms").unwrap_or(-1),
        survives_power_cut: survives_power_cut(replicas, min_in_sync, number("flush.messages")),
        name,
        extents,
    })
}

/// Whether what was acknowledged survives a power cut of one machine: it is on the disk, or in another machine's memory as well.
fn survives_power_cut(replicas: i32, min_in_sync: i32, flush_messages: Option<i64>) -> bool {
    flush_messages == Some(1) || (replicas > 1 && min_in_sync > 1)
}

async fn replicas(client: &ClientConfig, name: &str) -> Result<i32, ReadError> {
    let (client, name) = (client.clone(), name.to_owned());
    let asked = tokio::task::spawn_blocking(move || {
        let asker: BaseConsumer = client.create()?;
        let metadata = asker.fetch_metadata(Some(&name), PATIENCE)?;
        let replicas =
            metadata.topics().first().and_then(|topic| topic.partitions().first()).map_or(0, |p| p.replicas().len());
        Ok::<_, rdkafka::error::KafkaError>(i32::try_from(replicas).unwrap_or(i32::MAX))
    })
    .await;
    asked.map_err(|_| ReadError::Fatal("a thread broke".to_owned()))?.map_err(|error| unreadable(&error))
}

#[cfg(test)]
mod tests {
    use super::survives_power_cut;

    #[test]
    fn a_power_cut_takes_what_is_in_the_memory_of_one_machine() {
        let never = Some(i64::MAX);
        assert!(survives_power_cut(3, 2, never));
        assert!(!survives_power_cut(3, 1, never), "one copy is enough to acknowledge");
        assert!(!survives_power_cut(1, 2, never), "there is no second copy");
        assert!(survives_power_cut(1, 1, Some(1)), "each record is flushed");
    }
}
