//! `quickstart`: the first impression.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::json;

use super::test_home::{TestHome, python, signal};

#[test]
fn quickstart_shows_everything_and_leaves_nothing_running() {
    let home = TestHome::new();
    let output = home.run(&["quickstart", "--python", python()]);
    assert_eq!(output.code, Some(0), "{output:?}");
    for shown in [
        "Python ",
        "Environment ",
        "Server ",
        "= 45  (i64)",
        "(struct)",
        "= [(\"i\", 4), (\"s\", 4)]  (Vec<(String, u32)>)",
        "= [0.000, 0.479, 0.841, 0.997, 0.909]  (Vec<f32>)",
        "= ValueError: invalid literal for int() with base 10: 'seven'  (Error::Python)",
        "seen += 1, over http",
        "seen += 1, over pipe",
        "seen += 1, over rpc",
        "= 3  (usize)",
        "= [\"runtime-host\"]  (Vec<String>)",
        "Stop ",
        "in all",
    ] {
        assert!(output.stdout.contains(shown), "{shown} in {}", output.stdout);
    }
    assert!(
        output.stdout.lines().filter(|line| line.contains(" ms ")).count() >= 10,
        "each step says how long it took"
    );
    assert_eq!(home.json(&["status"]), json!([]));
    home.wait_until_no_process_is_left();
    let again = home.json(&["quickstart", "--python", python()]);
    assert_eq!(again["ok"], true, "a second time, in the same home");
}

#[test]
fn failing_step_is_named_and_ends_quickstart() {
    let home = TestHome::new();
    let output = home.run(&["quickstart", "--python", "/nowhere/python3"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.starts_with("error: step 1, the Python, failed\ncaused by: "), "{output:?}");

    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "runtime-host"]);
    let environment_python = home.root().join("environments/runtime-host/bin/python");
    std::fs::remove_file(&environment_python).unwrap();
    std::os::unix::fs::symlink("/bin/false", &environment_python).unwrap();
    let output = home.run(&["quickstart", "--python", python()]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("error: step 3, the server, failed\n"), "{output:?}");
    assert_eq!(home.json(&["status"]), json!([]));
}

#[test]
fn interruption_at_any_step_leaves_no_server() {
    let home = TestHome::with_runtime();
    for step in ["Python", "Environment", "Server", "Connect"] {
        let mut command = home.command(&["quickstart", "--python", python()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains(step)), "{step}");
        signal(child.id().into(), Signal::INT);
        // It may have been quicker than the signal; either way nothing stays.
        lines.for_each(drop);
        child.wait().unwrap();
        assert_eq!(home.json(&["status"]), json!([]), "after {step}");
        home.wait_until_no_process_is_left();
    }
}

#[test]
fn quickstart_changes_no_default() {
    let home = TestHome::with_runtime();
    let default = |home: &TestHome| {
        let runtimes = home.json(&["runtime", "list"]);
        let installed = runtimes["runtimes"].as_array().unwrap().clone();
        installed.into_iter().find(|runtime| runtime["default"] == true).map(|runtime| runtime["id"].clone())
    };
    let before = default(&home);
    assert!(before.is_some());
    let other = pythons().into_iter().find(|other| other != python());
    let Some(other) = other else { return eprintln!("skipped: there is one Python only") };
    for arguments in [&["quickstart"][..], &["quickstart", "--python", &other], &["quickstart", "--system"]] {
        assert_eq!(home.json(arguments)["ok"], true, "{arguments:?}");
        assert_eq!(default(&home), before, "{arguments:?}");
    }
}

/// The Pythons of this machine.
fn pythons() -> Vec<String> {
    let listed = TestHome::new().json(&["runtime", "list"]);
    let found = listed["found"].as_array().cloned().unwrap_or_default();
    found.iter().filter_map(|python| python["path"].as_str().map(str::to_owned)).collect()
}
