//! Any bytes as a record of the log: reading never panics; what is read is written and read again as the same; and what the structs take, the
//! columns take.

use std::fmt::Debug;

use suikang_schemas::audit::AuditEntry;
use suikang_schemas::avro::{self, Event};
use suikang_schemas::columns;
use suikang_schemas::dead_letter::DeadLetter;
use suikang_schemas::declaration::Declaration;
use suikang_schemas::outcome::Outcome;
use suikang_schemas::registry_event::RegistryEvent;
use suikang_schemas::scan::ScanUpload;

/// Puts it to the target.
///
/// # Panics
/// If what must hold doesn't.
pub fn check(payload: &[u8]) {
    match avro::event_name(payload) {
        Ok(AuditEntry::NAME) => decode::<AuditEntry>(payload, true),
        Ok(DeadLetter::NAME) => decode::<DeadLetter>(payload, true),
        Ok(Declaration::NAME) => decode::<Declaration>(payload, true),
        Ok(Outcome::NAME) => decode::<Outcome>(payload, true),
        Ok(ScanUpload::NAME) => decode::<ScanUpload>(payload, true),
        // Nothing reads the registry as columns.
        Ok(RegistryEvent::NAME) => decode::<RegistryEvent>(payload, false),
        Ok(name) => panic!("{name} is an event that nothing here reads"),
        Err(error) => assert_eq!(avro::decode::<ScanUpload>(payload), Err(error)),
    }
}

fn decode<E: Event + PartialEq + Debug>(payload: &[u8], as_columns: bool) {
    let decoded = avro::decode::<E>(payload);
    if let Ok(event) = &decoded {
        let again = avro::decode::<E>(&avro::encode(event));
        assert_eq!(again.as_ref(), Ok(event), "written and read again");
    }
    if as_columns {
        let columns = columns::decode::<E>(&[payload]).expect("one row is within every limit of Arrow");
        assert!(decoded.is_err() || columns.poison.is_empty(), "the structs take it, the columns don't");
        assert_eq!(columns.batch.num_rows() + columns.poison.len(), 1);
    }
}
