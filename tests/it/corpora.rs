//! What fuzzing has kept is put to its targets again (`fuzz/src/targets`), and what must hold of any bytes holds.

use std::panic;
use std::path::Path;

use suikang_fuzz::targets::{avro, csv, declaration, pass_code};

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let input = std::fs::read(&path).unwrap();
        assert!(panic::catch_unwind(|| check(&input)).is_ok(), "see above: {}", path.display());
        count += 1;
    }
    assert!(count >= 100, "{count} inputs in {}", folder.display());
}

#[test]
fn pass_codes() {
    replay("pass_code", pass_code::check);
}

#[test]
fn records() {
    replay("avro", avro::check);
}

#[test]
fn declarations() {
    replay("declaration", declaration::check);
}

#[test]
fn batches() {
    replay("csv", csv::check);
}
