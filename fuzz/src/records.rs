//! Genuine records of the log: the golden file of each event, and what a city's registry is told of first.

use std::mem;

use suikang_registry::{Snapshot, seed};
use suikang_schemas::avro;
use suikang_schemas::registry_event::RegistryEvent;

/// The golden files.
pub const GOLDEN: [&[u8]; 6] = [
    include_bytes!("../../schemas/golden/audit_entry.v1.avro"),
    include_bytes!("../../schemas/golden/dead_letter.v1.avro"),
    include_bytes!("../../schemas/golden/declaration.v1.avro"),
    include_bytes!("../../schemas/golden/outcome.v1.avro"),
    include_bytes!("../../schemas/golden/registry_event.v1.avro"),
    include_bytes!("../../schemas/golden/scan_upload.v1.avro"),
];

/// Records of every type, and of the registry one for each kind of change that seeding makes.
pub fn genuine() -> Vec<Vec<u8>> {
    let told: RegistryEvent =
        GOLDEN.into_iter().find_map(|golden| avro::decode(golden).ok()).expect("there is one of the registry");
    let mut changes = seed::missing(&Snapshot::default(), 0);
    changes.dedup_by_key(|change| mem::discriminant(change));
    let of_each_kind = changes.into_iter().map(|change| avro::encode(&RegistryEvent { change, ..told.clone() }));
    GOLDEN.into_iter().map(<[u8]>::to_vec).chain(of_each_kind).collect()
}
