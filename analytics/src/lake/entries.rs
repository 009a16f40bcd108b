//! The entries of a table's log as they lie in its folder: whole, or the table isn't read at all; and how a table goes back to before one
//! that isn't.
//!
//! delta-rs takes an empty entry for a commit without actions, so what it says would be gone in silence.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use suikang_stream::{Log, ReadError};

use super::{LakeError, LakeTable, handle};
use crate::tables::Table;

/// Where repair puts what it takes away, in the lake.
const ASIDE: &str = "_damaged";

fn log_folder(folder: &Path) -> PathBuf {
    folder.join("_delta_log")
}

fn entry(folder: &Path, version: i64) -> PathBuf {
    log_folder(folder).join(format!("{version:020}.json"))
}

/// The version of an entry, and of a part of a Delta checkpoint: 20 digits at the start of its name.
fn version_of(path: &Path) -> Option<i64> {
    path.file_name()?.to_str()?.split_once('.')?.0.parse().ok()
}

/// The newest version that a Delta checkpoint holds whole: readers begin there.
fn checkpoint(folder: &Path) -> i64 {
    #[derive(Deserialize)]
    struct Last {
        version: i64,
    }
    let last = fs::read(log_folder(folder).join("_last_checkpoint")).ok();
    last.and_then(|last| serde_json::from_slice(&last).ok()).map_or(-1, |last: Last| last.version)
}

/// Every entry that a reader reads who begins anew.
pub(super) fn check_all(folder: &Path) -> Result<(), LakeError> {
    let from = checkpoint(folder);
    let mut versions: Vec<_> = listed(folder)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter_map(|path| version_of(&path))
        .filter(|version| *version > from)
        .collect();
    versions.sort_unstable();
    versions.into_iter().try_for_each(|version| check(&entry(folder, version)).map(drop))
}

/// The entries after this version; whether there are any.
pub(super) fn check_after(folder: &Path, version: i64) -> Result<bool, LakeError> {
    let mut next = version + 1;
    while check(&entry(folder, next))? {
        next += 1;
    }
    Ok(next > version + 1)
}

/// Whether the entry is there; it is whole then.
fn check(path: &Path) -> Result<bool, LakeError> {
    let damaged = |why: String| LakeError::Damaged { path: path.to_owned(), why };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(LakeError::Io { path: path.to_owned(), error }),
    };
    let mut lines = 0;
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|error| LakeError::Io { path: path.to_owned(), error })?;
        if !line.is_empty() {
            lines += 1;
            serde_json::from_slice::<IgnoredAny>(&line).map_err(|_| damaged(format!("line {lines} is no JSON")))?;
        }
    }
    if lines == 0 { Err(damaged("it is empty".to_owned())) } else { Ok(true) }
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, LakeError> {
    let path = log_folder(folder);
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LakeError::Io { path, error }),
    };
    entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|error| LakeError::Io { path, error })
}

/// Why a table can't be repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The lake.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The log.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log has let go what would have to be read again.
    #[error(
        "{table}: before the damaged entry partition {kafka_partition} stands at offset {position}, and the log begins at {start}: \
         put {} back from a backup", path.display()
    )]
    Gone {
        /// The table.
        table: &'static str,
        /// The partition.
        kafka_partition: i32,
        /// Where the table would go on.
        position: i64,
        /// Where the log begins.
        start: i64,
        /// The damaged entry.
        path: PathBuf,
    },
}

/// What repair did to a table.
#[derive(Debug, PartialEq, Eq)]
pub enum Repaired {
    /// Nothing: every entry is whole.
    Whole,
    /// It stands where it stood before the damaged entry; so many files of its log lie in this folder now.
    WentBack {
        /// The version it stands at.
        version: i64,
        /// Files taken away.
        files: usize,
        /// Where to.
        aside: PathBuf,
    },
}

/// Takes a damaged entry away, and all that came after it; what they said is read from the log again, into the same rows. Nothing may have
/// the table open meanwhile.
///
/// # Errors
/// If the log no longer has what would be read again; then nothing has changed. If files can't be moved.
pub async fn repair(lake: &Path, table: Table, log: &dyn Log) -> Result<Repaired, RepairError> {
    let folder = lake.join(table.name());
    let path = match check_all(&folder) {
        Ok(()) => return Ok(Repaired::Whole),
        Err(LakeError::Damaged { path, .. }) => path,
        Err(error) => return Err(error.into()),
    };
    let damaged = version_of(&path).unwrap_or_default();
    let extents = log.extents(table.topic()).await?;
    // Before its first entry a table has nothing, and begins with the log.
    let positions = match damaged {
        0 => Default::default(),
        _ => LakeTable::at(&folder, table, damaged - 1).await?.positions(extents.keys().copied()).await?,
    };
    for (&kafka_partition, extent) in &extents {
        let position = positions.get(&kafka_partition).copied().unwrap_or(0);
        if position < extent.start {
            let (table, start) = (table.name(), extent.start);
            return Err(RepairError::Gone { table, kafka_partition, position, start, path });
        }
    }
    let aside = lake.join(ASIDE).join(format!("{}-{}", table.name(), crate::writer::now_ms()));
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| LakeError::Io { path, error }
    };
    fs::create_dir_all(&aside).map_err(io(&aside))?;
    let mut later: Vec<_> = listed(&folder)?
        .into_iter()
        .filter(|path| version_of(path).is_some_and(|version| version >= damaged))
        .collect();
    // From the newest on: whatever interrupts this, the damaged entry goes last.
    later.sort_unstable_by_key(|path| std::cmp::Reverse(version_of(path)));
    for path in &later {
        fs::rename(path, aside.join(path.file_name().expect("a listed file has a name"))).map_err(io(path))?;
    }
    Ok(Repaired::WentBack { version: damaged - 1, files: later.len(), aside })
}

impl LakeTable {
    /// The table as it was at a version.
    async fn at(folder: &Path, table: Table, version: i64) -> Result<Self, LakeError> {
        let error = |error| LakeError::Delta { table: table.name(), error: Box::new(error) };
        let mut delta = handle(folder).map_err(error)?;
        delta.load_version(version.try_into().unwrap_or_default()).await.map_err(error)?;
        Ok(Self { table, folder: folder.to_owned(), delta, positions: Default::default(), followed: 0, listed: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_whole_or_the_table_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(log_folder(folder.path())).unwrap();
        let put = |version, content: &[u8]| fs::write(entry(folder.path(), version), content).unwrap();
        put(7, b"{\"commitInfo\":{}}\n{\"txn\":{}}");
        put(8, b"{\"commitInfo\":{}}\n");
        assert!(check_all(folder.path()).is_ok() && check_after(folder.path(), 7).is_ok());
        for damaged in [&b""[..], b"\n", b"{\"commitInfo\":{}}\n{\"txn\":{", &[0; 40]] {
            put(8, damaged);
            for refused in [check_all(folder.path()), check_after(folder.path(), 7).map(drop)] {
                let refused = refused.unwrap_err().to_string();
                assert!(refused.contains("00000000000000000008.json") && refused.contains("lake repair"), "{refused}");
            }
            assert!(!check_after(folder.path(), 8).unwrap(), "what was read already is not read again");
        }
        // What a Delta checkpoint holds is read from there.
        fs::write(log_folder(folder.path()).join("_last_checkpoint"), r#"{"version":8,"size":3}"#).unwrap();
        assert!(check_all(folder.path()).is_ok());
    }
}
