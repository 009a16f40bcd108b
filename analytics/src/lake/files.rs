//! Rows become Parquet files that nothing refers to yet: one a day, sorted by place and time, so that a reader of one place or hour passes
//! over most of them.

use arrow::array::RecordBatch;
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use deltalake::kernel::Add;
use deltalake::parquet::basic::{Compression, ZstdLevel};
use deltalake::parquet::file::properties::WriterProperties;
use deltalake::writer::{DeltaWriter as _, RecordBatchWriter};
use deltalake::{DeltaResult, DeltaTable, DeltaTableError};

use crate::tables::Table;

/// How the lake's files are written, by the writer and by compaction.
fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).expect("3 is a level")))
        .set_max_row_group_row_count(Some(256 * 1024))
        .build()
}

/// Writes the rows. When this returns, the files are on disk for good.
pub(super) async fn write(delta: &DeltaTable, table: Table, rows: &[RecordBatch]) -> DeltaResult<Vec<Add>> {
    let rows = rows.to_vec();
    let mut writer = RecordBatchWriter::for_table(delta)?.with_writer_properties(properties());
    // Sorting and encoding take their time: not on the threads that serve everything else.
    let runtime = tokio::runtime::Handle::current();
    let written = tokio::task::spawn_blocking(move || {
        let rows = concat_batches(&table.schema(), &rows)?;
        if rows.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let sorted = sorted(table, &rows)?;
        drop(rows);
        runtime.block_on(async {
            writer.write(sorted).await?;
            writer.flush().await
        })
    });
    written.await.map_err(|_| DeltaTableError::generic("a thread broke"))?
}

fn sorted(table: Table, rows: &RecordBatch) -> DeltaResult<RecordBatch> {
    let by = table.sort_columns().map(|name| {
        let values = rows.column_by_name(name).expect("a column of the table");
        SortColumn { values: std::sync::Arc::clone(values), options: None }
    });
    Ok(take_record_batch(rows, &lexsort_to_indices(&by, None)?)?)
}
