//! Answers as CSV, Arrow and Parquet.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonArray;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use deltalake::parquet::arrow::ArrowWriter;
use deltalake::parquet::errors::ParquetError;

use super::Answer;

/// CSV in UTF-8 with a byte order mark, so that a spreadsheet reads Chinese; cells that it would run are made harmless.
///
/// # Errors
/// If a value can't be written as text.
pub fn csv(answer: &Answer) -> Result<Vec<u8>, ArrowError> {
    let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    let written = |written: Result<(), csv::Error>| written.map_err(|error| ArrowError::CsvError(error.to_string()));
    written(writer.write_record(answer.schema.fields().iter().map(|field| harmless(field.name()))))?;
    let options = FormatOptions::default();
    for batch in &answer.batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let cells: Vec<_> = columns.iter().map(|column| harmless(&column.value(row).to_string())).collect();
            written(writer.write_record(cells))?;
        }
    }
    writer.into_inner().map_err(|error| ArrowError::CsvError(error.to_string()))
}

/// A spreadsheet runs cells that begin so; an apostrophe makes them text. A number stays a number.
pub fn harmless(cell: &str) -> String {
    let runs = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if runs && cell.parse::<f64>().is_err() { format!("'{cell}") } else { cell.to_owned() }
}

/// Arrow IPC, the streaming format.
///
/// # Errors
/// If Arrow can't write a type.
pub fn arrow(answer: &Answer) -> Result<Vec<u8>, ArrowError> {
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &answer.schema)?;
    for batch in &answer.batches {
        writer.write(batch)?;
    }
    writer.into_inner()
}

/// Parquet.
///
/// # Errors
/// If Parquet can't write a type.
pub fn parquet(answer: &Answer) -> Result<Vec<u8>, ParquetError> {
    let mut writer = ArrowWriter::try_new(Vec::new(), std::sync::Arc::clone(&answer.schema), None)?;
    for batch in &answer.batches {
        writer.write(batch)?;
    }
    writer.into_inner()
}

/// Rows as JSON objects, each with every column.
///
/// # Errors
/// If Arrow can't write a type.
pub fn json(answer: &Answer) -> Result<Vec<serde_json::Value>, ArrowError> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
    writer.write_batches(&answer.batches.iter().collect::<Vec<&RecordBatch>>())?;
    writer.finish()?;
    let bytes = writer.into_inner();
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&bytes).map_err(|error| ArrowError::JsonError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn cells_that_a_spreadsheet_would_run_are_text() {
        for cell in ["=1+1", "+cmd", "@SUM(A1)", "-2+3", "\t=1"] {
            assert!(harmless(cell).starts_with('\''), "{cell}");
        }
        for cell in ["-2", "-3.5", "天河", "a=b", ""] {
            assert_eq!(harmless(cell), cell);
        }
    }
}
