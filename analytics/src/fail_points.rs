//! Places between two durable steps, where a test ends the process: `SUIKANG_FAIL_AT=lake-after-files:3` aborts it when it comes there the
//! third time. Release builds have none.

/// Files of a batch are on disk, and no version refers to them.
pub(crate) const AFTER_FILES: &str = "lake-after-files";
/// An entry of the table's log is about to appear.
pub(crate) const BEFORE_ENTRY: &str = "lake-before-entry";
/// A batch is in the table, and its writer doesn't know yet.
pub(crate) const AFTER_COMMIT: &str = "lake-after-commit";
/// Compaction begins; what it writes passes the places above.
pub(crate) const COMPACTION: &str = "lake-compaction";
/// Compaction is done, and expired files and log entries are about to go.
pub(crate) const BEFORE_VACUUM: &str = "lake-before-vacuum";
/// The seen numbers are about to be saved.
pub(crate) const BEFORE_SEEN: &str = "seen-before-save";
/// They are written beside the former ones, and don't stand in their place yet.
pub(crate) const SEEN_BESIDE: &str = "seen-beside";

#[cfg(debug_assertions)]
pub(crate) fn fail_point(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static ASKED: LazyLock<Option<(String, AtomicU32)>> = LazyLock::new(|| {
        let asked = std::env::var("SUIKANG_FAIL_AT").ok()?;
        let (place, times) = asked.split_once(':').unwrap_or((asked.as_str(), "1"));
        Some((place.to_owned(), AtomicU32::new(times.parse().ok()?)))
    });
    if let Some((place, left)) = &*ASKED
        && place == name
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
pub(crate) fn fail_point(_: &str) {}
