//! The lake's tables: their topic, their columns, what a column means.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use suikang_schemas::Topic;

/// A table of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// A row per scan.
    Scans,
    /// A row per declaration; its retries have none.
    Declarations,
    /// A row per declaration: what became of it.
    Outcomes,
}

/// The column that files are partitioned by: the city's date on which it happened.
pub const PARTITION_COLUMN: &str = "local_date";

impl Table {
    /// Every table.
    pub const ALL: [Table; 3] = [Table::Scans, Table::Declarations, Table::Outcomes];

    /// Its name in SQL and in the lake.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Scans => "scans",
            Table::Declarations => "declarations",
            Table::Outcomes => "outcomes",
        }
    }

    /// Where its rows come from.
    pub const fn topic(self) -> Topic {
        match self {
            Table::Scans => Topic::Scans,
            Table::Declarations => Topic::Declarations,
            Table::Outcomes => Topic::Codes,
        }
    }

    /// Its columns.
    pub fn schema(self) -> SchemaRef {
        Arc::clone(match self {
            Table::Scans => &SCANS,
            Table::Declarations => &DECLARATIONS,
            Table::Outcomes => &OUTCOMES,
        })
    }

    /// Files are sorted by these: place, then time.
    pub(crate) const fn sort_columns(self) -> [&'static str; 2] {
        match self {
            Table::Scans => ["checkpoint", "scanned_at"],
            Table::Declarations | Table::Outcomes => ["committee", "accepted_at"],
        }
    }

    /// Who numbers its rows, and the number: together a row's identity for ever.
    pub(crate) const fn number_columns(self) -> Option<(&'static str, &'static str)> {
        match self {
            Table::Scans => Some(("device_epoch", "seq")),
            Table::Outcomes => Some(("declaration_kafka_partition", "declaration_offset")),
            Table::Declarations => None,
        }
    }

    /// Whether its rows are about declarations, which may come again within a day.
    pub(crate) const fn has_declarations(self) -> bool {
        !matches!(self, Table::Scans)
    }

    /// What it holds, in Chinese and English.
    pub const fn comment(self) -> &'static str {
        match self {
            Table::Scans => "查验记录，每次查验一行 one row per scan at a checkpoint",
            Table::Declarations => "申报，每份申报一行 one row per declaration",
            Table::Outcomes => "申报结果，每份申报一行 what became of each declaration",
        }
    }
}

/// The same columns, with texts of this type.
pub(crate) fn with_texts(schema: &Schema, texts: &DataType) -> SchemaRef {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(texts.clone())),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// Times in the lake.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn field(name: &str, of: DataType, nullable: bool) -> Field {
    Field::new(name, of, nullable)
}

fn text(name: &str) -> Field {
    field(name, DataType::Utf8, false)
}

fn optional_text(name: &str) -> Field {
    field(name, DataType::Utf8, true)
}

fn number(name: &str) -> Field {
    field(name, DataType::Int64, false)
}

fn words(name: &str) -> Field {
    field(name, DataType::new_list(DataType::Utf8, true), true)
}

fn when_and_where(moment: &str) -> Vec<Field> {
    vec![
        field(moment, timestamp(), false),
        field(PARTITION_COLUMN, DataType::Date32, false),
        field("local_hour", DataType::Int32, false),
        text("district"),
        text("street"),
        text("committee"),
        optional_text("community"),
    ]
}

fn position() -> Vec<Field> {
    vec![field("kafka_partition", DataType::Int32, false), number("kafka_offset")]
}

fn schema(parts: Vec<Vec<Field>>) -> SchemaRef {
    Arc::new(Schema::new(parts.concat()))
}

static SCANS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        when_and_where("scanned_at"),
        vec![
            number("device_epoch"),
            number("seq"),
            field("received_at", timestamp(), false),
            text("checkpoint"),
            text("direction"),
            text("shown"),
            text("verdict"),
            words("reasons"),
            field("code_ref", DataType::Int64, true),
            optional_text("status"),
            field("temperature_tenths_celsius", DataType::Int32, true),
            field("vehicle_group", DataType::Int64, true),
            field("plate_ref", DataType::Int64, true),
            field("vehicle_heads", DataType::Int32, true),
            field("offline", DataType::Boolean, false),
        ],
        position(),
    ])
});

static DECLARATIONS: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        when_and_where("accepted_at"),
        vec![
            text("declaration_id"),
            number("subject_ref"),
            text("declared_by"),
            optional_text("inadmissible"),
            field("policy_version", DataType::Int32, false),
            field("birth_year", DataType::Int32, true),
            text("person_kind"),
            text("capacity"),
            words("symptoms"),
            text("hubei_stay"),
            field("hubei_return", DataType::Date32, true),
            text("contact"),
            optional_text("hold"),
        ],
        position(),
    ])
});

static OUTCOMES: LazyLock<SchemaRef> = LazyLock::new(|| {
    schema(vec![
        when_and_where("accepted_at"),
        vec![
            text("declaration_id"),
            number("subject_ref"),
            text("result"),
            optional_text("rejection"),
            optional_text("status"),
            words("reasons"),
            field("policy_version", DataType::Int32, true),
            field("code_ref", DataType::Int64, true),
            field("expires_at", timestamp(), true),
            field("declaration_kafka_partition", DataType::Int32, false),
            number("declaration_offset"),
        ],
        position(),
    ])
});
