//! `session`: create, list, show a busy one, interrupt, restart, delete.

use serde_json::json;

use super::test_home::{TestHome, signal, wait_until};

#[test]
fn session_is_created_shown_interrupted_restarted_and_deleted() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let options = ["session", "create", "--label", "team=a", "--idle", "600", "--max-memory", "1000000000"];
    let id = home.success(&options).trim().to_owned();
    assert_eq!(home.success(&["eval", "--session", &id, "kept = 1; kept"]).trim(), "1");
    let found = home.json(&["session", "list"]);
    let mine = found.as_array().unwrap().iter().find(|session| session["sessionId"] == *id).unwrap();
    assert_eq!((&mine["labels"], &mine["sessionEpoch"]), (&json!({"team": "a"}), &json!(1)));

    let mut busy = home.command(&["eval", "--session", &id, "import time\ndef nap(): time.sleep(600)\nnap()"]);
    let mut busy = busy.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_until("the call is seen", || home.success(&["session", "show", &id]).contains(" in nap\n"));
    let waiting =
        home.command(&["eval", "--session", &id, "kept"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_until("the next call waits", || home.success(&["session", "show", &id]).contains(") has waited for "));
    assert!(home.success(&["session", "interrupt", &id]).contains("keeps its state"));
    assert_ne!(busy.wait().unwrap().code(), Some(0), "the call was interrupted");
    assert_eq!(waiting.wait_with_output().unwrap().stdout, b"1\n", "the next one runs");
    assert!(home.success(&["session", "interrupt", "--abort-queued", &id]).contains("No call was running"));

    let mut busy = home.command(&["eval", "--session", &id, "nap()"]);
    let mut busy = busy.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_until("the call is seen", || home.success(&["session", "show", &id]).contains(" in nap\n"));
    home.success(&["session", "restart", &id]);
    assert_eq!(busy.wait().unwrap().code(), Some(1), "the waiting client gets an error");
    let shown = home.success(&["session", "show", &id]);
    assert!(shown.contains("restarted: ") && !shown.contains("nap"), "{shown}");
    let gone = home.run(&["eval", "--session", &id, "kept"]);
    assert!(gone.code == Some(1) && gone.stderr.contains("NameError"), "{gone:?}");

    assert_eq!(home.json(&["session", "handles", &id]), json!([]));
    home.success(&["session", "delete", &id]);
    let output = home.run(&["session", "show", &id]);
    assert!(output.code == Some(1) && output.stderr.contains(&format!("there is no session '{id}'")), "{output:?}");
    home.success(&["stop"]);
    home.wait_until_no_process_is_left();
}

#[test]
fn limits_are_given_with_units() {
    let home = TestHome::with_runtime();
    let server = home.start(&["--timeout", "1m30s", "--drain", "1500ms", "--max-memory", "1GiB", "--max-body", "8M"]);
    let record = std::fs::read_dir(home.root().join("servers")).unwrap().flatten().map(|entry| entry.path());
    let record = record.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    let record = std::fs::read_to_string(record).unwrap();
    for kept in [r#""90""#, r#""1.5""#, r#""1073741824""#, r#""8388608""#] {
        assert!(record.contains(kept), "{kept} of {server} in {record}");
    }
    let id = home.success(&["session", "create", "--idle", "1h", "--max-memory", "512M"]).trim().to_owned();
    assert_eq!(home.success(&["eval", "--session", &id, "1"]).trim(), "1");
    let late = home.run(&["eval", "--session", &id, "--timeout", "1500ms", "while True: pass"]);
    assert_eq!(late.code, Some(124), "{late:?}");
}

#[test]
fn stopped_worker_is_not_idle() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let id = home.success(&["session", "create"]).trim().to_owned();
    let of = |home: &TestHome| {
        let sessions = home.json(&["session", "list"]);
        sessions.as_array().unwrap().iter().find(|session| session["sessionId"] == *id).unwrap().clone()
    };
    let pid = of(&home)["pid"].as_u64().unwrap();
    assert_eq!(of(&home).get("stopped"), None);
    signal(pid, rustix::process::Signal::STOP);
    wait_until("it is stopped", || of(&home)["stopped"] == true);
    let listed = home.success(&["session", "list"]);
    let row = listed.lines().find(|line| line.starts_with(&id)).unwrap();
    assert!(row.contains(" stopped "), "{listed}");
    let shown = home.success(&["session", "show", &id]);
    assert!(shown.contains("its worker is stopped, 0 under way"), "{shown}");
    assert!(shown.contains(&format!("`kill -CONT {pid}` continues it")) && !shown.contains("idle"), "{shown}");
    signal(pid, rustix::process::Signal::CONT);
    wait_until("it goes on", || of(&home).get("stopped").is_none());
}
