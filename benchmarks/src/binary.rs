//! The binary that is put to the test.

use std::path::PathBuf;

use anyhow::ensure;

/// The one that was named, else the one that was built beside this program.
///
/// # Errors
/// If it isn't there.
pub fn binary(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(named) => std::path::absolute(named)?,
        None => std::env::current_exe()?.with_file_name("suikang"),
    };
    ensure!(path.exists(), "{} isn't there; build it, or name another with --suikang", path.display());
    Ok(path)
}
