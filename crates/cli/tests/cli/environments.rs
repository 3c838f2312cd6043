//! `venv`: create, list, check, delete.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::test_home::{CommandOutput, TestHome, python, version};

#[test]
fn environment_is_created_listed_checked_and_deleted() {
    let home = TestHome::with_runtime();
    let redacted = |arguments: &[&str]| home.redact(&home.run(arguments).snapshot(), &serde_json::Value::Null);
    insta::assert_snapshot!(redacted(&["venv", "create", "mine"]), @r"
    status: 0
    ----- stdout
    Created the environment mine with Python [VERSION]: [HOME]/environments/mine
    Activate it with:  . [HOME]/environments/mine/bin/activate
    ----- stderr
    ");
    let listed = home.json(&["venv", "list"]);
    assert_eq!(listed[0]["name"], "mine");
    assert_eq!(listed[0]["pythonVersion"], version());
    let line = home.success(&["venv", "list"]);
    assert!(line.starts_with("NAME  PYTHON") && line.lines().nth(1).unwrap().starts_with("mine  "), "{line}");
    let status = home.json(&["venv", "status", "mine"]);
    assert_eq!((&status["usable"], &status["state"]), (&json!(true), &json!("healthy")));
    insta::assert_snapshot!(redacted(&["venv", "delete", "mine"]), @r"
    status: 1
    ----- stdout
    ----- stderr
    error: deleting mine needs a confirmation
    hint: add --yes, or answer `y` on a terminal
    ");
    insta::assert_snapshot!(redacted(&["venv", "delete", "mine", "--yes"]), @r"
    status: 0
    ----- stdout
    Deleted the environment mine
    ----- stderr
    ");
    assert_eq!(home.json(&["venv", "list"]), json!([]));
    insta::assert_snapshot!(redacted(&["venv", "list"]), @r"
    status: 0
    ----- stdout
    There are no environments.
    ----- stderr
    ");
}

#[test]
fn provider_gets_its_own_environment() {
    let home = TestHome::with_runtime();
    let made = home.json(&["venv", "create", "huggingface", "Some/Model-7B"]);
    let status = home.json(&["venv", "status", made["name"].as_str().unwrap()]);
    assert_eq!((&status["provider"], &status["model"]), (&json!("huggingface"), &json!("Some/Model-7B")));
    // `provider ensure` uses the same environment.
    let ensured = home.json(&["provider", "ensure", "huggingface", "Some/Model-7B"]);
    assert_eq!((&ensured["environment"], &ensured["path"]), (&made["name"], &made["path"]));
}

/// Creates an empty wheel `NAME-1.0-py3-none-any.whl` in the folder.
fn wheel(folder: &Path, name: &str) {
    let script = "import sys, zipfile\n\
        name, path = sys.argv[1], sys.argv[2]\n\
        info = name + '-1.0.dist-info/'\n\
        with zipfile.ZipFile(path, 'w') as wheel:\n    \
            wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: ' + name + '\\nVersion: 1.0\\n')\n    \
            wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n    \
            wheel.writestr(info + 'RECORD', info + 'METADATA,,\\n' + info + 'WHEEL,,\\n' + info + 'RECORD,,\\n')\n";
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(format!("{name}-1.0-py3-none-any.whl"));
    let made = Command::new(python()).args(["-I", "-c", script, name]).arg(path).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// Runs a command with pip, a folder of packages, no network, and none of this machine's settings.
fn offline(home: &TestHome, arguments: &[&str]) -> CommandOutput {
    let mut command = home.command(arguments);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PIP_") || text.starts_with("UV_") {
            command.env_remove(&name);
        }
    }
    command
        .env("PIP_CONFIG_FILE", "/dev/null")
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", home.directory().join("index"));
    CommandOutput::from(command.env("BEEP_PYTHON_UV", "never").output().unwrap())
}

#[test]
fn packages_are_installed_and_listed() {
    let home = TestHome::with_runtime();
    for name in ["alpha", "beta", "gamma"] {
        wheel(&home.directory().join("index"), name);
    }
    let output = |arguments: &[&str]| home.redact(&offline(&home, arguments).snapshot(), &serde_json::Value::Null);
    insta::assert_snapshot!(output(&["venv", "create", "mine", "--with", "alpha"]), @r"
    status: 0
    ----- stdout
    Created the environment mine with Python [VERSION]: [HOME]/environments/mine
    Installed into mine: alpha 1.0
    Activate it with:  . [HOME]/environments/mine/bin/activate
    ----- stderr
    ");
    insta::assert_snapshot!(output(&["venv", "install", "mine", "alpha>=1"]), @r"
    status: 0
    ----- stdout
    Nothing to do, mine has it: alpha 1.0
    ----- stderr
    ");
    fs::write(home.directory().join("list.txt"), "beta\n").unwrap();
    insta::assert_snapshot!(output(&["venv", "install", "mine", "gamma", "-r", "list.txt"]), @r"
    status: 0
    ----- stdout
    Installed into mine: beta 1.0, gamma 1.0
    ----- stderr
    ");
    insta::assert_snapshot!(output(&["venv", "packages", "mine"]), @r"
    status: 0
    ----- stdout
    PACKAGE  VERSION
    alpha    1.0
    beta     1.0
    gamma    1.0
    ----- stderr
    ");
    let listed = home.json(&["venv", "packages", "mine"]);
    assert_eq!(listed[1], json!({"name": "beta", "version": "1.0"}));
}

#[test]
fn failed_installation_changes_nothing() {
    let home = TestHome::with_runtime();
    fs::create_dir(home.directory().join("index")).unwrap();
    let output = |arguments: &[&str]| home.redact(&offline(&home, arguments).snapshot(), &serde_json::Value::Null);
    insta::assert_snapshot!(output(&["venv", "create", "mine", "--with", "nosuch"]), @r"
    status: 1
    ----- stdout
    ----- stderr
    error: pip could not install nosuch
    caused by: No matching distribution found for nosuch
    ");
    assert_eq!(home.json(&["venv", "list"]), json!([]));
    insta::assert_snapshot!(output(&["venv", "create", "mine", "--with=--pre"]), @r#"
    status: 1
    ----- stdout
    ----- stderr
    error: "--pre" is not a requirement: options are not accepted here
    hint: give options such as --pre to the command itself; for providers.toml, set them in the variables and files of pip or uv
    "#);
    home.success(&["venv", "create", "mine"]);
    insta::assert_snapshot!(output(&["venv", "install", "mine", "-r", "nothing.txt"]), @r"
    status: 1
    ----- stdout
    ----- stderr
    error: cannot read nothing.txt
    caused by: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(output(&["venv", "install", "other", "six"]), @r#"
    status: 1
    ----- stdout
    ----- stderr
    error: there is no environment "other"
    hint: `beep-python venv create other` creates it, `beep-python venv list` shows all environments
    "#);
    assert_eq!(home.run(&["venv", "install", "mine"]).code, Some(2));
    assert_eq!(home.json(&["venv", "packages", "mine"]), json!([]));
}

#[test]
fn invalid_and_taken_names_are_rejected() {
    let home = TestHome::with_runtime();
    for name in ["../x", "a/b", "", ".", "..", &"x".repeat(300)] {
        let output = home.run(&["venv", "create", name]);
        assert_eq!(output.code, Some(1), "{name}: {output:?}");
        assert!(output.stderr.starts_with("error: "), "{output:?}");
    }
    assert!(!home.directory().join("x").exists() && !home.root().join("x").exists());
    home.success(&["venv", "create", "mine"]);
    let output = home.run(&["venv", "create", "mine"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("exists already") && output.stderr.contains("hint: "), "{output:?}");
}

#[test]
fn deletion_stops_the_server_that_uses_the_environment() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let server = home.start(&["--venv", "mine"]);
    let other = home.start(&[]);
    let deleted = home.json(&["venv", "delete", "mine", "--yes"]);
    assert_eq!(deleted["stopped"], json!([server["id"]]));
    let status = home.json(&["status"]);
    assert_eq!(status.as_array().unwrap().len(), 1);
    assert_eq!(status[0]["id"], other["id"]);
    assert!(!home.root().join("environments/mine").exists());
}

#[test]
fn sessions_use_their_environment_until_they_end() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let begin = || {
        home.success(&["venv", "create", "guest"]);
        let session = home.success(&["session", "create", "--venv", "guest"]).trim().to_owned();
        let zygote = home.success(&["eval", "--session", &session, "import os; os.getppid()"]);
        (session, zygote)
    };
    let (session, first) = begin();
    age(&home, "guest", 40);
    let listed = home.json(&["venv", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["servers"]), (&json!("guest"), &json!([server["id"]])));
    assert_eq!(listed[0]["users"], json!([server["pid"]]));
    assert_eq!(home.json(&["venv", "prune", "--idle", "30d", "--yes"])["deleted"], json!([]));
    let code = "from beep_python import VenvManager; VenvManager().delete('guest')";
    let refused = home.run(&["eval", code]);
    assert!(refused.stderr.contains(&format!("in use by the process {}", server["pid"])), "{refused:?}");

    let deleted = home.json(&["venv", "delete", "guest", "--yes"]);
    let ended = json!([{"server": server["id"], "session": session}]);
    assert_eq!((&deleted["stopped"], &deleted["ended"]), (&json!([]), &ended));
    assert!(!home.root().join("environments/guest").exists());
    assert_eq!(home.json(&["status"]).as_array().unwrap().len(), 1, "the server goes on");

    // An environment recreated in its place is another one, with its own Python process.
    let (session, second) = begin();
    assert_ne!(first, second);
    // Without a session it is unused, although the server keeps its Python ready for the next one.
    home.success(&["session", "delete", &session]);
    assert_eq!(home.json(&["venv", "delete", "guest", "--yes"])["ended"], json!([]));
}

#[test]
fn foreign_folder_is_left_alone() {
    let home = TestHome::with_runtime();
    let folder = home.root().join("environments/foreign");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("precious"), "x").unwrap();
    let output = home.run(&["venv", "delete", "foreign", "--yes"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(folder.join("precious").exists());
    assert_eq!(home.run(&["venv", "status", "foreign"]).code, Some(1), "it cannot be used");
}

#[test]
fn administrative_environment_has_pip_or_reports_what_is_missing() {
    let home = TestHome::with_runtime();
    // The index is unreachable: what comes with Python must do, and the rest is reported as missing.
    let mut command = home.command(&["venv", "admin", "--json"]);
    command
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        .env("PIP_NO_CACHE_DIR", "1")
        .env("PIP_CONFIG_FILE", "/dev/null");
    let output = command.output().unwrap();
    let environment: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |list: &str| -> Vec<String> {
        environment[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| package["name"].as_str().unwrap().to_lowercase())
            .collect()
    };
    assert!(names("packages").contains(&"pip".to_owned()), "{environment}");
    for package in ["setuptools", "wheel"] {
        let (has, lacks) = (names("packages"), names("missing"));
        assert!(has.contains(&package.to_owned()) != lacks.contains(&package.to_owned()), "{package}: {environment}");
    }
    assert_eq!(output.status.code(), Some(if names("missing").is_empty() { 0 } else { 1 }));
    let notices = String::from_utf8(output.stderr).unwrap();
    assert_eq!(notices.matches("notice: ").count(), names("missing").len(), "{notices}");
    if !names("missing").is_empty() {
        assert_eq!(home.json(&["venv", "status", "admin"])["mend"], "beep-python venv admin");
        let repaired = home.run(&["venv", "repair", "admin"]);
        assert!(repaired.code == Some(1) && repaired.stderr.contains("but it lacks "), "{repaired:?}");
        assert!(!repaired.stdout.contains("Nothing was wrong"), "{repaired:?}");
    }
}

/// Makes the environment look unused for that long.
pub(crate) fn age(home: &TestHome, name: &str, days: u64) {
    let path = home.root().join("environments").join(name);
    let then = SystemTime::now() - Duration::from_secs(days * 86_400);
    let times = fs::FileTimes::new().set_accessed(then).set_modified(then);
    let library = fs::read_dir(path.join("lib")).unwrap().next().unwrap().unwrap().path().join("site-packages");
    for path in [path.join("pyvenv.cfg"), library] {
        fs::File::open(path).unwrap().set_times(times).unwrap();
    }
    let record = path.join("beep-python.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    json["created"] = then.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().into();
    fs::write(record, json.to_string()).unwrap();
}

#[test]
fn prune_deletes_unused_environments_only() {
    let home = TestHome::with_runtime();
    for name in ["old", "served", "young"] {
        home.success(&["venv", "create", name]);
    }
    let server = home.start(&["--venv", "served"]);
    age(&home, "old", 40);
    age(&home, "served", 40);
    age(&home, "young", 20);
    let listed = home.json(&["venv", "list"]);
    assert_eq!(listed[1]["servers"], json!([server["id"]]));
    assert!(listed[0]["sizeBytes"].as_u64().unwrap() > 0);
    let text = home.success(&["venv", "list"]);
    assert!(text.contains("40 days ago") && text.contains("20 days ago"), "{text}");

    let asked = home.run(&["venv", "prune", "--idle", "30d"]);
    assert_eq!(asked.code, Some(1));
    assert!(asked.stderr.starts_with("old: ") && asked.stderr.contains("hint: add --yes"), "{asked:?}");
    assert_eq!(home.json(&["venv", "prune", "--idle", "30d", "--yes"])["deleted"], json!(["old"]));
    // A server that was started long ago uses its environment today.
    home.run(&["stop", "--all"]);
    assert_eq!(home.json(&["venv", "prune", "--idle", "30d", "--yes"])["deleted"], json!([]));
    // Starting its Python in any way uses it.
    age(&home, "young", 40);
    let python = home.root().join("environments/young/bin/python");
    assert!(Command::new(python).args(["-c", ""]).status().unwrap().success());
    assert_eq!(home.json(&["venv", "prune", "--idle", "30d", "--yes"])["deleted"], json!([]));
    assert_eq!(home.run(&["venv", "prune", "--idle", "soon", "--yes"]).code, Some(2));
}

#[test]
fn cache_is_shown_cleaned_and_rebuilt() {
    let home = TestHome::with_runtime();
    home.success(&["eval", "1+1"]);
    let parts = home.json(&["cache", "info"])["parts"].clone();
    let names: Vec<&str> = parts.as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"interpreters.json") && names.iter().any(|name| name.starts_with("python-")), "{names:?}");
    home.start(&[]);
    home.success(&["cache", "clean"]);
    assert!(home.json(&["cache", "info"])["parts"][0]["name"].as_str().unwrap().starts_with("python-"), "it is used");
    home.success(&["stop", "--all"]);
    assert!(home.json(&["cache", "clean"])["freedBytes"].as_u64().unwrap() > 0);
    assert_eq!(home.json(&["cache", "info"])["parts"], json!([]));
    assert_eq!(home.success(&["eval", "1+1"]).trim(), "2");
}

#[test]
fn home_in_which_no_environment_can_work_is_refused_at_once() {
    use std::os::unix::ffi::OsStrExt;
    let home = TestHome::new();
    for (name, reason) in [
        (&b"line\nbreak"[..], "a line break"),
        (b"return\rhere", "a line break"),
        (b"not \xff text", "not UTF-8"),
        (b"a:b", "a colon"),
    ] {
        let root = home.directory().join(std::ffi::OsStr::from_bytes(name));
        for arguments in [&["init", "--system"][..], &["config"], &["venv", "create", "mine"], &["start", "http"]] {
            let output = home.command(arguments).env("BEEP_PYTHON_HOME", &root).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{arguments:?} {reason}: {output:?}");
            assert!(
                stderr.contains(reason) && stderr.contains("hint: set BEEP_PYTHON_HOME"),
                "{arguments:?}: {stderr}"
            );
        }
        assert!(!root.exists());
    }
}
