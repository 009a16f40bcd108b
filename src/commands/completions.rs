//! `suikang completions SHELL`.

use clap::CommandFactory as _;
use clap_complete::Shell;

/// What to complete for.
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// Your shell, such as bash; put the output where it looks for completions.
    shell: Shell,
}

/// Prints the script.
#[expect(clippy::unnecessary_wraps, reason = "every subcommand has this shape")]
pub(crate) fn run(args: CompletionsArgs) -> anyhow::Result<()> {
    clap_complete::generate(args.shell, &mut crate::cli::Cli::command(), "suikang", &mut std::io::stdout());
    Ok(())
}
