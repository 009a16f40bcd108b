//! Packed rows: a table's columns with the texts of scans as numbers into the few different ones. Of half a million scans they take half the
//! memory, and putting them in order moves numbers instead of texts.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};

use crate::tables::{Table, with_texts};

/// Texts of which few are different.
pub(crate) fn texts() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The columns of a table's packed rows.
pub(crate) fn schema(table: Table) -> SchemaRef {
    of(table, &table.schema())
}

/// These columns of a table as packed rows have them.
pub(crate) fn of(table: Table, schema: &SchemaRef) -> SchemaRef {
    match table {
        Table::Scans => with_texts(schema, &texts()),
        // Every text of these is another, or they are too few to matter.
        Table::Declarations | Table::Outcomes => Arc::clone(schema),
    }
}

/// The same rows with columns of these types.
///
/// # Errors
/// If a column can't be had as such.
pub(crate) fn with_schema(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns = schema.fields().iter().zip(rows.columns()).map(|(field, column)| cast(column, field.data_type()));
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}
