//! Declarations as the columns that a policy may ask about.
//!
//! ```text
//! age                Int32?       year of acceptance − year of birth, in the city's time
//! person_kind        Utf8         capacity, contact, declared_by, hubei_stay   Utf8
//! symptoms           List<Utf8>   none: an empty list
//! hubei_return_days  Int32?       days between return and acceptance
//! committee          Utf8         district   Utf8
//! hold               Utf8?        a standing hold's status
//! ```

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int32Array, ListBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::{DateTime, Datelike as _, FixedOffset};
use suikang_schemas::area::Level;
use suikang_schemas::declaration::{Declaration, DeclaredBy};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![
        Field::new("age", DataType::Int32, true),
        text("person_kind"),
        Field::new("symptoms", DataType::new_list(DataType::Utf8, true), false),
        text("hubei_stay"),
        Field::new("hubei_return_days", DataType::Int32, true),
        text("contact"),
        text("declared_by"),
        text("capacity"),
        text("committee"),
        text("district"),
        Field::new("hold", DataType::Utf8, true),
    ]))
});

/// What a policy sees.
pub fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// A row per declaration, in their order.
pub fn batch(declarations: &[&Declaration]) -> RecordBatch {
    let text = |of: fn(&Declaration) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(declarations.iter().map(|declaration| of(declaration))))
    };
    let mut symptoms = ListBuilder::new(StringBuilder::new());
    for declaration in declarations {
        symptoms.append_value(declaration.health.symptoms.iter().map(Some));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(declarations.iter().map(|declaration| age(declaration)).collect::<Int32Array>()),
        text(|declaration| &declaration.facts.person_kind),
        Arc::new(symptoms.finish()),
        text(|declaration| &declaration.health.hubei_stay),
        Arc::new(declarations.iter().map(|declaration| hubei_return_days(declaration)).collect::<Int32Array>()),
        text(|declaration| &declaration.health.contact),
        text(|declaration| match declaration.declared_by {
            DeclaredBy::Oneself => "self",
            DeclaredBy::Relative => "relative",
            DeclaredBy::Staff => "staff",
        }),
        text(|declaration| &declaration.residence.capacity),
        text(|declaration| declaration.residence.committee.as_str()),
        Arc::new(StringArray::from_iter_values(
            declarations
                .iter()
                .map(|d| d.residence.committee.ancestor(Level::District).map(String::from).unwrap_or_default()),
        )),
        Arc::new(declarations.iter().map(|d| d.facts.hold.map(|hold| hold.as_str())).collect::<StringArray>()),
    ];
    RecordBatch::try_new(schema(), columns).expect("the columns are the schema's")
}

fn accepted(declaration: &Declaration) -> DateTime<FixedOffset> {
    let city = FixedOffset::east_opt(8 * 3600).expect("eight hours is an offset");
    DateTime::from_timestamp_millis(declaration.accepted_at_ms).unwrap_or_default().with_timezone(&city)
}

fn age(declaration: &Declaration) -> Option<i32> {
    declaration.facts.birth_year.map(|birth_year| accepted(declaration).year() - birth_year)
}

fn hubei_return_days(declaration: &Declaration) -> Option<i32> {
    let today = accepted(declaration).num_days_from_ce() - DateTime::UNIX_EPOCH.num_days_from_ce();
    declaration.health.hubei_return_day.map(|returned| today - returned)
}
