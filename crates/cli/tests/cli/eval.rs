//! `eval`: results, output, exceptions, and which server it happens in.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::json;

use super::test_home::{CommandOutput, TestHome, python, signal, version, wait_until};

/// Evaluates in a server that is there already.
fn eval(home: &TestHome, code: &str) -> CommandOutput {
    home.run(&["eval", code])
}

#[test]
fn results_are_printed_as_python_shows_them_and_text_as_it_is() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    for (code, printed) in [
        ("1 + 1", "2\n"),
        ("-7", "-7\n"),
        ("2 ** 100", "1267650600228229401496703205376\n"),
        ("'plain text'", "plain text\n"),
        ("'no newline\\n'", "no newline\n\n"),
        ("None", ""),
        ("True", "True\n"),
        ("1.5, float('inf')", "(1.5, inf)\n"),
        ("{'b': [1, (2,)], 'a': {3}}", "{'b': [1, (2,)], 'a': {3}}\n"),
        ("x = 20\ny = 22\nx + y", "42\n"),
        ("print('printed')", "printed\n"),
        ("print('printed'); 'result'", "printed\nresult\n"),
        ("range(3)", "range(0, 3)\n"),
        ("display({'shown': 1}); print('then'); {3}", "{'shown': 1}\nthen\n{3}\n"),
    ] {
        let said = eval(&home, code);
        assert_eq!((said.stdout.as_str(), said.stderr.as_str(), said.code), (printed, "", Some(0)), "{code}");
    }
}

#[test]
fn names_persist_in_the_server_and_standard_input_is_read() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let shared = ["--session", "default"];
    assert_eq!(home.success(&[&["eval", "x = 41"], &shared[..]].concat()), "");
    let said =
        home.run_with_input(&[&["eval", "-"], &shared[..]].concat(), "def more(y):\n    return y + 1\n\nmore(x)\n");
    assert_eq!((said.stdout.as_str(), said.code), ("42\n", Some(0)), "{said:?}");
    assert_eq!(home.success(&["eval", "'x' in globals()"]), "False\n", "without --session, a session of its own");
}

#[test]
fn json_has_the_whole_answer() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    assert_eq!(
        home.json(&["eval", "import sys; print('out'); print('err', file=sys.stderr); {'a': (1, None)}"]),
        json!({"value": {"a": [1, null]}, "stdout": "out\n", "stderr": "err\n", "sessionEpoch": 1})
    );
    let object = home.json(&["eval", "range(3)"]);
    assert_eq!((&object["typeName"], &object["repr"]), (&json!("range"), &json!("range(0, 3)")));
    let raised = home.json(&["eval", "print('before'); [][1]"]);
    assert_eq!(raised["exception"]["type"], "IndexError");
    assert_eq!(raised["stdout"], "before\n");
}

#[test]
fn what_code_prints_comes_while_it_runs_and_whole() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let go_on = home.directory().join("go on");
    let code = format!(
        "import os, sys, time\nprint('first')\nprint('beside', file=sys.stderr)\n\
         while not os.path.exists({:?}): time.sleep(0.005)\nprint('x' * 3_000_000)\n'last'",
        go_on.to_str().unwrap()
    );
    let mut child = home.command(&["eval", &code]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) =
        (BufReader::new(child.stdout.take().unwrap()), BufReader::new(child.stderr.take().unwrap()));
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "first\nbeside\n");
    fs::write(&go_on, "").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.len() == 3_000_000 + "\nlast\n".len() && rest.ends_with("x\nlast\n"), "{} bytes", rest.len());
    assert!(child.wait().unwrap().success());
}

#[test]
fn code_can_ask_for_lines_of_standard_input() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let asks = "a = input('first? ')\nb = input()\n[a, b]";
    let said = home.run_with_input(&["eval", asks], "one\ntwo");
    assert_eq!((said.stdout.as_str(), said.stderr.as_str(), said.code), ("first? ['one', 'two']\n", "", Some(0)));
    let said = home.run_with_input(&["eval", asks], "one\n");
    assert_eq!((said.stdout.as_str(), said.code), ("first? ", Some(1)));
    assert!(said.stderr.ends_with("EOFError: the client's standard input has ended\n"), "{said:?}");
    let said = home.run_with_input(&["eval", "-"], "input()");
    assert!(
        said.stderr.ends_with("EOFError: the client's standard input has ended\n"),
        "the code was all of it: {said:?}"
    );
}

#[test]
fn while_it_waits_for_a_line_other_threads_print_and_its_time_passes() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let go_on = home.directory().join("go on");
    let code = format!(
        "import os, threading, time\ndef beside():\n    while not os.path.exists({:?}): time.sleep(0.005)\n    \
         print('beside', flush=True)\nthreading.Thread(target=beside).start()\ninput('line?\\n')\n",
        go_on.to_str().unwrap()
    );
    let told = home.directory().join("told");
    let mut asked = home.command(&["eval", &code]);
    let mut child = asked.stdin(Stdio::piped()).stdout(fs::File::create(&told).unwrap()).spawn().unwrap();
    let told = || fs::read_to_string(&told).unwrap();
    wait_until("it asks", || told() == "line?\n");
    fs::write(&go_on, "").unwrap();
    wait_until("the other thread has printed, while nobody types", || told() == "line?\nbeside\n");
    child.stdin.take().unwrap().write_all(b"a line\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(told(), "line?\nbeside\na line\n");

    let mut asked = home.command(&["eval", "--timeout", "0.5", "input('line?')"]);
    let asked = asked.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = asked.spawn().unwrap();
    let input = child.stdin.take();
    wait_until("its time has passed", || child.try_wait().unwrap().is_some());
    drop(input);
    let said = CommandOutput::from(child.wait_with_output().unwrap());
    assert!(said.stderr.ends_with("hint: --timeout gives it longer\n"), "{said:?}");
}

#[test]
fn whoever_reads_late_reads_all_of_it_and_an_interruption_does_not_wait_for_them() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let printed = home.directory().join("printed");
    let code = format!("print('x' * 20_000_000, flush=True)\nopen({:?}, 'w').close()\n", printed.to_str().unwrap());
    let mut child = home.command(&["eval", &code]).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("it has printed", || printed.exists());
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.len() == 20_000_001 && !told.contains('['), "{} bytes", told.len());
    assert!(child.wait().unwrap().success());

    let code = format!("{code}import time\nwhile True: time.sleep(1)");
    let mut child = home.command(&["eval", &code]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let unread = child.stdout.take().unwrap();
    wait_until("nothing more can be written", || rustix::io::ioctl_fionread(&unread).unwrap() >= 1 << 16);
    signal(child.id().into(), Signal::TERM);
    wait_until("it has ended", || child.try_wait().unwrap().is_some());
    let said = CommandOutput::from(child.wait_with_output().unwrap());
    assert_eq!((said.stderr.as_str(), said.code), ("error: interrupted\n", Some(1)));
}

#[test]
fn a_value_is_shown_once() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let code = "class Thing:\n    def __repr__(self):\n        print('asked')\n        return 'a thing'\nThing()";
    assert_eq!(home.success(&["eval", code]), "asked\na thing\n");
}

#[test]
fn what_is_displayed_without_text_is_named() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    assert_eq!(
        home.success(&["eval", "display({'text/html': '<b>', 'image/png': ''}, raw=True)"]),
        "<image/png, text/html>\n"
    );
}

#[test]
fn it_ends_when_nobody_reads_what_it_prints() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    for session in [&[][..], &["--session", "default"]] {
        let arguments = [&["eval", "kept = 1\nwhile True: print('x')"], session].concat();
        let mut child = home.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        drop(stdout);
        let said = CommandOutput::from(child.wait_with_output().unwrap());
        assert_eq!((line.as_str(), said.stderr.as_str(), said.code), ("x\n", "", Some(1)));
    }
    assert_eq!(home.success(&["eval", "kept", "--session", "default"]), "1\n", "it was cancelled, and its state kept");
}

#[test]
fn an_exception_is_a_traceback_and_a_failure() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let said = eval(&home, "import sys\nprint('out')\nprint('err', file=sys.stderr)\n{}['missing']");
    assert_eq!(said.code, Some(1));
    assert_eq!(said.stdout, "out\n");
    assert!(said.stderr.starts_with("err\nTraceback (most recent call last):\n"), "{said:?}");
    assert!(said.stderr.ends_with("KeyError: 'missing'\n"), "{said:?}");
    let said = eval(&home, "1 +* 2");
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("SyntaxError") && said.stderr.contains('^'), "{said:?}");
}

#[test]
fn a_worker_that_dies_and_a_deadline_are_errors_with_a_hint() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let said = eval(&home, "import os; os._exit(3)");
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.starts_with("error: ") && said.stderr.contains("status 3"), "{said:?}");
    assert!(said.stderr.ends_with("hint: the session goes on, empty; the server's log may say more\n"), "{said:?}");
    let said = home.run(&["eval", "while True: pass", "--timeout", "0.2"]);
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.ends_with("hint: --timeout gives it longer\n"), "{said:?}");
    assert_eq!(home.success(&["eval", "1 + 1"]), "2\n", "the server goes on");
}

#[test]
fn without_a_server_one_is_started_and_nothing_stays() {
    let home = TestHome::with_runtime();
    let said = eval(&home, "import sys; sys.prefix");
    let environment = home.root().join("environments/runtime-host");
    assert_eq!((said.stdout.trim(), said.code), (environment.to_str().unwrap(), Some(0)), "{said:?}");
    let said = eval(&home, "1 / 0");
    assert_eq!(said.code, Some(1));
    let said = home.run(&["eval", "--session", "default", "1"]);
    assert!(said.code == Some(1) && said.stderr.starts_with("error: no server is running"), "{said:?}");
    for timeout in ["0", "nan", "-1"] {
        assert_eq!(home.run(&["eval", &format!("--timeout={timeout}"), "1"]).code, Some(2), "{timeout}");
    }
    assert_eq!(home.json(&["status"]), json!([]));
    home.wait_until_no_process_is_left();
    assert_eq!(fs::read_dir(home.root().join("logs")).unwrap().count(), 0);
}

#[test]
fn an_environment_and_a_server_can_be_named() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let prefix = |arguments: &[&str]| home.success(&[&["eval", "import sys; sys.prefix"], arguments].concat());
    assert!(prefix(&["--venv", "mine"]).ends_with("/mine\n"));
    assert!(prefix(&["--venv", "home/environments/mine"]).ends_with("/mine\n"), "by path");
    let (one, two) = (home.start(&[]), home.start(&["--venv", "mine"]));
    assert!(prefix(&["--server", one["id"].as_str().unwrap()]).ends_with("/runtime-host\n"));
    assert!(prefix(&["--server", two["id"].as_str().unwrap()]).ends_with("/mine\n"));
    assert!(prefix(&["--server", two["endpoints"][0]["url"].as_str().unwrap()]).ends_with("/mine\n"));
    let said = home.run(&["eval", "1", "--server", "nope"]);
    assert_eq!((said.code, said.stderr.lines().next()), (Some(1), Some("error: there is no server \"nope\"")));
}

#[test]
fn a_python_can_be_asked_for() {
    let home = TestHome::with_runtime();
    let prefix = |arguments: &[&str]| home.success(&[&["eval", "import sys; sys.prefix"], arguments].concat());
    for request in [python(), version(), ">=3.9"] {
        assert!(
            prefix(&["--python", request]).ends_with("/environments/runtime-host\n"),
            "{request}: the default has it"
        );
    }
    // Where this machine has others, they get environments of their own.
    for other in home.json(&["runtime", "list"])["found"].as_array().unwrap() {
        let (path, version) = (other["path"].as_str().unwrap(), other["version"].as_str().unwrap());
        let own = if path == python() { "runtime-host".to_owned() } else { format!("runtime-host-{version}") };
        let said = prefix(&["--python", path]);
        assert!(said.contains(&format!("/environments/{own}")), "{path}: {said}");
    }
    let server = home.start(&["--python", version()]);
    assert_eq!((&server["environment"], &server["pythonVersion"]), (&json!("runtime-host"), &json!(version())));
    let session = home.success(&["session", "create", "--python", python()]);
    assert!(prefix(&["--session", session.trim()]).ends_with("/runtime-host\n"));

    home.success(&["venv", "create", "mine"]);
    assert!(prefix(&["--venv", "mine", "--python", version()]).ends_with("/mine\n"));
    let refused = home.run(&["start", "http", "--port", "0", "--venv", "mine", "--python", "3.8"]);
    let said = format!("error: the environment \"mine\" has Python {}, and Python 3.8 was asked for\n", version());
    assert!(refused.code == Some(1) && refused.stderr.starts_with(&said), "{refused:?}");
    assert!(refused.stderr.contains("hint: leave --python out"), "{refused:?}");
    let refused = home.run(&["eval", "--python", "3.8", "1"]);
    assert!(refused.stderr.starts_with("error: no Python 3.8 is installed"), "{refused:?}");
    assert_eq!(home.run(&["eval", "--server", "x", "--python", "3.12", "1"]).code, Some(2));
    assert_eq!(home.json(&["status"]).as_array().unwrap().len(), 1);
}

#[test]
fn an_interruption_ends_it_and_its_server() {
    let home = TestHome::with_runtime();
    let began = home.directory().join("began");
    let code = format!("open({:?}, 'w').close()\nimport time\ntime.sleep(600)", began.display().to_string());
    for interruption in [Signal::INT, Signal::TERM] {
        let _ = fs::remove_file(&began);
        let child = home.command(&["eval", &code]).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the code runs", || began.exists());
        signal(child.id().into(), interruption);
        let said = CommandOutput::from(child.wait_with_output().unwrap());
        assert_eq!((said.code, said.stderr.as_str()), (Some(1), "error: interrupted\n"));
        assert_eq!(home.json(&["status"]), json!([]));
        home.wait_until_no_process_is_left();
    }
}

#[test]
fn one_that_is_killed_leaves_nothing_either() {
    let home = TestHome::with_runtime();
    let began = home.directory().join("began");
    let code = format!("open({:?}, 'w').close()\nimport time\ntime.sleep(600)", began.display().to_string());
    let killed = || {
        let _ = fs::remove_file(&began);
        let mut child = home.command(&["eval", &code]).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the code runs", || began.exists());
        child.kill().unwrap();
        child.wait().unwrap();
    };
    let files = |folder: &str| fs::read_dir(home.root().join(folder)).map_or(0, Iterator::count);
    for _ in 0..3 {
        killed();
        home.wait_until_no_process_is_left();
        assert_eq!(["servers", "logs", "run"].map(files), [0, 0, 0]);
    }
    // In a server that was there before, what the code did is given up, and its session ends soon.
    home.start(&[]);
    killed();
    let sessions = || home.json(&["session", "list"]).as_array().unwrap().clone();
    let calls = || sessions().iter().map(|session| session["calls"].as_u64().unwrap()).sum::<u64>();
    wait_until("the call is over", || calls() == 0);
    let own = sessions().into_iter().filter(|session| session["sessionId"] != "default");
    assert!(own.count() <= 1);
}
