//! What became of commands: remembered for two days, twice as long as any author may retry.

use rusqlite::{Connection, OptionalExtension};
use suikang_stream::Record;

use super::ruling::Ruling;

pub(super) const TABLES: &str = "
    CREATE TABLE commands (command_id BLOB PRIMARY KEY, time_ms INTEGER NOT NULL, log_offset INTEGER NOT NULL,
        ruling TEXT NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX commands_by_time ON commands (time_ms);";

const REMEMBERED_MS: i64 = 48 * 60 * 60 * 1000;
/// Offsets between two clean-ups.
const CLEAN_UP_EVERY: i64 = 1024;

/// Whether this command is in force already. By the log's own time, so that it doesn't matter when a node cleans up.
pub(super) fn is_in_force(connection: &Connection, command_id: &[u8; 16], time_ms: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM commands WHERE command_id = ?1 AND ruling = ?2 AND time_ms >= ?3")?
        .exists((command_id, Ruling::IN_FORCE, time_ms - REMEMBERED_MS))
}

/// Now and then forgets old ones, at the same records on every node.
pub(super) fn forget_old(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    if record.offset % CLEAN_UP_EVERY == 0 {
        connection
            .prepare_cached("DELETE FROM commands WHERE time_ms < ?1")?
            .execute([record.time_ms - REMEMBERED_MS])?;
    }
    Ok(())
}

/// Notes a ruling.
pub(super) fn note(
    connection: &Connection,
    command_id: &[u8; 16],
    record: &Record,
    ruling: &Ruling,
) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT OR REPLACE INTO commands VALUES (?1, ?2, ?3, ?4, ?5)")?.execute((
        command_id,
        record.time_ms,
        record.offset,
        ruling.as_str(),
        ruling.version(),
    ))?;
    Ok(())
}

/// The last ruling on a command, and the offset that it was about.
pub(crate) fn ruling_on(connection: &Connection, command_id: &[u8; 16]) -> rusqlite::Result<Option<(i64, Ruling)>> {
    let found = connection
        .prepare_cached("SELECT log_offset, ruling, version FROM commands WHERE command_id = ?1")?
        .query_row([command_id], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))
        .optional()?;
    Ok(found.and_then(|(offset, word, version)| Some((offset, Ruling::of(&word, version)?))))
}
