//! Records become rows: each scan and each declaration once, in the log's order; where and when as columns; pseudonyms for whoever.
//!
//! A maker goes through one partition, in which all records of a device and of a subject lie. What is not the topic's event, or can't be true,
//! is passed over and told. Of what comes twice the first counts, so every reader of the same log makes the same rows.

mod columns;
mod declarations;
mod outcomes;
pub(crate) mod packed;
mod scans;
mod uploads;

use arrow::array::RecordBatch;
use suikang_schemas::DeclarationId;
use suikang_schemas::avro::DecodeError;
use suikang_schemas::columns::Decoder;
use suikang_schemas::scan::ScanUpload;
use suikang_stream::Record;

use crate::pseudonym::LakeSecret;
use crate::seen::{SeenDeclarations, SeenNumbers};
use crate::tables::Table;

pub(crate) use columns::{Possible, local_day_and_hour, rows_between};
pub(crate) use uploads::{Upload, Uploads, field, primitive};

/// Makes rows of one partition of one table, and remembers what it has counted.
#[derive(Debug)]
pub struct RowMaker {
    table: Table,
    secret: LakeSecret,
    /// Made for the first uploads.
    uploads: Option<Decoder<ScanUpload>>,
    numbers: SeenNumbers,
    declarations: SeenDeclarations,
}

/// What a run of records came to.
#[derive(Debug)]
pub struct Rows {
    /// The rows.
    pub batch: RecordBatch,
    /// Records that are not the topic's event, by index.
    pub poison: Vec<(usize, DecodeError)>,
}

impl RowMaker {
    /// A maker that has counted nothing.
    pub fn new(table: Table, secret: LakeSecret) -> Self {
        Self::knowing(table, secret, SeenNumbers::default())
    }

    /// A maker that has counted these scans, or these declarations' outcomes.
    pub(crate) fn knowing(table: Table, secret: LakeSecret, numbers: SeenNumbers) -> Self {
        Self { table, secret, uploads: None, numbers, declarations: SeenDeclarations::default() }
    }

    /// What it has counted by number.
    pub(crate) fn numbers(&self) -> &SeenNumbers {
        &self.numbers
    }

    /// Notes a scan or an outcome that the lake has.
    pub(crate) fn note_number(&mut self, numberer: i64, number: i64) {
        self.numbers.insert(numberer, number);
    }

    /// Notes a declaration that the lake has.
    pub(crate) fn note_declaration(&mut self, id: DeclarationId) {
        self.declarations.restore(id);
    }

    /// The rows of these records, with the table's columns.
    pub fn rows(&mut self, records: &[Record]) -> Rows {
        let Rows { batch, poison } = self.packed(records);
        let batch = packed::with_schema(&batch, &self.table.schema()).expect("packed texts are texts");
        Rows { batch, poison }
    }

    /// The rows of these records, packed.
    pub fn packed(&mut self, records: &[Record]) -> Rows {
        let mut poison = Vec::new();
        let batch = match self.table {
            Table::Scans => {
                let uploads = Uploads::decode(self.uploads.get_or_insert_default(), records, &mut poison);
                scans::rows(uploads, &mut self.numbers, &self.secret)
            }
            Table::Declarations => declarations::rows(records, &mut self.declarations, &self.secret, &mut poison),
            Table::Outcomes => {
                let (numbers, declarations) = (&mut self.numbers, &mut self.declarations);
                outcomes::rows(records, numbers, declarations, &self.secret, &mut poison)
            }
        };
        Rows { batch, poison }
    }
}
