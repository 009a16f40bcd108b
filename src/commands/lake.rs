//! `suikang lake`: what an operator does to the lake's tables by hand.

use suikang_analytics::lake::{Repaired, repair};
use suikang_analytics::tables::Table;
use suikang_stream::Access;

use crate::config::Config;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum LakeCommand {
    /// Take a table whose log is damaged back to before the damage
    ///
    /// For when a process says that an entry is damaged. Stop every `analytics`, `api` and `up` first, and start them afterwards: what the
    /// table has lost by going back is read from the log again, into the same rows. What is taken away is kept beside the tables. Nothing is
    /// changed if the log no longer has it.
    #[command(after_help = "Example: suikang lake repair")]
    Repair,
}

pub(crate) async fn run(config: &Config, command: LakeCommand) -> anyhow::Result<()> {
    let LakeCommand::Repair = command;
    let log = suikang_stream::open(&config.log, Access::ReadOnly).await?;
    for table in Table::ALL {
        let name = table.name();
        match repair(&config.analytics.lake, table, log.as_ref()).await? {
            Repaired::Whole => println!("{name}: every entry of its log is whole"),
            Repaired::WentBack { version, files, aside } => println!(
                "{name}: back at version {version}; {files} files of its log lie in {} now; the writer reads on from there",
                aside.display()
            ),
        }
    }
    Ok(())
}
