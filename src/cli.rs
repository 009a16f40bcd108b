//! The command line. Each subcommand is one line of [`run`]; its help says what it is for and shows a use.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::commands::{completions, halt, keys, lake, reconcile, seed, simulate, tail, token, topics, verify};
use crate::config::{self, Config};
use crate::stages::{self, Stages};

/// 穗康 Suikang: entry passes for a city under an epidemic order.
///
/// Residents declare health and residence, an issuer signs pass codes, checkpoints check them, districts and headquarters read what
/// came of it. `suikang up --demo` shows all of it on this machine.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 110)]
pub(crate) struct Cli {
    /// Configuration file (TOML). Without one, defaults and SUIKANG_* variables apply.
    #[arg(long, short, global = true, env = "SUIKANG_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(subcommand)]
    command: Command,
}

/// Flags that override the configuration.
#[derive(Debug, Args)]
struct Overrides {
    /// The log: kafka://HOST:PORT[,HOST:PORT] or file:PATH.
    #[arg(long, global = true, value_name = "URL", help_heading = "Configuration")]
    log: Option<String>,
    /// Where HTTP is served, such as 127.0.0.1:8020.
    #[arg(long, global = true, value_name = "ADDRESS", help_heading = "Configuration")]
    listen: Option<std::net::SocketAddr>,
    /// Name of this process in logs, audit entries and consumer groups; no other process may have it.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Configuration")]
    node: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all stages in one process
    ///
    /// For a laptop, a trial, a small site: the embedded log, the lake in a folder. With --demo it makes its own keys, seeds the city of
    /// Guangzhou and lets a small population declare and be checked, so that every page has something to show.
    #[command(after_help = "Example: suikang up --demo")]
    Up {
        /// Make keys, seed the city and let it live.
        #[arg(long)]
        demo: bool,
    },
    /// Run the doors: declarations, checks and scans from HTTP to the log
    Ingest,
    /// Run an issuer: declarations from the log to signed codes on the log
    Issuer,
    /// Run the lake's writer and the counts
    Analytics,
    /// Run what reads: codes, keys, summaries, SQL, pages
    Api,
    /// Check or show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Create or describe the topics of the log
    #[command(subcommand)]
    Topics(topics::TopicsCommand),
    /// Print a topic's records as JSON, sealed fields as sealed
    Tail(tail::TailArgs),
    /// Make, rotate, list and revoke keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Mint a bearer token for a role in an area
    #[command(after_help = "Example: suikang token --role district_analyst --area 440106 --ttl 8h")]
    Token(token::TokenArgs),
    /// Verify a pass code as a checkpoint would, without a server
    Verify(verify::VerifyArgs),
    /// Stop issuing, or let it go on
    #[command(subcommand)]
    Halt(halt::HaltCommand),
    /// Put the demonstration city, Guangzhou, into the registry
    Seed,
    /// Let a city declare and be checked through HTTP, reproducibly
    #[command(after_help = "Example: suikang simulate --declarations 10000 --scans 50000 --seed 1 --speed max")]
    Simulate(simulate::SimulateArgs),
    /// Prove from the log that nothing was lost: exits 1 if the sums differ
    Reconcile(reconcile::ReconcileArgs),
    /// Look after the lake's tables
    #[command(subcommand)]
    Lake(lake::LakeCommand),
    /// Print a shell's completion script
    Completions(completions::CompletionsArgs),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether the configuration is valid and what it refers to exists
    Check,
    /// Print the configuration in force, every key of it, as TOML
    Show,
}

/// Runs the subcommand to its end.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut config = config::load(cli.config.as_deref())?;
    cli.overrides.apply(&mut config);
    match cli.command {
        Command::Up { demo } => stages::up(&config, demo).await,
        Command::Ingest => stages::run(&config, Stages::INGEST).await,
        Command::Issuer => stages::run(&config, Stages::ISSUER).await,
        Command::Analytics => stages::run(&config, Stages::ANALYTICS).await,
        Command::Api => stages::run(&config, Stages::API).await,
        Command::Config(ConfigCommand::Check) => crate::commands::check::run(&config).await,
        Command::Config(ConfigCommand::Show) => {
            print!("{}", toml::to_string_pretty(&config)?);
            Ok(())
        }
        Command::Topics(command) => topics::run(&config, command).await,
        Command::Tail(args) => tail::run(&config, args).await,
        Command::Keys(command) => keys::run(&config, command).await,
        Command::Token(args) => token::run(&config, args).await,
        Command::Verify(args) => return verify::run(&config, args).await,
        Command::Halt(command) => halt::run(&config, command).await,
        Command::Seed => seed::run(&config).await,
        Command::Simulate(args) => simulate::run(&config, args).await,
        Command::Lake(command) => lake::run(&config, command).await,
        Command::Reconcile(args) => return reconcile::run(&config, args).await,
        Command::Completions(args) => completions::run(args),
    }?;
    Ok(ExitCode::SUCCESS)
}

impl Overrides {
    fn apply(self, config: &mut Config) {
        if let Some(url) = self.log {
            config.log.url = url;
        }
        if let Some(listen) = self.listen {
            config.http.listen = listen;
        }
        if let Some(node) = self.node {
            config.node = node;
        }
        config.join_by_name();
    }
}
