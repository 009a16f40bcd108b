//! Packed rows: a table's columns with the texts of scans as numbers into the few different ones. Of half a million scans they take half the
//! memory, and putting them in order moves numbers instead of texts.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};

use crate::tables::Table;

static SCANS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let schema = Table::Scans.schema();
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => field.as_ref().clone().with_data_type(texts()),
        _ => field.as_ref().clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

/// Texts of which few are different.
pub(crate) fn texts() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The columns of a table's packed rows.
pub(crate) fn schema(table: Table) -> SchemaRef {
    match table {
        Table::Scans => Arc::clone(&SCANS),
        // Every text of these is another, or they are too few to matter.
        Table::Declarations | Table::Outcomes => table.schema(),
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
