//! Who may do what: people, places, rules, policy and keys, as one ordered topic of accepted commands.
//!
//! Commands come in and are appended as events; every node folds the topic into a view of its own and reads that. The log alone
//! decides which of two commands was first, so all nodes agree without asking each other.

// Who, and what they may do.
pub mod caller;
pub mod roles;

// The registry: commands in, a view out.
pub mod command;
mod fold;
mod key_lists;
mod metrics;
pub mod people;
pub mod registry;
pub mod snapshot;

// What became of declarations.
pub mod codes;

// Secrets and keys.
pub mod keys;
pub mod seal;
pub mod secrets;

pub mod tokens;

// What the HTTP doors share.
pub mod http;

// A city to try it with.
pub mod seed;

pub use caller::Caller;
pub use codes::Codes;
pub use command::{Command, CommandError, Committed, Refusal};
pub use people::{Claim, LookupError, Person};
pub use registry::{OpenError, Registry, RunError};
pub use roles::{Action, Role};
pub use secrets::NodeSecrets;
pub use snapshot::Snapshot;
