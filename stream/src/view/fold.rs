//! What a view is made of: a fold, and what may go wrong with it.

use std::path::PathBuf;

use rusqlite::{Connection, Transaction};
use suikang_schemas::Topic;

use crate::log::{ReadError, Record};

/// What a view makes of each record.
pub trait Fold: Send + 'static {
    /// The file's name, without its ending.
    fn name(&self) -> &'static str;
    /// Of the tables; another version rebuilds the file.
    fn version(&self) -> u32;
    /// What is read.
    fn topics(&self) -> Vec<Topic>;
    /// Creates the tables in an empty file.
    ///
    /// # Errors
    /// SQLite's.
    fn create(&self, connection: &Connection) -> rusqlite::Result<()>;
    /// Folds one record. It sees what the records before it have done.
    ///
    /// # Errors
    /// [`FoldError::Poison`] passes the record over, [`FoldError::Sqlite`] stops the view.
    fn apply(&mut self, transaction: &Transaction<'_>, record: &Record) -> Result<(), FoldError>;
    /// Folds the records of one transaction, in order; `pass_over` is told of each that is none.
    ///
    /// # Errors
    /// SQLite's.
    fn apply_all(
        &mut self,
        transaction: &Transaction<'_>,
        records: &[Record],
        pass_over: &mut dyn FnMut(&Record, &'static str),
    ) -> rusqlite::Result<()> {
        for record in records {
            match self.apply(transaction, record) {
                Ok(()) => {}
                Err(FoldError::Poison(reason)) => pass_over(record, reason),
                Err(FoldError::Sqlite(error)) => return Err(error),
            }
        }
        Ok(())
    }
    /// After a commit, and once at the start: refreshes what is kept in memory.
    ///
    /// # Errors
    /// SQLite's.
    fn committed(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let _ = connection;
        Ok(())
    }
}

/// Why a record could not be folded.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The record will never be usable; the word says why and nothing of its content.
    #[error("unusable record: {0}")]
    Poison(&'static str),
    /// The file can't be written.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Why a view stopped.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The file can't be used.
    #[error("view {}: {error}", path.display())]
    Sqlite {
        /// Which.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
    /// The file can't be created.
    #[error("view {}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The log can't be read.
    #[error("view {name}: {error}")]
    Log {
        /// Which view.
        name: &'static str,
        /// Why.
        error: ReadError,
    },
    /// The log no longer has what the view needs to go on.
    #[error(
        "view {}: {error}; delete the file if the log still has everything from its start, or restore a snapshot", path.display()
    )]
    Behind {
        /// Which.
        path: PathBuf,
        /// What is missing.
        error: ReadError,
    },
}

impl ViewError {
    /// Whether waiting may help.
    pub(crate) fn is_retryable(&self) -> bool {
        use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
        match self {
            ViewError::Log { error, .. } => error.is_retryable(),
            // What a transaction that failed has read is read again.
            ViewError::Sqlite { error, .. } => matches!(error.sqlite_error_code(), Some(DiskFull | SystemIoFailure)),
            ViewError::Io { .. } | ViewError::Behind { .. } => false,
        }
    }
}
