//! Dead letters: records that a reader could not use, set aside so that the partition goes on.

use serde::{Deserialize, Serialize};

use crate::avro::Event;
use crate::declaration::Sealed;

/// The largest payload that a letter holds, in bytes: sealed, and with what else a letter says, it must fit into a record. Of a larger one
/// the letter says only where it lies.
pub const MOST_SEALED: usize = (1 << 20) - 4 * 1024;

/// Where the record lies and why it failed. Nothing personal stands in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// A topic's short name.
    pub topic: String,
    /// The record's partition.
    pub kafka_partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// Which stage failed on it.
    pub reader: String,
    /// A fixed word, such as the text of [`crate::avro::DecodeError`].
    pub reason: String,
    /// In milliseconds since 1970.
    #[serde(rename = "failed_at")]
    pub failed_at_ms: i64,
    /// The record's payload, if a seal key was known and it isn't larger than [`MOST_SEALED`].
    pub sealed: Option<Sealed>,
}

impl Event for DeadLetter {
    const NAME: &'static str = "DeadLetter";
}
