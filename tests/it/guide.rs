//! Every line that `suikang up --demo` prints to copy, copied.

use std::process::Command;

use super::demo_city;

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_the_guide_works_as_it_stands() {
    let city = demo_city().await;
    let said = city.said();
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert!(lines.len() >= 5, "{said}");
    for line in lines {
        let body = copied(line);
        let json: serde_json::Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{line}\n{body}"));
        assert!(json.is_object());
    }
}

/// What a shell into which a curl line is copied says; a refusal by the server is a failure.
pub(super) fn copied(line: &str) -> String {
    let failing = line.replacen("curl ", "curl -sS --fail-with-body ", 1);
    let output = Command::new("bash").args(["-c", &failing]).output().unwrap();
    let body = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}\n{body}\n{}", String::from_utf8_lossy(&output.stderr));
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_shows_every_district_at_once() {
    let city = demo_city().await;
    let page = super::http().get(&city.url).send().await.unwrap().text().await.unwrap();
    for district in
        ["荔湾区", "越秀区", "海珠区", "天河区", "白云区", "黄埔区", "番禺区", "花都区", "南沙区", "从化区", "增城区"]
    {
        assert!(page.contains(district), "{district} is missing");
    }
}
