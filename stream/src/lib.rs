//! The log: append, read, positions; and views, which are folds of it.
//!
//! Two logs stand behind one interface: Kafka for a city, a SQLite file for a laptop or a small site. What the stages rely on is written at
//! [`Log`], and one suite of tests holds both to it.

pub mod config;
pub mod log;
pub mod topics;

mod file_log;
mod group_lag;
mod kafka_log;
mod metrics;
mod partitioner;

pub mod readiness;
pub mod view;

#[cfg(feature = "testing")]
pub mod testing;

pub use config::{Access, LogConfig, OpenError, open};
pub use log::{
    AppendError, Extent, GroupEvent, GroupReader, Log, NewRecord, NextOffsets, Position, ReadError, Reader, Record,
};
pub use partitioner::partition_of;
pub use readiness::Readiness;
pub use topics::{TopicDescription, TopicsError};
pub use view::{Fold, FoldError, Positions, View, ViewError};
