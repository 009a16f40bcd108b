//! The log: append, read, positions.

#![expect(missing_docs, reason = "under construction")]
pub mod log;

pub use log::{
    AppendError, Extent, GroupEvent, GroupReader, Log, NewRecord, NextOffsets, Position, ReadError, Reader, Record,
};
