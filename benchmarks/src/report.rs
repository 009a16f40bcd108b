//! Results as files: what was run, where, and what came of it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

/// Prints the figures, and keeps them as `NAME.json` in this folder, if there is one to keep them in.
///
/// # Errors
/// If the file can't be written.
pub fn report(name: &str, figures: &Value, folder: Option<&Path>) -> anyhow::Result<()> {
    println!("{name}\n{figures:#}");
    let Some(folder) = folder else { return Ok(()) };
    let whole = json!({
        "command": command(), "machine": machine(), "version": env!("CARGO_PKG_VERSION"),
        "optimized": !cfg!(debug_assertions), "figures": figures,
    });
    let path: PathBuf = folder.join(format!("{name}.json"));
    std::fs::create_dir_all(folder)?;
    std::fs::write(&path, format!("{whole:#}\n")).with_context(|| path.display().to_string())
}

/// How this program was started, wherever it lies.
fn command() -> String {
    let mut words: Vec<_> = std::env::args().collect();
    if let Some(program) = words.first_mut()
        && let Some(within) = program.find("target/")
    {
        program.drain(..within);
    }
    words.join(" ")
}

/// Processor and count, as the kernel tells them.
pub fn machine() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let cores = told.lines().filter(|line| line.starts_with("processor")).count();
    format!("{}, {cores} cores", model.unwrap_or("unknown processor"))
}
