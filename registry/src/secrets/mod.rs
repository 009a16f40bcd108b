//! Secrets at rest: sealed files, and what a node derives from its own.

mod node;
pub mod sealed_file;

pub use node::NodeSecrets;
pub use sealed_file::{SealedFileError, Unlock};
