//! Subcommands that do one thing and end.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod halt;
pub(crate) mod keys;
pub(crate) mod reconcile;
pub(crate) mod simulate;
pub(crate) mod tail;
pub(crate) mod token;
pub(crate) mod topics;
pub(crate) mod verify;
