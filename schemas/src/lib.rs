//! The contract, with no I/O: what travels on the log, what a pass code holds, what a checkpoint decides.
//!
//! Everything here is a pure function of its arguments. Bytes come in, typed values go out, and a value that
//! exists is valid: parsing is the validation.

pub mod topic;

// Identifiers: newtypes that validate.
pub mod area;
pub mod document;
pub mod free_text;
pub mod ids;
pub mod name;
pub mod phone;
pub mod plate;
pub mod status;

// What these newtypes share.
mod characters;
mod mask;

// Events on the log, as Avro.
pub mod audit;
pub mod avro;
pub mod columns;
pub mod dead_letter;
pub mod declaration;
pub mod json;
pub mod outcome;
pub mod registry_event;
pub mod scan;

// What is signed, as COSE.
pub mod cose;
pub mod key_list;
pub mod pass_code;
pub mod token;

// What a checkpoint decides.
pub mod decide;

pub use area::AreaCode;
pub use ids::{CodeId, CommandId, DeclarationId, DeviceEpoch, KeyId, Subject};
pub use topic::Topic;
