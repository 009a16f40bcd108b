//! Any bytes as a CSV batch, through the server's own routes: they never panic, every row has exactly one result, none hides another, and a
//! refusal repeats nothing of what was sent.

use csv::ReaderBuilder;
use serde_json::Value;
use suikang_schemas::declaration::DeclaredBy;

use crate::accepted::{assert_person_valid, assert_valid};
use crate::city::{self, Answer, BATCH_ROW_BYTES, BATCH_ROWS, City, Who};
use crate::refused::assert_own_words;

const PATH: &str = "/v1/declarations/batch";

/// Puts it to the target.
///
/// # Panics
/// If what must hold doesn't.
pub fn check(body: &[u8]) {
    city::with(|city| {
        // How a body is cut into pieces must make no difference; its length says how, so that an input is a file to look at.
        let piece_bytes = 1 + body.len() % 97;
        let answer = city.post(PATH, Who::Staff, "text/csv", body, piece_bytes);
        match answer.status.as_u16() {
            200 => check_results(city, body, &answer),
            413 | 422 => {
                assert!(answer.declarations.is_empty(), "refused, and on the log");
                assert_own_words(&serde_json::from_str(&answer.text).expect("a problem is JSON"));
            }
            status => panic!("{status} is no answer to a batch"),
        }
    });
}

fn check_results(city: &City, body: &[u8], answer: &Answer) {
    let rows = rows(body);
    let (header, rows) = rows.split_first().expect("a batch without a header is refused");
    assert!(is_one_record(header), "a header hides rows that get no result");
    // The first row too many says so, and is the last result.
    let results: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(results.len(), rows.len().min(BATCH_ROWS + 1), "as many results as rows");
    let mut accepted = Vec::new();
    for (at, (result, row)) in results.iter().zip(rows).enumerate() {
        assert_eq!(result["row"], at + 1);
        match (result.get("problem"), result.get("declaration_id").and_then(Value::as_str)) {
            (Some(problem), None) => assert_own_words(problem),
            (None, Some(declaration_id)) => {
                assert!(row.len() <= BATCH_ROW_BYTES, "a row that is too long is accepted");
                assert!(is_one_record(row), "a row hides another that gets no result");
                accepted.push(declaration_id);
            }
            _ => panic!("a row has one result"),
        }
    }
    let appended: Vec<_> = answer.declarations.iter().map(|one| one.declaration_id.to_string()).collect();
    assert_eq!(accepted, appended, "what was accepted is on the log, in the order of the rows");
    for declaration in &answer.declarations {
        assert_eq!(declaration.declared_by, DeclaredBy::Staff);
        assert_valid(city, declaration);
    }
    answer.registry_events.iter().for_each(|event| drop(assert_person_valid(city, event)));
}

/// The rows, cut all at once: each ends behind a line feed that an even number of its quotes precedes. Empty ones are left out.
fn rows(body: &[u8]) -> Vec<&[u8]> {
    // Spreadsheets begin a file with a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut quoted = false;
    let rows = body.split_inclusive(|&byte| {
        quoted ^= byte == b'"';
        byte == b'\n' && !quoted
    });
    let is_empty = |row: &[u8]| row.len() <= BATCH_ROW_BYTES && row.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
    rows.filter(|row| !is_empty(row)).collect()
}

fn is_one_record(row: &[u8]) -> bool {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(row);
    reader.byte_records().count() == 1
}
