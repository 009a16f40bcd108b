//! Rows become Parquet files that nothing refers to yet: one a day.

use arrow::array::{Date32Array, RecordBatch};
use deltalake::kernel::Add;
use deltalake::kernel::scalars::ScalarExt;
use deltalake::parquet::basic::{Compression, Encoding, ZstdLevel};
use deltalake::parquet::file::properties::{EnabledStatistics, WriterProperties};
use deltalake::parquet::schema::types::ColumnPath;
use deltalake::writer::{DeltaWriter as _, RecordBatchWriter, WriteMode};
use deltalake::{DeltaResult, DeltaTable, DeltaTableError};

use super::order::Ordered;
use crate::tables::{PARTITION_COLUMN, Table};

/// Numbers that hardly ever come twice, but lie near each other.
const NEAR: [&str; 3] = ["scanned_at", "seq", "vehicle_group"];
/// Numbers and texts that hardly ever come twice, and lie anywhere.
const RANDOM: [&str; 4] = ["code_ref", "plate_ref", "subject_ref", "declaration_id"];
/// Few words, all of which every file has: their least and greatest tell a reader nothing.
const WORDS: [&str; 4] = ["direction", "shown", "verdict", "status"];

/// How the lake's files are written, by the writer and by compaction.
fn properties() -> WriterProperties {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).expect("3 is a level")))
        .set_max_row_group_row_count(Some(256 * 1024));
    let properties = NEAR.into_iter().map(ColumnPath::from).fold(properties, |properties, column| {
        properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED)
    });
    let properties = RANDOM
        .into_iter()
        .map(ColumnPath::from)
        .fold(properties, |properties, column| properties.set_column_dictionary_enabled(column, false));
    let properties = WORDS.into_iter().map(ColumnPath::from).fold(properties, |properties, column| {
        properties.set_column_statistics_enabled(column, EnabledStatistics::None)
    });
    properties.build()
}

/// Writes the rows. When this returns, the files are on disk for good.
pub(super) async fn write(delta: &DeltaTable, table: Table, rows: &[RecordBatch]) -> DeltaResult<Vec<Add>> {
    let rows = rows.to_vec();
    let mut writer = RecordBatchWriter::for_table(delta)?.with_writer_properties(properties());
    // Sorting and encoding take their time: not on the threads that serve everything else.
    let runtime = tokio::runtime::Handle::current();
    let written = tokio::task::spawn_blocking(move || {
        let ordered = Ordered::new(table, &rows)?;
        let (schema, mut files) = (writer.arrow_schema(), Vec::new());
        runtime.block_on(async {
            for (day, chunks) in ordered.days() {
                let value = ScalarExt::from_array(&Date32Array::from_value(day, 1), 0).expect("a day");
                let partition = [(PARTITION_COLUMN.to_owned(), value)].into_iter().collect();
                for chunk in chunks {
                    writer.write_partition(chunk.rows(&schema)?, &partition, WriteMode::Default).await?;
                }
                files.extend(writer.flush().await?);
            }
            Ok(files)
        })
    });
    written.await.map_err(|_| DeltaTableError::generic("a thread broke"))?
}
