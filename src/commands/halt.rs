//! `suikang halt on|off`: the switch that stops issuing everywhere.

use suikang_registry::Command;
use suikang_schemas::CommandId;
use suikang_schemas::registry_event::{Change, HaltSet};

use super::{operator, with_registry};
use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum HaltCommand {
    /// Issuers wait; declarations are still accepted
    On {
        /// Why; everyone who asks for readiness reads it.
        #[arg(long)]
        reason: String,
    },
    /// Issuers go on where they stopped
    Off,
}

pub(crate) async fn run(config: &Config, command: HaltCommand) -> anyhow::Result<()> {
    let halt = match command {
        HaltCommand::On { reason } => HaltSet { halted: true, reason },
        HaltCommand::Off => HaltSet { halted: false, reason: String::new() },
    };
    with_registry(config, async |_, registry| {
        let change = Change::HaltSet(halt);
        let command = Command { command_id: CommandId::now(), actor: operator(config), expected_version: None, change };
        registry.submit(command).await?;
        Ok(())
    })
    .await
}
