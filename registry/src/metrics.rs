//! What operators see of the registry.

use metrics::counter;

use crate::command::{CommandError, Committed};

/// A command's outcome.
pub(crate) fn command(outcome: &Result<Committed, CommandError>) {
    let word = match outcome {
        Ok(_) => "in_force",
        Err(CommandError::Conflict { .. }) => "conflict",
        Err(CommandError::Refused(refusal)) => refusal.as_str(),
        Err(CommandError::Unavailable | CommandError::Fatal(_)) => "log",
        Err(CommandError::View(_) | CommandError::NotSeen(_)) => "view",
    };
    counter!("suikang_registry_commands_total", "outcome" => word).increment(1);
}

/// A token was refused.
pub(crate) fn token_refused() {
    counter!("suikang_tokens_refused_total").increment(1);
}
