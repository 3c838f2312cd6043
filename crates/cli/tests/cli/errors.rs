//! Errors: wrong usage, and missing things.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::test_home::{CommandOutput, TestHome};

fn output(home: &TestHome, arguments: &[&str]) -> String {
    home.redact(&home.run(arguments).snapshot(), &serde_json::Value::Null)
}

#[test]
fn help_is_shown_without_a_command() {
    let output = TestHome::new().run(&[]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    for word in ["quickstart", "init", "start", "eval", "--json"] {
        assert!(output.stdout.contains(word), "{word} in {}", output.stdout);
    }
    assert!(!output.stdout.contains("serve "), "it is not for people");
}

#[test]
fn usage_error_has_its_own_exit_status() {
    let home = TestHome::new();
    let wrong: [&[&str]; 12] = [
        &["nonsense"],
        &["start"],
        &["start", "ftp"],
        &["start", "http", "--port", "70000"],
        &["start", "http", "--timeout", "-1"],
        &["stop", "--all", "abc"],
        &["init", "--system", "--mirror", "x"],
        &["eval"],
        &["start", "pipe", "--pipe-name", "a/b"],
        &["start", "pipe", "--port", "5000"],
        &["start", "http", "--rpc-port", "5000"],
        &["start", "http", "--pipe-name", "mine"],
    ];
    for arguments in wrong {
        let output = home.run(arguments);
        assert_eq!(output.code, Some(2), "{arguments:?}: {output:?}");
        assert!(output.stderr.starts_with("error: ") && output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
    assert!(!home.root().exists(), "nothing was made");
}

#[test]
fn missing_runtime_hints_at_init() {
    let home = TestHome::new();
    for arguments in [&["start", "http"][..], &["eval", "1"], &["venv", "create", "x"]] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(output(&home, arguments), @r"
            status: 1
            ----- stdout
            ----- stderr
            error: there is no Python runtime yet
            hint: run `beep-python init`
            ");
        }
    }
}

#[test]
fn missing_things_are_named() {
    let home = TestHome::with_runtime();
    insta::assert_snapshot!(output(&home, &["start", "http", "--venv", "mine"]), @r#"
    status: 1
    ----- stdout
    ----- stderr
    error: there is no environment "mine"
    hint: `beep-python venv create mine` creates it, `beep-python venv list` shows all environments
    "#);
    insta::assert_snapshot!(output(&home, &["start", "http", "--venv", "./mine"]), @r"
    status: 1
    ----- stdout
    ----- stderr
    error: [HERE]/mine is not a virtual environment: there is no such folder
    hint: `beep-python venv list` shows the environments
    ");
    insta::assert_snapshot!(output(&home, &["stop", "abc"]), @r#"
    status: 1
    ----- stdout
    ----- stderr
    error: there is no server "abc"
    hint: `beep-python status` shows the servers
    "#);
    insta::assert_snapshot!(output(&home, &["stop"]), @r"
    status: 1
    ----- stdout
    ----- stderr
    error: no server is running
    hint: `beep-python start http` starts one
    ");
    insta::assert_snapshot!(output(&home, &["stop", "--all"]), @r"
    status: 0
    ----- stdout
    No server is running.
    ----- stderr
    ");
    insta::assert_snapshot!(output(&home, &["status"]), @r"
    status: 0
    ----- stdout
    No server is running.
    ----- stderr
    ");
    insta::assert_snapshot!(output(&home, &["runtime", "use", "x"]), @r#"
    status: 1
    ----- stdout
    ----- stderr
    error: there is no runtime "x"; there are system-[VERSION]
    hint: `beep-python runtime list` shows all runtimes
    "#);
}

#[test]
fn host_outside_loopback_is_rejected() {
    let home = TestHome::with_runtime();
    insta::assert_snapshot!(output(&home, &["start", "http", "--host", "0.0.0.0", "--port", "0"]), @r#"
    status: 1
    ----- stdout
    ----- stderr
    error: "0.0.0.0" is no loopback address, and without TLS an eavesdropper could run code: it is refused
    hint: add --tls-self-signed, or --tls-cert and --tls-key; --insecure-remote listens there without TLS; omit --host to listen on 127.0.0.1 and ::1
    "#);
    assert_eq!(home.json(&["status"]), serde_json::json!([]));
}

#[test]
fn unusable_home_is_named() {
    let home = TestHome::new();
    let said = home.command(&["status"]).env("BEEP_PYTHON_HOME", "/proc/nowhere").output().unwrap();
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(stderr.starts_with("error: cannot create the folder /proc/nowhere\ncaused by: "), "{stderr}");
    assert!(stderr.ends_with("hint: set BEEP_PYTHON_HOME to a folder of your own\n"), "{stderr}");
}

#[test]
fn closed_reader_is_no_failure() {
    let home = TestHome::new();
    let mut child = home.command(&["completions", "bash"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn unwritten_result_is_a_failure() {
    let home = TestHome::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = CommandOutput::from(home.command(&["status", "--json"]).stdout(full).output().unwrap());
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.starts_with("error: the result could not be written"), "{output:?}");
}

#[test]
fn suggestions_fit_and_name_no_hidden_command() {
    let home = TestHome::new();
    for (typed, suggested) in [
        (&["servers"][..], Some("'status'")),
        (&["server"], Some("'status'")),
        (&["statsu"], Some("'status'")),
        (&["venv", "creat"], Some("'create'")),
        (&["1", "+", "1"], Some("`beep-python eval '1 + 1'`")),
        (&["print(\"a b\")"], Some("`beep-python eval 'print(\"a b\")'`")),
        (&["nonsense"], None),
    ] {
        let output = home.run(typed);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(!output.stderr.contains("'serve'") && !output.stderr.contains("tip:\n"), "{output:?}");
        match suggested {
            Some(suggested) => assert!(output.stderr.contains(suggested), "{output:?}"),
            None => assert!(!output.stderr.contains("tip:"), "{output:?}"),
        }
    }
}

#[test]
fn commands_are_taken_in_any_case() {
    let home = TestHome::new();
    assert_eq!(home.success(&["VENV", "List"]), home.success(&["venv", "list"]));
    assert_eq!(home.success(&["Version"]), home.success(&["--version"]));
    assert_eq!(home.success(&["?", "Venv"]), home.success(&["help", "venv"]));
}

#[test]
fn wrong_durations_and_sizes_are_refused_with_their_grammar() {
    let home = TestHome::new();
    let (time, size) = ("units as 1500ms, 30s, 5m, 1h30m", "a unit as 512M, 2GiB");
    for (command, grammar) in [
        ("start http --timeout", time),
        ("start http --drain", time),
        ("start http --grace", time),
        ("start http --max-cpu", time),
        ("start http --max-memory", size),
        ("start http --max-body", size),
        ("start http --max-data", size),
        ("stop --grace", time),
        ("eval 1 --timeout", time),
        ("run --timeout", time),
        ("session create --idle", time),
        ("session create --drain", time),
        ("session create --max-memory", size),
        ("session interrupt default --grace", time),
        ("venv prune --idle", time),
    ] {
        let words: Vec<_> = command.split(' ').chain(["5parsecs"]).collect();
        let output = home.run(&words);
        assert_eq!(output.code, Some(2), "{command}: {output:?}");
        assert!(output.stderr.contains(grammar), "{command}: {output:?}");
    }
    for option in ["--max-connections", "--max-peer-connections", "--max-requests"] {
        for wrong in ["0", "-1", "many", "99999999999"] {
            let output = home.run(&["start", "http", &format!("{option}={wrong}")]);
            assert!(output.code == Some(2) && output.stderr.contains(option), "{option} {wrong}: {output:?}");
        }
    }
    let mut command = home.command(&["venv", "list"]);
    let output = CommandOutput::from(command.env("BEEP_PYTHON_LOCK_TIMEOUT", "soon").output().unwrap());
    assert!(output.code == Some(1) && output.stderr.contains(time), "{output:?}");
}

#[test]
fn what_is_close_to_what_there_is_is_named() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    fs::write(home.directory().join("a.py"), "").unwrap();
    fs::create_dir(home.directory().join("stauts")).unwrap();
    for (line, named) in [
        ("venv status mien", "did you mean mine?"),
        ("help evla", "'eval'"),
        ("help venv creat", "'create'"),
        ("a.py -x", "`beep-python run a.py -x`"),
        ("-c print(1)", "`beep-python run -c 'print(1)'`"),
        ("-m json.tool", "`beep-python run -m json.tool`"),
        ("-cprint(1)", "`beep-python run '-cprint(1)'`"),
        ("stauts", "'status'"),
    ] {
        let output = home.run(&line.split(' ').collect::<Vec<_>>());
        assert!(output.code != Some(0) && output.stderr.contains(named), "{line}: {output:?}");
    }
    let mut command = home.command(&["a.py"]);
    let output = CommandOutput::from(command.arg(std::ffi::OsStr::from_bytes(b"\xff")).output().unwrap());
    assert!(output.code == Some(2) && output.stderr.contains("`beep-python run a.py"), "{output:?}");
    for variable in ["BEEP_PYTHON_ACCELERATOR", "BEEP_PYTHON_PROVIDERS"] {
        let with = |value: &str| {
            CommandOutput::from(home.command(&["provider", "list"]).env(variable, value).output().unwrap())
        };
        assert_eq!(with("").code, Some(0), "{variable}");
        assert_eq!(with("nonsense").code, Some(1), "{variable}");
    }
}
