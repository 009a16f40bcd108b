//! `GET /v1/districts/{code}/summary`: figures that equal the recount of the rows.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use suikang_registry::{Action, Role};
use suikang_schemas::decide::{Reason, Verdict};
use suikang_schemas::scan::{Direction, Scan, Shown};
use suikang_schemas::status::Status;

use crate::city::{AWAY, AWAY_GATE, City, GATE, HOME, WEEK_MS, now_ms};
use crate::exchange::{get, post};

const DAY_MS: i64 = 24 * 3_600_000;

fn scan(scanned_at_ms: i64, direction: Direction, verdict: Verdict, reasons: &[Reason]) -> Scan {
    Scan {
        scanned_at_ms,
        direction,
        shown: Shown::Screen,
        verdict,
        reasons: reasons.iter().map(|reason| reason.as_str().to_owned()).collect(),
        code_id: None,
        status: None,
        temperature_tenths_celsius: None,
        vehicle: None,
        offline: false,
    }
}

/// Yesterday at an hour of the city's day: all of it is past, whenever the test runs.
fn yesterday(hour: i64) -> i64 {
    let offset_ms = 8 * 3_600_000;
    let midnight_ms = (now_ms() + offset_ms).div_euclid(DAY_MS) * DAY_MS - offset_ms;
    midnight_ms - DAY_MS + hour * 3_600_000
}

fn date(at_ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(at_ms + 8 * 3_600_000).unwrap().format("%Y-%m-%d").to_string()
}

/// Two districts with scans of yesterday and today, some handed in twice, and codes, some superseded or expired.
async fn living_city() -> City {
    let city = City::new().await;
    let (entry, exit) = (Direction::Entry, Direction::Exit);
    let scans = vec![
        scan(yesterday(7), entry, Verdict::Admit, &[]),
        scan(yesterday(7), exit, Verdict::Admit, &[]),
        scan(yesterday(23), entry, Verdict::Refer, &[Reason::Health, Reason::Fever]),
        scan(yesterday(24), entry, Verdict::Refuse, &[Reason::Forged]),
    ];
    city.scan(1, 1, GATE, scans.clone()).await;
    city.scan(1, 1, GATE, scans).await;
    city.scan(2, 1, AWAY_GATE, vec![scan(yesterday(12), entry, Verdict::Admit, &[])]).await;

    for (committee, status, age_ms) in
        [(HOME, Status::Green, 0), (HOME, Status::Red, 0), (HOME, Status::Green, 2 * WEEK_MS), (AWAY, Status::Green, 0)]
    {
        let subject = city.person("somebody", committee, None).await;
        city.issue_at(subject, committee, status, now_ms() - age_ms).await;
    }
    let renewing = city.person("somebody", HOME, None).await;
    city.issue(renewing, HOME, Status::Green).await;
    city.issue(renewing, HOME, Status::Amber).await;
    city.settle().await;
    city
}

fn analyst(city: &City) -> String {
    city.token(Role::DistrictAnalyst, "440106", "analyst")
}

fn of_both_days() -> String {
    format!("/v1/districts/440106/summary?from={}", date(yesterday(0)))
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_by_day_and_hour_and_equal_the_recount_in_sql() {
    let city = living_city().await;
    let summary = city.send(get(of_both_days()).bearer(&analyst(&city))).await.json();
    assert_eq!((&summary["district"], &summary["name_zh"]), (&json!("440106"), &json!("天河区")));
    assert_eq!(summary["verdicts"], json!({"admit": 2, "refer": 1, "refuse": 1}), "each scan once");
    assert_eq!(summary["reasons"], json!({"fever": 1, "forged": 1, "health": 1}));
    assert_eq!((&summary["entries"], &summary["exits"], &summary["fevers"]), (&json!(3), &json!(1), &json!(1)));
    assert_eq!(summary["status"], json!({"green": 1, "amber": 1, "red": 1}), "what stands, not what was");
    let coverage = &summary["coverage"];
    assert_eq!((&coverage["declared"], &coverage["population"]), (&json!(4), &json!(2_241_826)));
    assert_eq!(coverage["population_as_of"], "2020-11-01");
    assert!(coverage["source"].as_str().unwrap().contains("第七次全国人口普查"));

    let [before, today] = summary["days"].as_array().unwrap().as_slice() else { panic!("{summary}") };
    assert_eq!((&before["date"], &today["date"]), (&json!(date(yesterday(0))), &json!(date(yesterday(24)))));
    assert_eq!((&before["entries_by_hour"][7], &before["entries_by_hour"][23]), (&json!(1), &json!(1)));
    assert_eq!((&before["exits_by_hour"][7], &today["entries_by_hour"][0]), (&json!(1), &json!(1)));
    assert_eq!((&before["state"], &today["state"]), (&json!("final"), &json!("provisional")));
    assert_eq!((&summary["state"], &summary["lag_records"]), (&json!("provisional"), &json!(0)));
    assert!(summary["as_of"].as_str().unwrap().ends_with("+08:00"));

    let rows = |sql: &str| {
        let question = post("/v1/sql", &json!({"sql": sql})).bearer(&city.investigator());
        let answer = city.send(question);
        async move {
            let rows = answer.await.json()["rows"].as_array().unwrap().clone();
            let pair = |row: &Value| (row["word"].as_str().unwrap().to_owned(), row["n"].clone());
            Value::Object(rows.iter().map(pair).collect())
        }
    };
    let recount = "SELECT verdict AS word, count(*) AS n FROM scans WHERE district = '440106' GROUP BY verdict";
    assert_eq!(rows(recount).await, summary["verdicts"]);
    let recount = "SELECT unnest(reasons) AS word, count(*) AS n FROM scans WHERE district = '440106' GROUP BY 1";
    assert_eq!(rows(recount).await, summary["reasons"]);
    let recount = "SELECT status AS word, count(*) AS n FROM
        (SELECT *, row_number() OVER (PARTITION BY subject_ref ORDER BY declaration_offset DESC) AS nth FROM outcomes
          WHERE result = 'issued')
        WHERE nth = 1 AND district = '440106' AND expires_at > now() GROUP BY status";
    assert_eq!(rows(recount).await, summary["status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_holds_the_same_figures() {
    let city = living_city().await;
    let summary = city.send(get(of_both_days()).bearer(&analyst(&city))).await.json();
    let by_header = get(of_both_days()).bearer(&analyst(&city)).header("accept", "text/csv");
    let by_query = get(format!("{}&format=csv", of_both_days())).bearer(&analyst(&city));
    let table = city.send(by_header).await;
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(table.header("vary"), "accept");
    let text = table.text().strip_prefix('\u{feff}').expect("a byte order mark");
    assert_eq!(city.send(by_query).await.text().lines().count(), table.text().lines().count());

    let mut sums: BTreeMap<(String, String), i64> = BTreeMap::new();
    for row in csv::Reader::from_reader(text.as_bytes()).deserialize() {
        let row: BTreeMap<String, String> = row.unwrap();
        assert_eq!((row["district"].as_str(), row["name_zh"].as_str()), ("440106", "天河区"));
        let item = if row["item"].parse::<u8>().is_ok() { String::new() } else { row["item"].clone() };
        *sums.entry((row["measure"].clone(), item)).or_default() += row["count"].parse::<i64>().unwrap();
    }
    let sum = |measure: &str, item: &str| json!(sums.get(&(measure.to_owned(), item.to_owned())));
    for (measure, words) in
        [("verdict", &summary["verdicts"]), ("reason", &summary["reasons"]), ("status", &summary["status"])]
    {
        for (word, count) in words.as_object().unwrap() {
            assert_eq!(sum(measure, word), *count, "{measure} {word}");
        }
    }
    for total in ["entries", "exits", "fevers"] {
        assert_eq!(sum(total, ""), summary[total], "{total}");
    }
    assert_eq!(sum("declared", ""), summary["coverage"]["declared"]);
    assert_eq!(sum("population", summary["coverage"]["source"].as_str().unwrap()), 2_241_826);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_figures_is_told_so_until_they_change() {
    let city = living_city().await;
    let ask = || get(of_both_days()).bearer(&analyst(&city));
    let etag = city.send(ask()).await.header("etag").to_owned();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let again = city.send(ask().header("if-none-match", &etag)).await;
    assert_eq!((again.status.as_u16(), again.bytes.len()), (304, 0), "time alone changes nothing");
    assert_eq!(again.header("etag"), etag);
    let table = city.send(ask().header("if-none-match", &etag).header("accept", "text/csv")).await;
    assert_eq!(table.status, 200, "another form has another tag");

    city.scan(3, 1, GATE, vec![scan(yesterday(24), Direction::Entry, Verdict::Admit, &[])]).await;
    city.settle().await;
    let changed = city.send(ask().header("if-none-match", &etag)).await;
    assert_eq!(changed.json()["entries"], 4);
    assert_ne!(changed.header("etag"), etag);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_district_reads_its_own_and_cannot_tell_whether_there_are_others() {
    let city = living_city().await;
    let of = |code: &str| format!("/v1/districts/{code}/summary");
    let refusals = ["440104", "440199", "4401", "440106001", "110101", "x", "%FF"];
    let first = city.send(get(of("440104")).bearer(&analyst(&city))).await;
    assert_eq!(first.refused(), (404, "not_found".to_owned()));
    for code in refusals {
        assert_eq!(city.send(get(of(code)).bearer(&analyst(&city))).await, first, "{code}");
    }
    let headquarters = city.token(Role::HeadquartersAnalyst, "4401", "analyst");
    assert_eq!(city.send(get(of("440104")).bearer(&headquarters)).await.json()["district"], "440104");
    let entries: Vec<_> = city.audited().await.into_iter().map(|(entry, _)| entry).collect();
    assert!(entries.iter().all(|entry| entry.action == Action::ReadSummary.as_str()));
    let targets: Vec<_> = entries.iter().map(|entry| (entry.target.as_str(), entry.allowed)).collect();
    assert_eq!(
        targets,
        [
            ("440104", false),
            ("440104", false),
            ("440199", false),
            ("-", false),
            ("-", false),
            ("110101", false),
            ("-", false),
            ("440104", true)
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_makes_no_sense_says_where() {
    let city = City::new().await;
    for (query, refused, place) in [
        ("from=2020-02-30", (400, "invalid_query"), ""),
        ("form=2020-02-29", (400, "invalid_query"), ""),
        ("format=xls", (400, "invalid_query"), ""),
        ("to=9999-01-01", (422, "invalid_range"), "/to"),
        ("from=2020-02-29&to=2020-02-28", (422, "invalid_range"), "/from"),
        ("from=2020-01-01", (422, "invalid_range"), "/from"),
    ] {
        let answer = city.send(get(format!("/v1/districts/440106/summary?{query}")).bearer(&analyst(&city))).await;
        assert_eq!(answer.refused(), (refused.0, refused.1.to_owned()), "{query}");
        assert!(answer.text().contains(place));
    }
}
