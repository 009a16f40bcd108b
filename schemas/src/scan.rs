//! Scans: what a checkpoint keeps of a check, whoever decided it. No name, no number, no picture.

use serde::{Deserialize, Serialize};

use crate::area::AreaCode;
use crate::avro::{Event, raw};
use crate::decide::Verdict;
use crate::ids::CodeId;
use crate::status::Status;

mod body;

/// The most scans that one upload may hold.
pub const MAX_SCANS_PER_UPLOAD: usize = 500;

/// Consecutive scans of one device at one checkpoint. The scan at index `i` has the number `first_seq + i`;
/// `(device_epoch, seq)` is its identity for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanUpload {
    /// [`crate::DeviceEpoch::to_i64`].
    pub device_epoch: i64,
    /// The number of the first scan; a device counts from 1.
    pub first_seq: i64,
    /// When the door accepted the upload, in milliseconds since 1970.
    #[serde(rename = "received_at")]
    pub received_at_ms: i64,
    /// The gate.
    pub checkpoint: AreaCode,
    /// 1 to [`MAX_SCANS_PER_UPLOAD`].
    pub scans: Vec<Scan>,
}

impl Event for ScanUpload {
    const NAME: &'static str = "ScanUpload";

    fn put_body(&self, bytes: &mut Vec<u8>) {
        body::put_upload(bytes, self);
    }
}

/// One person, or one head of a vehicle, at a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// By the device's clock, in milliseconds since 1970.
    #[serde(rename = "scanned_at")]
    pub scanned_at_ms: i64,
    /// In or out.
    pub direction: Direction,
    /// How the code was shown.
    pub shown: Shown,
    /// What was decided.
    pub verdict: Verdict,
    /// Texts of [`crate::decide::Reason`].
    pub reasons: Vec<String>,
    /// The code's identity, if one could be read.
    #[serde(with = "raw::option")]
    pub code_id: Option<CodeId>,
    /// The code's status, if it verified.
    pub status: Option<Status>,
    /// Tenths of a degree Celsius, if taken.
    pub temperature_tenths_celsius: Option<i32>,
    /// The vehicle one sat in.
    pub vehicle: Option<Vehicle>,
    /// Decided without network.
    pub offline: bool,
}

/// In or out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into the community.
    Entry,
    /// Out of it.
    Exit,
}

/// How a code was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// On the holder's own screen.
    Screen,
    /// On paper.
    Paper,
    /// On the screen of someone who came along.
    Companion,
    /// Not at all.
    None,
}

/// A vehicle is one group of scans: as many codes as heads, or the missing ones recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Vehicle {
    /// The number of the group's first scan.
    pub group: i64,
    /// The first 8 bytes of a keyed hash of the plate.
    pub plate_hash: i64,
    /// People in it.
    pub heads: i32,
}
