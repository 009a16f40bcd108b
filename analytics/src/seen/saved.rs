//! Seen numbers in a file, so that a restart needn't read the whole table: everything before an offset of one partition.
//!
//! `<lake>/_seen/<table>/<kafka_partition>.parquet` has a row per interval (`numberer`, `first`, `last`), and in its metadata the partition's
//! next offset. The file is derived: one that is missing, unreadable or of another version is made anew from the table. Whoever restores an
//! older lake deletes the folder `_seen`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray as _, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use deltalake::parquet::arrow::ArrowWriter;
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use deltalake::parquet::basic::{Compression, ZstdLevel};
use deltalake::parquet::file::metadata::KeyValue;
use deltalake::parquet::file::properties::WriterProperties;

use super::SeenNumbers;
use crate::fail_points::{BEFORE_SEEN, SEEN_BESIDE, fail_point};
use crate::lake::LakeError;
use crate::tables::Table;

const NEXT_OFFSET: &str = "suikang.next_offset";
const VERSION: &str = "suikang.seen_version";
/// What [`VERSION`] says now.
const CURRENT: &str = "1";

/// Where the numbers of a partition are saved.
fn path(lake: &Path, table: Table, kafka_partition: i32) -> PathBuf {
    lake.join("_seen").join(table.name()).join(format!("{kafka_partition}.parquet"))
}

/// Saves the numbers of everything before `next_offset`; the former file is there until the new one is on disk for good.
///
/// # Errors
/// If the file can't be written.
pub(crate) fn save(
    lake: &Path,
    table: Table,
    kafka_partition: i32,
    next_offset: i64,
    seen: &SeenNumbers,
) -> Result<(), LakeError> {
    fail_point(BEFORE_SEEN);
    let path = path(lake, table, kafka_partition);
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let written = (|| {
        let folder = path.parent().unwrap_or(lake);
        std::fs::create_dir_all(folder)?;
        let file = File::create(&beside)?;
        write(file.try_clone()?, next_offset, seen)?;
        file.sync_all()?;
        fail_point(SEEN_BESIDE);
        std::fs::rename(&beside, &path)?;
        File::open(folder)?.sync_all()
    })();
    written.map_err(|error| LakeError::Io { path, error })
}

/// The next offset and the numbers that were saved, if they can be used.
pub(crate) fn load(lake: &Path, table: Table, kafka_partition: i32) -> Option<(i64, SeenNumbers)> {
    let path = path(lake, table, kafka_partition);
    let file = File::open(&path).ok()?;
    let read = read(file);
    if read.is_none() {
        tracing::warn!(path = %path.display(), "saved numbers cannot be used; they are made anew from the table");
    }
    read
}

fn write(file: File, next_offset: i64, seen: &SeenNumbers) -> std::io::Result<()> {
    let mut ranges: Vec<_> = seen.ranges().collect();
    ranges.sort_unstable();
    let columns = [
        Int64Array::from_iter_values(ranges.iter().map(|range| range.0)),
        Int64Array::from_iter_values(ranges.iter().map(|range| range.1)),
        Int64Array::from_iter_values(ranges.iter().map(|range| range.2)),
    ];
    let fields = ["numberer", "first", "last"].map(|name| Field::new(name, DataType::Int64, false));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.map(|column| Arc::new(column) as _).to_vec())
        .map_err(std::io::Error::other)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("1 is a level")))
        .set_key_value_metadata(Some(vec![
            KeyValue::new(VERSION.to_owned(), CURRENT.to_owned()),
            KeyValue::new(NEXT_OFFSET.to_owned(), next_offset.to_string()),
        ]))
        .build();
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

fn read(file: File) -> Option<(i64, SeenNumbers)> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).ok()?;
    let metadata = builder.metadata().file_metadata().key_value_metadata()?.clone();
    let value = |key: &str| metadata.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.as_deref());
    if value(VERSION) != Some(CURRENT) {
        return None;
    }
    let next_offset = value(NEXT_OFFSET)?.parse().ok()?;
    let mut seen = SeenNumbers::default();
    for batch in builder.build().ok()? {
        let batch = batch.ok()?;
        let column = |name| batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
        let (numberers, firsts, lasts) = (column("numberer")?, column("first")?, column("last")?);
        for ((&numberer, &first), &last) in numberers.values().iter().zip(firsts.values()).zip(lasts.values()) {
            seen.insert_all(numberer, first, last);
        }
    }
    Some((next_offset, seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_what_is_broken_is_not() {
        let lake = tempfile::tempdir().unwrap();
        let mut seen = SeenNumbers::default();
        for (numberer, first, last) in [(-7, 1, 40), (-7, 44, 44), (i64::MAX, 1, 2)] {
            seen.insert_all(numberer, first, last);
        }
        assert_eq!(load(lake.path(), Table::Scans, 3), None);
        save(lake.path(), Table::Scans, 3, 17, &SeenNumbers::default()).unwrap();
        save(lake.path(), Table::Scans, 3, 18, &seen).unwrap();
        assert_eq!(load(lake.path(), Table::Scans, 3), Some((18, seen)));
        assert_eq!(load(lake.path(), Table::Outcomes, 3), None);

        let file = path(lake.path(), Table::Scans, 3);
        let bytes = std::fs::read(&file).unwrap();
        for length in [0, 4, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&file, &bytes[..length]).unwrap();
            assert_eq!(load(lake.path(), Table::Scans, 3), None, "cut to {length} bytes");
        }
    }
}
