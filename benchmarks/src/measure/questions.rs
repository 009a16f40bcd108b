//! Ten questions that a headquarters would ask of a day, put to us and to DuckDB on the same files in turns; both must answer the same.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::cost::round;
use crate::simulate::Client;

/// Name and SQL; `{day}` stands for the date that is asked about.
pub const QUESTIONS: [(&str, &str); 10] = [
    ("entries by district and hour", include_str!("../../questions/entries.sql")),
    ("refusals by reason and gate", include_str!("../../questions/refusals.sql")),
    ("fevers by street and day", include_str!("../../questions/fevers.sql")),
    ("persons seen at many gates", include_str!("../../questions/wanderers.sql")),
    ("contacts within 15 minutes", include_str!("../../questions/contacts.sql")),
    ("status of those who entered", include_str!("../../questions/status.sql")),
    ("expired codes still shown", include_str!("../../questions/expired.sql")),
    ("first entries per hour", include_str!("../../questions/first_entries.sql")),
    ("vehicles with missing heads", include_str!("../../questions/vehicles.sql")),
    ("gates by growth", include_str!("../../questions/growth.sql")),
];

/// DuckDB in a process of its own, with the table's files.
struct Peer {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(lake: &Path) -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(root.join("../.tools/venv/bin/python"))
            .arg(root.join("questions/duckdb_peer.py"))
            .arg(lake.join("scans"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("python with DuckDB, as `make setup` installs it")?;
        let questions = child.stdin.take().context("a pipe")?;
        let answers = BufReader::new(child.stdout.take().context("a pipe")?);
        Ok(Self { child, questions, answers })
    }

    fn ask(&mut self, sql: &str) -> anyhow::Result<Value> {
        writeln!(self.questions, "{}", json!(sql))?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).context("DuckDB ended")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rows of an answer, and its time in milliseconds.
///
/// # Errors
/// If it isn't answered.
pub async fn ask(client: &Client, sql: &str) -> anyhow::Result<(Value, f64)> {
    let started = Instant::now();
    let mut answer = client.sql(sql).await?;
    Ok((answer["rows"].take(), started.elapsed().as_secs_f64() * 1e3))
}

/// Asks all of them in turns, so many rounds.
///
/// # Errors
/// If an answer differs.
pub async fn compare(client: &Client, lake: &Path, day: &str, rounds: usize) -> anyhow::Result<Value> {
    let mut peer = Peer::start(lake)?;
    let mut figures = Vec::new();
    for (name, sql) in QUESTIONS {
        let sql = sql.replace("{day}", day);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut rows = 0;
        for _ in 0..rounds {
            let (answer, ms) = ask(client, &sql).await?;
            ours.push(ms);
            let answered = peer.ask(&sql)?;
            let same = plain(&answer) == plain(&answered["rows"]);
            ensure!(same, "{name}: we answer {answer}\nDuckDB {answered}");
            theirs.push(answered["ms"].as_f64().context("ms")?);
            rows = answer.as_array().map_or(0, Vec::len);
        }
        let (ours, theirs) = (median(&mut ours), median(&mut theirs));
        eprintln!("bench: {name}: {ours:.0} ms, DuckDB {theirs:.0} ms");
        figures.push(json!({
            "question": name, "rows": rows, "ours_ms": round(ours), "duckdb_ms": round(theirs), "ratio": round(ours / theirs),
        }));
    }
    Ok(figures.into())
}

/// Values as text: one says a number where the other says it in quotes.
fn plain(rows: &Value) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |row: &Value| row.as_object().into_iter().flatten().map(|(_, value)| text(value)).collect();
    rows.as_array().into_iter().flatten().map(row).collect()
}

/// The one in the middle.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
