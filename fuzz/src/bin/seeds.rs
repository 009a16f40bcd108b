//! Writes the seeds: `seeds TARGET FOLDER` puts genuine inputs of a target there, and such as people get wrong; the same every time.

use std::path::Path;
use std::{env, fs, io};

// It runs no target, but is compiled like them, and what is compiled so reports to libFuzzer.
use libfuzzer_sys as _;
use suikang_fuzz::{forms, records, vectors};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [target, folder] = arguments.as_slice() else { panic!("usage: seeds TARGET FOLDER") };
    let texts = |texts: Vec<String>| texts.into_iter().map(String::into_bytes).collect();
    let seeds: Vec<Vec<u8>> = match target.as_str() {
        "pass_code" => texts(vectors::read().texts),
        "avro" => records::genuine(),
        "declaration" => texts(forms::declarations()),
        "csv" => texts(forms::spreadsheets()),
        _ => panic!("no target {target}"),
    };
    fs::create_dir_all(folder)?;
    seeds
        .iter()
        .zip(1..)
        .try_for_each(|(seed, number)| fs::write(Path::new(folder).join(format!("seed-{number:03}")), seed))
}
