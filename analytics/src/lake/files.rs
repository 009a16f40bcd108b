//! Rows become Parquet files that nothing refers to yet: one a day, sorted by place and time, so that a reader of one place or hour passes
//! over most of them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::TimestampMicrosecondType;
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
        let order = order(table, &rows);
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

/// Batch and row of each row, in the order of the table's files: by place, then by time.
fn order(table: Table, rows: &[RecordBatch]) -> Vec<(usize, usize)> {
    let column = |batch: &RecordBatch, name| Arc::clone(batch.column_by_name(name).expect("a column of the table"));
    let [place, time] = table.sort_columns();
    let places: Vec<_> = rows.iter().map(|batch| column(batch, place)).collect();
    let mut ranks = ranks(places.iter().flat_map(|places| places.as_string::<i32>()).flatten()).into_iter();
    let mut order = Vec::with_capacity(ranks.len());
    for (batch, rows) in rows.iter().enumerate() {
        let times = column(rows, time);
        let times = times.as_primitive::<TimestampMicrosecondType>().values();
        order.extend(
            times.iter().enumerate().zip(ranks.by_ref()).map(|((row, &time), rank)| ((rank, time), (batch, row))),
        );
    }
    // Rows of a device come in their order: a stable sort makes use of that.
    order.sort_by_key(|(by, _)| *by);
    order.into_iter().map(|(_, place)| place).collect()
}

/// Each text's place among the different ones, in their order. Neighbours are mostly alike.
fn ranks<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<usize> {
    let mut numbers = HashMap::new();
    let mut last = None;
    let numbered: Vec<usize> = texts
        .map(|text| match last {
            Some((former, number)) if former == text => number,
            _ => {
                let next = numbers.len();
                let number = *numbers.entry(text).or_insert(next);
                last = Some((text, number));
                number
            }
        })
        .collect();
    let mut different: Vec<_> = numbers.into_iter().collect();
    different.sort_unstable();
    let mut ranks = vec![0; different.len()];
    for (rank, (_, number)) in different.into_iter().enumerate() {
        ranks[number] = rank;
    }
    numbered.into_iter().map(|number| ranks[number]).collect()
}
