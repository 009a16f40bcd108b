//! What measures the system, in short form: that it runs to its end, that what it counts is there, and that DuckDB answers as we do.

use std::path::Path;

use serde_json::Value;
use suikang_benchmarks::measure::history;
use tokio::process::Command;

use super::SUIKANG;

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_answered_as_duckdb_answers() {
    let plan = history::Plan { suikang: SUIKANG.into(), scans: 40_000, days: 2, rounds: 1, seed: 7, keep: None };
    let figures = history::history(&plan).await.unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(figures["writer"]["events"], 40_000);
    let answered = figures["questions"].as_array().unwrap().iter().filter(|question| question["rows"] != 0).count();
    assert_eq!(answered, 10, "{figures:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stage_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Path::new(SUIKANG).with_file_name("bench");
    assert!(bench.exists(), "cargo build --workspace --bins makes {}", bench.display());
    let mut command = Command::new(bench);
    command.args([
        "flow",
        "--people",
        "60",
        "--renewals",
        "300",
        "--checks",
        "300",
        "--uploads",
        "80",
        "--looks",
        "3",
        "--suikang",
        SUIKANG,
    ]);
    let output = command.arg("--save").arg(folder.path()).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let saved: Value = serde_json::from_slice(&std::fs::read(folder.path().join("flow.json")).unwrap()).unwrap();
    for stage in ["door", "checks", "issuer", "gateway", "writer"] {
        let events = saved["figures"][stage]["spent"]["events"].as_u64().unwrap();
        assert!(events >= 300, "{stage}: {saved:#}");
    }
    assert_eq!(saved["figures"]["fresh"]["looks"], 3);
}
