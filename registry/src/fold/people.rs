//! People and claims as tables.

use rusqlite::{Connection, OptionalExtension, Row};
use suikang_schemas::declaration::Sealed;
use suikang_schemas::registry_event::PersonSet;
use suikang_schemas::{AreaCode, Subject};

use crate::people::Person;

pub(super) const TABLES: &str = "
    CREATE TABLE people (subject BLOB PRIMARY KEY, version INTEGER NOT NULL, holder TEXT NOT NULL, birth_year INTEGER,
        person_kind TEXT NOT NULL, masked_name TEXT, committee TEXT NOT NULL, community TEXT, since_day INTEGER,
        capacity TEXT NOT NULL, seal_day INTEGER, sealed BLOB) STRICT;
    CREATE TABLE claims (claim BLOB PRIMARY KEY, subject BLOB, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/// Sets a person; without sealed information what is on file stays, without a claim the claims stay.
pub(super) fn set(connection: &Connection, person: &PersonSet, version: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO people VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (subject) DO UPDATE SET version = excluded.version, holder = excluded.holder,
                 birth_year = excluded.birth_year, person_kind = excluded.person_kind, masked_name = excluded.masked_name,
                 committee = excluded.committee, community = excluded.community, since_day = excluded.since_day,
                 capacity = excluded.capacity, seal_day = coalesce(excluded.seal_day, seal_day),
                 sealed = coalesce(excluded.sealed, sealed)",
        )?
        .execute((
            person.subject.0,
            version,
            &person.holder,
            person.birth_year,
            &person.person_kind,
            &person.masked_name,
            person.committee.as_str(),
            person.community.as_ref().map(AreaCode::as_str),
            person.since_day,
            &person.capacity,
            person.sealed.as_ref().map(|sealed| sealed.seal_day),
            person.sealed.as_ref().map(|sealed| &sealed.bytes),
        ))?;
    if let Some(claim) = &person.claim {
        connection
            .prepare_cached(
                "INSERT INTO claims VALUES (?1, ?2, 0) ON CONFLICT (claim) DO UPDATE SET subject = excluded.subject",
            )?
            .execute((claim, person.subject.0))?;
    }
    Ok(())
}

/// Makes a claim lead to nobody. Its version stays behind, so that a late repeat of the erasure can't undo a new claim.
pub(super) fn erase_claim(connection: &Connection, claim: &[u8; 32], version: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO claims VALUES (?1, NULL, ?2)
             ON CONFLICT (claim) DO UPDATE SET subject = NULL, version = excluded.version",
        )?
        .execute((claim, version))?;
    Ok(())
}

/// Whom a claim leads to.
pub(crate) fn subject_of(connection: &Connection, claim: &[u8; 32]) -> rusqlite::Result<Option<Subject>> {
    connection
        .prepare_cached("SELECT subject FROM claims WHERE claim = ?1 AND subject IS NOT NULL")?
        .query_row([claim], |row| row.get(0).map(Subject))
        .optional()
}

/// How many people there are.
pub(crate) fn count(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT count(*) FROM people")?.query_row([], |row| row.get(0))
}

/// What is known of a person.
pub(crate) fn person(connection: &Connection, subject: &Subject) -> rusqlite::Result<Option<Person>> {
    connection
        .prepare_cached(
            "SELECT version, holder, birth_year, person_kind, masked_name, committee, community, since_day, capacity,
                 seal_day, sealed FROM people WHERE subject = ?1",
        )?
        .query_row([subject.0], |row| read(*subject, row))
        .optional()
}

fn read(subject: Subject, row: &Row<'_>) -> rusqlite::Result<Person> {
    let area = |column: usize, text: String| {
        text.parse::<AreaCode>().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
        })
    };
    let sealed = row.get::<_, Option<i32>>(9)?.zip(row.get::<_, Option<Vec<u8>>>(10)?);
    Ok(Person {
        subject,
        version: row.get(0)?,
        holder: row.get(1)?,
        birth_year: row.get(2)?,
        person_kind: row.get(3)?,
        masked_name: row.get(4)?,
        committee: area(5, row.get(5)?)?,
        community: row.get::<_, Option<String>>(6)?.map(|text| area(6, text)).transpose()?,
        since_day: row.get(7)?,
        capacity: row.get(8)?,
        sealed: sealed.map(|(seal_day, bytes)| Sealed { seal_day, bytes }),
        communities: Vec::new(),
        hold: None,
    })
}
