//! A view's file: made, opened, read; its version and positions beside the rows.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use suikang_schemas::Topic;

use super::progress::Positions;
use super::{Fold, ViewError};

pub(super) fn open_current(path: &Path, fold: &dyn Fold) -> rusqlite::Result<Option<Connection>> {
    if !path.is_file() {
        return Ok(None);
    }
    let connection = connect_writing(path)?;
    let version: u32 = connection.query_row("SELECT version FROM view", [], |row| row.get(0))?;
    Ok((version == fold.version()).then_some(connection))
}

pub(super) fn create(path: &Path, fold: &dyn Fold) -> rusqlite::Result<Connection> {
    let mut connection = connect_writing(path)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE view (version INTEGER NOT NULL) STRICT;
         CREATE TABLE positions (topic TEXT, kafka_partition INTEGER, next_offset INTEGER NOT NULL,
             PRIMARY KEY (topic, kafka_partition)) STRICT, WITHOUT ROWID;",
    )?;
    transaction.execute("INSERT INTO view VALUES (?1)", [fold.version()])?;
    fold.create(&transaction)?;
    transaction.commit()?;
    Ok(connection)
}

pub(super) fn connect_writing(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A power cut may take the last commits, never the agreement of rows and positions: the log has the rest.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

pub(super) fn connect_reading(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "query_only", true)?;
    // Otherwise SQLite plans a join anew for each value that it is asked for, which takes longer than the join.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

pub(super) fn remove(path: &Path) -> Result<(), ViewError> {
    for ending in ["db", "db-wal", "db-shm"] {
        let path = path.with_extension(ending);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(ViewError::Io { path, error }),
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn positions(connection: &Connection) -> rusqlite::Result<Positions> {
    let mut statement = connection.prepare_cached("SELECT topic, kafka_partition, next_offset FROM positions")?;
    let mut rows = statement.query([])?;
    let mut positions: Positions = Positions::new();
    while let Some(row) = rows.next()? {
        if let Some(topic) = Topic::from_short_name(&row.get::<_, String>(0)?) {
            positions.entry(topic).or_default().insert(row.get(1)?, row.get(2)?);
        }
    }
    Ok(positions)
}

pub(super) fn store_positions(connection: &Connection, positions: &Positions) -> rusqlite::Result<()> {
    let mut store = connection.prepare_cached("INSERT OR REPLACE INTO positions VALUES (?1, ?2, ?3)")?;
    for (topic, next_offsets) in positions {
        for (kafka_partition, next_offset) in next_offsets {
            store.execute((topic.short_name(), kafka_partition, next_offset))?;
        }
    }
    Ok(())
}
