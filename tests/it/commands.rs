//! Subcommands: help that teaches, refusals that say what to do, and what each is for.

use super::{SUIKANG, demo_city, suikang};

#[test]
fn every_subcommand_has_help_and_mistakes_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let help = suikang(folder.path(), &["--help"]);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for subcommand in [
        "up",
        "ingest",
        "issuer",
        "analytics",
        "api",
        "config",
        "topics",
        "tail",
        "keys",
        "token",
        "verify",
        "halt",
        "seed",
        "simulate",
        "reconcile",
        "completions",
    ] {
        assert!(help.contains(subcommand), "{subcommand} is not in the help");
        let output = suikang(folder.path(), &[subcommand, "--help"]);
        assert!(output.status.success() && output.stdout.len() > 100, "{subcommand}");
    }
    for (arguments, says) in [
        (&["--log", "redis://x", "topics", "describe"][..], "kafka://HOST:PORT"),
        (&["topics", "describe"], "there is no log at"),
        (&["token", "--role", "king"], "no such role"),
        (&["token", "--role", "operator"], "node.secret|token.key"),
        (&["--config", "absent.toml", "config", "show"], "no configuration file"),
        (&["simulate", "--speed=-1"], "a number above 0"),
        (&["tail", "nothing"], "no such topic"),
    ] {
        let output = suikang(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(says.split('|').any(|word| said.contains(word)), "{arguments:?}: {said}");
    }
}

#[test]
fn configuration_is_file_then_environment_then_flags() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.toml"), "node = \"file\"\n[http]\nlisten = \"127.0.0.1:1\"\n").unwrap();
    let show = |arguments: &[&str], node: Option<&str>| {
        let mut command = std::process::Command::new(SUIKANG);
        command.args(["--config", "a.toml"]).args(arguments).args(["config", "show"]).current_dir(folder.path());
        if let Some(node) = node {
            command.env("SUIKANG_NODE", node).env("SUIKANG_HTTP__GRACE_S", "3");
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(show(&[], None).contains("node = \"file\""));
    let shown = show(&[], Some("environment"));
    assert!(shown.contains("node = \"environment\"") && shown.contains("grace_s = 3") && shown.contains("127.0.0.1:1"));
    assert!(show(&["--node", "flag"], Some("environment")).contains("node = \"flag\""));

    std::fs::write(folder.path().join("a.toml"), "nod = \"typo\"\n").unwrap();
    let output = suikang(folder.path(), &["--config", "a.toml", "config", "show"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("nod"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_look_into_a_running_city() {
    let city = demo_city().await;
    let run = |arguments: &[&str]| {
        let output = suikang(city.folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["topics", "describe"]).contains("declarations"));
    let line = run(&["tail", "registry", "--from-start", "--limit", "3"]);
    assert_eq!(line.lines().count(), 3);
    assert!(run(&["tail", "registry"]).contains("\"sealed\":\"sealed\""), "sealed fields are shown as sealed");
    assert!(run(&["reconcile"]).contains("declarations appended"));
    assert!(run(&["config", "check"]).contains("keys"));
    assert!(run(&["completions", "bash"]).contains("suikang"));
    assert!(run(&["token", "--role", "operator"]).starts_with("sk1."));
    // A second writer is told so.
    let second = suikang(city.folder.path(), &["halt", "off"]);
    assert!(String::from_utf8_lossy(&second.stderr).contains("one writing process"));
}
