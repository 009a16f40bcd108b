//! Every command that the READMEs and CONTRIBUTING.md show. Subcommands run on a living city, curl lines against it. What would run until it
//! is stopped, build, or run this very test is only resolved: `make -n` knows the target, `--help` the stage.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{DemoCity, demo_city, guide, suikang};

/// They run until they are stopped. `up` is the city of these tests; the walk runs the others.
const STAGES: [&str; 5] = ["up", "ingest", "issuer", "analytics", "api"];

/// The targets that may be shown, and what runs each. One that isn't here has no test.
const TARGETS: [(&str, &str); 9] = [
    ("run", "its program is the city of these tests"),
    ("walk", "walk.rs walks in short"),
    ("trials", "trials.rs inflicts some in short"),
    ("bench", "measures.rs measures in short"),
    ("fuzz", "no_bytes_panic and no_damaged_code_is_accepted try the same in short"),
    ("test", ".ci/run"),
    ("lint", ".ci/run"),
    ("setup", "the other targets do it first"),
    ("kafka", "tests start their broker by the same script"),
];

/// Where the READMEs say that the city is.
const DEMO_URL: &str = "http://127.0.0.1:8020";

/// Lines of shell blocks and `commands` within the text, without comments.
fn commands(text: &str) -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    for (index, part) in text.split("```").enumerate() {
        if index % 2 == 1 {
            let (language, block) = part.split_once('\n').unwrap();
            assert_eq!(language, "sh", "a block of another kind may hold commands that nobody runs");
            commands.extend(block.lines().map(|line| line.split(" #").next().unwrap().trim().to_owned()));
        } else {
            let spans = part.split('`').skip(1).step_by(2).map(str::trim);
            let programs = ["suikang ", "make ", "target/", "cargo ", "curl ", ".ci/", "INSTA_UPDATE="];
            commands.extend(spans.filter(|span| programs.iter().any(|it| span.starts_with(it))).map(str::to_owned));
        }
    }
    commands.remove("");
    commands
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_is_shown_works() {
    let city = demo_city().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = BTreeSet::new();
    for file in ["README.md", "README.zh-CN.md", "CONTRIBUTING.md"] {
        let found = commands(&std::fs::read_to_string(root.join(file)).unwrap());
        assert!(found.len() >= 5, "{file}: {found:?}");
        all.extend(found);
    }
    for command in all {
        try_command(city, root, &command);
    }
}

fn try_command(city: &DemoCity, root: &Path, command: &str) {
    let words: Vec<_> = command.split_whitespace().collect();
    let output = match words.as_slice() {
        ["curl", ..] => return assert!(!guide::copied(&command.replace(DEMO_URL, &city.url)).is_empty(), "{command}"),
        // Cargo inside of cargo would wait for itself: only that the package is there.
        ["cargo", "test", "-p", package] => return assert!(is_package(root, package), "{command}"),
        ["INSTA_UPDATE=always", "cargo", "test", "-p", "…"] => return,
        [".ci/run"] => return assert!(ci(root).contains("make lint test"), "{command}"),
        ["make"] => make(root, &[]),
        ["make", targets @ ..] => {
            assert!(targets.iter().all(|target| is_tested(root, target)), "nothing runs {command}");
            make(root, &[&["-n"], targets].concat())
        }
        ["suikang" | "target/debug/suikang", arguments @ .., stage] if STAGES.contains(stage) => {
            suikang(city.folder.path(), &[arguments, &[stage, "--help"]].concat())
        }
        ["suikang" | "target/debug/suikang", arguments @ ..] => suikang(city.folder.path(), arguments),
        _ => panic!("no test knows how to run: {command}"),
    };
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(!output.stdout.is_empty(), "{command} says nothing");
}

/// Whether `make` lists the target, and something runs what it stands for. A folder of that name is none.
fn is_tested(root: &Path, target: &str) -> bool {
    let listed = make(root, &[]).stdout;
    let is_listed =
        String::from_utf8(listed).unwrap().lines().any(|line| line.split_whitespace().nth(1) == Some(target));
    let run_by = TARGETS.iter().find(|(name, _)| *name == target).map(|(_, run_by)| *run_by);
    is_listed && run_by.is_some_and(|by| by != ".ci/run" || ci(root).contains(&format!(" {target}")))
}

fn ci(root: &Path) -> String {
    std::fs::read_to_string(root.join(".ci/run")).unwrap()
}

fn is_package(root: &Path, name: &str) -> bool {
    let folder = name.strip_prefix("suikang-").unwrap_or(".");
    std::fs::read_to_string(root.join(folder).join("Cargo.toml")).unwrap().contains(&format!("name = \"{name}\""))
}

fn make(root: &Path, arguments: &[&str]) -> Output {
    Command::new("make").args(arguments).current_dir(root).stdin(Stdio::null()).output().unwrap()
}
