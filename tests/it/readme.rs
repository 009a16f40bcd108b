//! Every command of the READMEs, run. What `make` builds and starts is only resolved here: `run` is the city of these tests, `walk` has a
//! test of its own, `test` and `lint` are what runs this.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{demo_city, suikang};

/// They run until they are stopped: the walk runs each of them.
const STAGES: [&str; 5] = ["up", "ingest", "issuer", "analytics", "api"];

/// Lines of shell blocks and `commands` within the text, without comments.
fn commands(readme: &str) -> BTreeSet<String> {
    let mut commands = BTreeSet::new();
    for (index, part) in readme.split("```").enumerate() {
        if let Some(block) = part.strip_prefix("sh\n").filter(|_| index % 2 == 1) {
            commands.extend(block.lines().map(|line| line.split(" #").next().unwrap().trim().to_owned()));
        } else if index % 2 == 0 {
            let spans = part.split('`').skip(1).step_by(2).map(str::trim);
            let shown = spans.filter(|span| ["suikang ", "make ", "target/"].iter().any(|with| span.starts_with(with)));
            commands.extend(shown.map(str::to_owned));
        }
    }
    commands.remove("");
    commands
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_readmes_works() {
    let city = demo_city().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = BTreeSet::new();
    for readme in ["README.md", "README.zh-CN.md"] {
        let found = commands(&std::fs::read_to_string(root.join(readme)).unwrap());
        assert!(found.len() >= 5, "{readme}: {found:?}");
        all.extend(found);
    }
    for command in all {
        let words: Vec<_> = command.split_whitespace().collect();
        let output = match words.as_slice() {
            ["make"] => make(root, &[]),
            ["make", targets @ ..] => make(root, &[&["-n"], targets].concat()),
            ["suikang" | "target/debug/suikang", stage] if STAGES.contains(stage) => {
                suikang(city.folder.path(), &[stage, "--help"])
            }
            ["suikang" | "target/debug/suikang", arguments @ ..] => suikang(city.folder.path(), arguments),
            _ => panic!("no test knows how to run: {command}"),
        };
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{command} says nothing");
    }
}

fn make(root: &Path, arguments: &[&str]) -> std::process::Output {
    Command::new("make").args(arguments).current_dir(root).stdin(Stdio::null()).output().unwrap()
}
