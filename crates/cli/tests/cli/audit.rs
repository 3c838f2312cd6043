//! `start --audit`: who called what, when, and with what outcome.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::test_home::{TestHome, get, port_of};

fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// The beginnings of these operations, with the outcome of their ends.
fn calls(file: &Path, operation: &str) -> Vec<Value> {
    let all = lines(file);
    let ended = |call: &Value| all.iter().find(|line| line["call"] == *call && line["stage"] == "end");
    let begun = all.iter().filter(|line| line["stage"] == "begin" && line["operation"] == operation);
    let joined = begun.map(|begun| {
        let end = ended(&begun["call"]);
        let mut begun = begun.clone();
        begun["outcome"] = end.map_or(Value::Null, |end| end["outcome"].clone());
        begun["session"] = end.map_or(Value::Null, |end| end["session"].clone());
        begun
    });
    joined.collect()
}

#[test]
fn each_call_is_told_on_every_wire_with_who_made_it_and_what_became_of_it() {
    // Of `1 + 1`, by sha256sum.
    const HASH: &str = "72fce59447a01f488b1169d2d742679cfe306a89772d67fef018bcfe95431f68";
    let (home, elsewhere) = (TestHome::with_runtime(), TestHome::new());
    let file = home.directory().join("audit");
    let path = file.to_str().unwrap();
    let ports = ["--port", "0", "--rpc-port", "0"];
    let server =
        home.json(&[&["start", "http", "pipe", "rpc", "--require-token", "--audit", path][..], &ports].concat());
    let endpoints = server["endpoints"].as_array().unwrap();
    assert_eq!(endpoints.len(), 3, "{server}");
    let token = home.json(&["token", "create", "ci"])["token"].as_str().unwrap().to_owned();
    for (number, endpoint) in endpoints.iter().enumerate() {
        let server = endpoint["url"].as_str().unwrap();
        // In the server's own home the default token is at hand.
        let (client, token_name) = if number == 0 { (&elsewhere, "ci") } else { (&home, "default") };
        let eval = |code: &str| {
            let mut command = client.command(&["eval", "--session", "default", "--server", server, code]);
            command.env("BEEP_PYTHON_TOKEN", &token).output().unwrap()
        };
        assert!(eval("1 + 1").status.success());
        eval("1 / 0");
        let told = calls(&file, "eval");
        let told = &told[2 * number..];
        assert_eq!(told.len(), 2, "{server}: {told:?}");
        assert_eq!((&told[0]["sha256"], &told[0]["outcome"]), (&json!(HASH), &json!("ok")), "{server}");
        assert_eq!(told[1]["outcome"], "python_exception", "{server}");
        for call in told {
            assert_eq!((&call["token"], &call["session"]), (&json!(token_name), &json!("default")), "{server}");
            assert!(call["peer"].is_string() && call["time"].is_string() && call["request_id"].is_string(), "{call}");
        }
    }
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("1 + 1") && !text.contains(&token), "{text}");
    home.success(&["stop"]);
}

#[test]
fn requests_to_the_host_are_told_without_what_is_secret() {
    let home = TestHome::with_runtime();
    let file = home.directory().join("audit");
    home.success(&["start", "http", "--port", "0", "--audit", file.to_str().unwrap()]);
    let id = home.json(&["session", "create", "--env", "KEY=secret", "--label", "owner=me"])["sessionId"].clone();
    home.success(&["session", "delete", id.as_str().unwrap()]);
    let created = calls(&file, "session_create");
    assert_eq!((&created[0]["outcome"], &created[0]["session"]), (&json!("ok"), &id), "the end names it");
    assert_eq!(created[0]["request"], json!({"labels": {"owner": "me"}}));
    assert_eq!(calls(&file, "session_delete")[0]["session"], id);
    assert!(!fs::read_to_string(&file).unwrap().contains("secret"));
    // What rotates the file moves it away.
    let moved = home.directory().join("audit.1");
    fs::rename(&file, &moved).unwrap();
    home.success(&["eval", "--session", "default", "1 + 1"]);
    assert_eq!(calls(&file, "eval").len(), 1);
    assert!(calls(&moved, "eval").is_empty());
    home.success(&["stop"]);
}

#[test]
fn code_that_ends_the_server_is_in_the_audit_whole_where_that_is_wanted() {
    let home = TestHome::with_runtime();
    let file = home.directory().join("audit");
    let server = home.json(&["start", "http", "--port", "0", "--audit", file.to_str().unwrap(), "--audit-code"]);
    let code = format!("import os, signal\nos.kill({}, signal.SIGKILL)", server["pid"]);
    home.run(&["eval", "--session", "default", &code]);
    let told = calls(&file, "eval");
    assert_eq!((told.len(), &told[0]["code"], &told[0]["outcome"]), (1, &json!(code), &Value::Null), "{told:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    home.run(&["status"]);
}

#[test]
fn an_audit_that_cannot_be_written_is_told_at_the_start() {
    let home = TestHome::with_runtime();
    let refused = home.run(&["start", "http", "--port", "0", "--audit", "/there/is/no/folder"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("/there/is/no/folder"), "{refused:?}");
    assert_eq!(home.run(&["start", "http", "--audit-code"]).code, Some(2));
    // Later it holds nothing up, and is told.
    let server = home.json(&["start", "http", "--port", "0", "--audit", "/dev/full"]);
    assert_eq!(home.success(&["eval", "--session", "default", "6 * 7"]), "42\n");
    let health = get(port_of(&server).parse().unwrap(), "/health");
    assert!(health.contains("lostLogEvents"), "{health}");
    home.success(&["stop"]);
}

#[test]
fn an_audit_whose_folder_was_removed_counts_what_it_loses_and_goes_on_when_that_is_back() {
    let home = TestHome::with_runtime();
    let folder = home.directory().join("audits");
    let file = folder.join("audit");
    fs::create_dir(&folder).unwrap();
    let server = home.json(&["start", "http", "--port", "0", "--audit", file.to_str().unwrap()]);
    let port = port_of(&server).parse().unwrap();
    home.success(&["eval", "--session", "default", "1 + 1"]);
    assert!(!get(port, "/health").contains("lostLogEvents"));
    fs::remove_dir_all(&folder).unwrap();
    home.success(&["eval", "--session", "default", "1 + 1"]);
    assert!(get(port, "/health").contains("lostLogEvents"));
    fs::create_dir(&folder).unwrap();
    home.success(&["eval", "--session", "default", "1 + 1"]);
    assert!(lines(&file)[0]["lost"].as_u64().is_some_and(|lost| lost >= 2), "{:?}", lines(&file));
    assert_eq!(calls(&file, "eval").len(), 1);
    home.success(&["stop"]);
}
