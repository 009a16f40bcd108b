//! Declarations come in from the log, go through the policy in force when they were accepted, and leave as signed codes or typed
//! rejections.
//!
//! An outcome is a pure function of its declaration's record: a replay, a second issuer or one that comes back from the dead writes the
//! same bytes again, and readers count them once. So the issuer keeps no state but its keys.

mod issuer;

// What it does with a batch, in order.
pub mod columns;
pub mod issue;
pub mod policy;

mod dead_letters;
mod metrics;
mod settings;

pub use issuer::{Issuer, StageError};
pub use settings::Settings;
pub use suikang_registry::keys::IssuerKeystore as Keystore;
