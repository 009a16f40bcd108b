//! What lies in a table's folder, needed or not: entries of its log, Delta checkpoints, files of rows.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

/// Counts.
pub(super) struct Left {
    entries: usize,
    pub(super) oldest_entry: i64,
    delta_log_checkpoints: usize,
    files: usize,
}

impl Left {
    pub(super) fn of(table: &Path) -> anyhow::Result<Self> {
        let (mut entries, mut delta_log_checkpoints) = (BTreeMap::new(), 0);
        for name in names(&table.join("_delta_log"))? {
            let version = name.split('.').next().and_then(|version| version.parse::<i64>().ok());
            match version {
                Some(version) if name.ends_with(".json") => _ = entries.insert(version, name),
                Some(_) => delta_log_checkpoints += 1,
                None => {}
            }
        }
        let days = names(table)?.into_iter().filter(|name| name.contains('='));
        let files = days.map(|day| Ok(names(&table.join(day))?.len())).sum::<anyhow::Result<usize>>()?;
        let oldest_entry = *entries.keys().next().context("the table has entries")?;
        Ok(Self { entries: entries.len(), oldest_entry, delta_log_checkpoints, files })
    }

    pub(super) fn figures(&self) -> Value {
        json!({
            "entries": self.entries, "oldest_entry": self.oldest_entry, "delta_log_checkpoints": self.delta_log_checkpoints,
            "files": self.files,
        })
    }
}

fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let names = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}
