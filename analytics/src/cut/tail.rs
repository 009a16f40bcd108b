//! The tail: rows that the lake doesn't have, in few batches, however small the steps in which they came.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use suikang_stream::NextOffsets;

use crate::rows::rows_between;

/// Batches of this many rows are left as they are.
const FULL: usize = 64 * 1024;

/// Rows in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    batches: Vec<RecordBatch>,
    rows: usize,
}

impl Tail {
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// Adds rows. Neighbours of like size become one, so each row is copied a few times at most and the batches stay few.
    pub(super) fn push(&mut self, batch: RecordBatch) {
        if batch.num_rows() == 0 {
            return;
        }
        self.rows += batch.num_rows();
        self.batches.push(batch);
        while let [.., former, last] = self.batches.as_slice()
            && former.num_rows() <= last.num_rows() * 2
            && former.num_rows() + last.num_rows() <= FULL
        {
            let merged = concat_batches(&last.schema(), [former, last]).expect("batches of one table");
            self.batches.truncate(self.batches.len() - 2);
            self.batches.push(merged);
        }
    }

    /// Lets go everything before these positions.
    pub(super) fn advance(&mut self, positions: &NextOffsets) {
        let kept = std::mem::take(self).batches;
        kept.iter().filter_map(|batch| rows_between(batch, positions)).for_each(|batch| self.push(batch));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray as _, Int32Array, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;

    fn rows(kafka_partition: i32, offsets: std::ops::Range<i64>) -> RecordBatch {
        let fields = vec![
            Field::new("kafka_partition", DataType::Int32, false),
            Field::new("kafka_offset", DataType::Int64, false),
        ];
        let partitions = Int32Array::from_iter_values(offsets.clone().map(|_| kafka_partition));
        let offsets = Int64Array::from_iter_values(offsets);
        RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![Arc::new(partitions), Arc::new(offsets)]).unwrap()
    }

    fn offsets(tail: &Tail) -> Vec<i64> {
        let of = |batch: &RecordBatch| batch.column(1).as_primitive::<Int64Type>().values().to_vec();
        tail.batches().iter().flat_map(of).collect()
    }

    #[test]
    fn a_tail_of_small_steps_has_few_batches_and_loses_nothing() {
        let mut tail = Tail::default();
        for step in 0..5_000 {
            tail.push(rows(0, step * 3..step * 3 + 3));
        }
        assert_eq!(offsets(&tail), (0..15_000).collect::<Vec<_>>());
        assert!(tail.batches().len() < 20, "{} batches", tail.batches().len());
        tail.push(rows(1, 0..2));
        tail.advance(&NextOffsets::from([(0, 14_999)]));
        assert_eq!(offsets(&tail), [14_999, 0, 1]);
        assert_eq!(tail.rows(), 3);
        tail.advance(&NextOffsets::from([(0, 15_000), (1, 2)]));
        assert_eq!((tail.rows(), tail.batches().len()), (0, 0));
    }
}
