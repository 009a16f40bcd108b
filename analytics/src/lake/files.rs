//! Rows become Parquet files that nothing refers to yet: one a day, sorted by place and time, so that a reader of one place or hour passes
//! over most of them.

use arrow::array::RecordBatch;
use arrow::compute::{SortColumn, concat, interleave_record_batch, lexsort_to_indices};
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

/// Rows that are put in order and encoded at once.
const CHUNK: usize = 16 * 1024;

/// Writes the rows. When this returns, the files are on disk for good.
pub(super) async fn write(delta: &DeltaTable, table: Table, rows: &[RecordBatch]) -> DeltaResult<Vec<Add>> {
    let rows = rows.to_vec();
    let mut writer = RecordBatchWriter::for_table(delta)?.with_writer_properties(properties());
    // Sorting and encoding take their time: not on the threads that serve everything else.
    let runtime = tokio::runtime::Handle::current();
    let written = tokio::task::spawn_blocking(move || {
        let order = order(table, &rows)?;
        if order.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<_> = rows.iter().collect();
        runtime.block_on(async {
            // Of rows that may be hundreds of megabytes there is never a second copy.
            for chunk in order.chunks(CHUNK) {
                writer.write(interleave_record_batch(&rows, chunk)?).await?;
            }
            writer.flush().await
        })
    });
    written.await.map_err(|_| DeltaTableError::generic("a thread broke"))?
}

/// Batch and row of each row, in the order of the table's files.
fn order(table: Table, rows: &[RecordBatch]) -> DeltaResult<Vec<(usize, usize)>> {
    let places = |(batch, rows): (usize, &RecordBatch)| (0..rows.num_rows()).map(move |row| (batch, row));
    let places: Vec<_> = rows.iter().enumerate().flat_map(places).collect();
    if places.is_empty() {
        return Ok(places);
    }
    let by = table.sort_columns().map(|name| {
        let columns = rows.iter().map(|batch| batch.column_by_name(name).expect("a column of the table").as_ref());
        Ok(SortColumn { values: concat(&columns.collect::<Vec<_>>())?, options: None })
    });
    let by = by.into_iter().collect::<DeltaResult<Vec<_>>>()?;
    Ok(lexsort_to_indices(&by, None)?.values().iter().map(|&at| places[at as usize]).collect())
}
