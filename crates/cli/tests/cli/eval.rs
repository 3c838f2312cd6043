//! `eval`: results, output, exceptions, and the choice of a server.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::json;

use super::terminal::{CTRL_C, ENTER, Terminal};
use super::test_home::{CommandOutput, TestHome, python, signal, version, wait_until};

/// Evaluates in a running server.
fn eval(home: &TestHome, code: &str) -> CommandOutput {
    home.run(&["eval", code])
}

#[test]
fn results_are_printed_as_repr_and_strings_as_they_are() {
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
        ("object", "<class 'object'>\n"),
        ("import sys; sys.stdout.buffer.write(b'bytes\\n');", "bytes\n"),
        ("import fractions; fractions.Fraction(1, 3)", "Fraction(1, 3)\n"),
        ("display({'shown': 1}); print('then'); {3}", "{'shown': 1}\nthen\n{3}\n"),
    ] {
        let output = eval(&home, code);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.code), (printed, "", Some(0)), "{code}");
    }
}

#[test]
fn code_that_exits_ends_the_command_as_python_ends() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    for code in [
        "import sys; sys.exit(3)",
        "raise SystemExit",
        "import sys; sys.exit('why')",
        "exit(0)",
        "import sys; sys.exit(-1)",
        "import sys; sys.exit(256 + 7)",
        "import sys; sys.exit(True)",
        "import sys; sys.exit((1, 2))",
        "print('before'); raise SystemExit(4)",
        "import sys; sys.exit(-2**40 - 1)",
        "class S(SystemExit): pass\nraise S(9)",
        "class S(SystemExit): pass\nraise S('why')",
        "import sys; sys.exit('')",
        "import sys; sys.exit([])",
    ] {
        let ours = eval(&home, code);
        let theirs = std::process::Command::new(python()).args(["-c", code]).output().unwrap();
        let (stdout, stderr) = (String::from_utf8(theirs.stdout).unwrap(), String::from_utf8(theirs.stderr).unwrap());
        let expected = (stdout.as_str(), stderr.as_str(), theirs.status.code());
        assert_eq!((ours.stdout.as_str(), ours.stderr.as_str(), ours.code), expected, "{code}");
    }
}

#[test]
fn status_of_code_that_ends_its_process_is_pythons() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    // CPython 3.13 complains of a number that C cannot hold, and ends with -1.
    assert_eq!(eval(&home, "import sys; sys.exit(2**70)").code, Some(255));
    for (code, status) in [
        ("import os; os._exit(5)", 5),
        ("import os; os._exit(0)", 0),
        ("import os; os.kill(os.getpid(), 15)", 128 + 15),
        ("import os; os.abort()", 128 + 6),
    ] {
        let ours = eval(&home, code);
        assert_eq!(ours.code, Some(status), "{code}");
        assert!(ours.stderr.contains("worker"), "{ours:?}");
    }
}

#[test]
fn session_keeps_names_and_code_is_read_from_standard_input() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let shared = ["--session", "default"];
    assert_eq!(home.success(&[&["eval", "x = 41"], &shared[..]].concat()), "");
    let output =
        home.run_with_input(&[&["eval", "-"], &shared[..]].concat(), "def more(y):\n    return y + 1\n\nmore(x)\n");
    assert_eq!((output.stdout.as_str(), output.code), ("42\n", Some(0)), "{output:?}");
    assert_eq!(home.success(&["eval", "'x' in globals()"]), "False\n", "without --session, a session of its own");
}

#[test]
fn json_has_the_whole_response() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    assert_eq!(
        home.json(&["eval", "import sys; print('out'); print('err', file=sys.stderr); {'a': (1, None)}"]),
        json!({"value": {"a": [1, null]}, "stdout": "out\n", "stderr": "err\n", "sessionEpoch": 1})
    );
    assert_eq!(home.json(&["eval", "range(3)"])["value"], json!([0, 1, 2]));
    let object = home.json(&["eval", "object"]);
    assert_eq!((&object["typeName"], &object["repr"]), (&json!("type"), &json!("<class 'object'>")));
    let raised = home.json(&["eval", "print('before'); [][1]"]);
    assert_eq!(raised["exception"]["type"], "IndexError");
    assert_eq!(raised["stdout"], "before\n");
}

#[test]
fn output_is_streamed_completely() {
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
fn input_reads_lines_of_standard_input() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let asks = "a = input('first? ')\nb = input()\n[a, b]";
    let output = home.run_with_input(&["eval", asks], "one\ntwo");
    assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.code), ("first? ['one', 'two']\n", "", Some(0)));
    let output = home.run_with_input(&["eval", asks], "one\n");
    assert_eq!((output.stdout.as_str(), output.code), ("first? ", Some(1)));
    assert!(output.stderr.ends_with("EOFError: the client's standard input has ended\n"), "{output:?}");
    let output = home.run_with_input(&["eval", "-"], "input()");
    assert!(
        output.stderr.ends_with("EOFError: the client's standard input has ended\n"),
        "the code was all of it: {output:?}"
    );
}

#[test]
fn password_is_read_from_the_terminal_and_not_shown() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    // As under Python, whatever standard input is.
    let code = "import getpass\nkey = getpass.getpass('Key? ')\n[len(key), key[::-1], input()]";
    let command = home.command(&["eval", code]);
    let mut piped = Command::new("sh");
    piped.args(["-c", "echo piped | \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => piped.env(name, value),
            None => piped.env_remove(name),
        };
    }
    let mut terminal = Terminal::run(piped);
    terminal.wait_for_line("Key?");
    terminal.keys("hidden\r");
    terminal.wait_for("[6, 'neddih', 'piped']");
    assert!(!terminal.screen().contains("hidden"), "{}", terminal.screen());
    assert!(terminal.end().success());

    let code = "import getpass\ntry: getpass.getpass('Key? ')\nexcept KeyboardInterrupt: input('Name? ')";
    let mut terminal = Terminal::run(home.command(&["eval", code]));
    terminal.wait_for_line("Key?");
    terminal.keys(CTRL_C);
    terminal.wait_for_line("Name?");
    terminal.keys("shown");
    terminal.wait_for_line("Name? shown");
    terminal.keys(ENTER);
    assert!(terminal.end().success());

    // Without a terminal.
    let code = "import getpass; [getpass.getpass('Key? '), input()]";
    let mut alone = home.command(&["eval", code]);
    // SAFETY: it is a system call that may be made between fork and exec, and nothing else is done.
    unsafe {
        alone.pre_exec(|| Ok(rustix::process::setsid().map(|_| ())?));
    }
    let mut child = alone.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
    assert_eq!(CommandOutput::from(child.wait_with_output().unwrap()).stdout, "Key? ['one', 'two']\n");
}

#[test]
fn what_is_cleared_is_kept_where_there_is_no_terminal() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let code = "import beep_python\nprint('first')\nbeep_python.clear_output()\nh = display('second', display_id=True)\nh.update('third')";
    assert_eq!(home.success(&["eval", code]), "first\n'second'\n'third'\n");
}

#[test]
fn waiting_for_input_blocks_neither_output_nor_the_deadline() {
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
    let output = CommandOutput::from(child.wait_with_output().unwrap());
    assert!(output.stderr.ends_with("hint: --timeout sets a longer limit\n"), "{output:?}");
}

#[test]
fn slow_reader_gets_all_output_and_does_not_delay_an_interruption() {
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
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.stderr.as_slice(), output.status.signal()), (&b""[..], Some(15)));
}

#[test]
fn repr_of_a_value_is_made_once() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let code = "class Thing:\n    def __repr__(self):\n        print('asked')\n        return 'a thing'\nThing()";
    assert_eq!(home.success(&["eval", code]), "asked\na thing\n");
}

#[test]
fn display_data_without_text_shows_its_types() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    assert_eq!(
        home.success(&["eval", "display({'text/html': '<b>', 'image/png': ''}, raw=True)"]),
        "<image/png, text/html>\n"
    );
}

#[test]
fn eval_ends_when_its_output_is_closed() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    for session in [&[][..], &["--session", "default"]] {
        let arguments = [&["eval", "kept = 1\nwhile True: print('x')"], session].concat();
        let mut child = home.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        drop(stdout);
        let output = CommandOutput::from(child.wait_with_output().unwrap());
        assert_eq!((line.as_str(), output.stderr.as_str(), output.code), ("x\n", "", Some(1)));
    }
    assert_eq!(home.success(&["eval", "kept", "--session", "default"]), "1\n", "it was cancelled, and its state kept");
}

#[test]
fn exception_is_a_traceback_and_a_failure() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let output = eval(&home, "import sys\nprint('out')\nprint('err', file=sys.stderr)\n{}['missing']");
    assert_eq!(output.code, Some(1));
    assert_eq!(output.stdout, "out\n");
    assert!(output.stderr.starts_with("err\nTraceback (most recent call last):\n"), "{output:?}");
    assert!(output.stderr.ends_with("KeyError: 'missing'\n"), "{output:?}");
    let output = eval(&home, "1 +* 2");
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("SyntaxError") && output.stderr.contains('^'), "{output:?}");
}

#[test]
fn exception_is_what_python_prints() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let code = "import traceback\ndef f(): return {}['a'] + len(\n    5)\ntry:\n    f()\nexcept KeyError as e:\n    \
                kept = e\n    print(traceback.format_exc(), end='')\nraise kept.with_traceback(kept.__traceback__)";
    let output = eval(&home, code);
    let raised: Vec<_> = output.stderr.lines().collect();
    let printed: Vec<_> = output.stdout.lines().collect();
    // The frame that raises it again comes before the frame that caught it.
    assert_eq!(raised[raised.len() - printed.len() + 1..], printed[1..], "{output:?}");
    // A value that cannot be shown is an exception, as at Python's prompt.
    for (code, ends) in [
        ("class Bad:\n    def __repr__(self): return 1/0\nBad()", "ZeroDivisionError: division by zero\n"),
        (
            "class Bad:\n    def __repr__(self): return 5\n[Bad()]",
            "TypeError: __repr__ returned non-string (type int)\n",
        ),
    ] {
        let output = eval(&home, code);
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
        assert!(output.stderr.ends_with(ends), "{output:?}");
    }
    let limit = "import sys; getattr(sys, 'get_int_max_str_digits', int)()";
    let long = eval(&home, "10 ** 5000");
    if eval(&home, limit).stdout == "0\n" {
        assert_eq!(long.stdout.len(), 5002);
    } else {
        assert_eq!(long.code, Some(1), "{long:?}");
        assert!(long.stderr.starts_with("ValueError: Exceeds the limit (4300"), "{long:?}");
    }
}

#[test]
fn worker_death_and_deadline_are_errors_with_a_hint() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let output = eval(&home, "import os; os._exit(3)");
    assert_eq!(output.code, Some(3));
    assert!(output.stderr.starts_with("error: ") && output.stderr.contains("status 3"), "{output:?}");
    assert!(!output.stderr.contains("hint:"), "its session ends with it: {output:?}");
    let shared = home.run(&["eval", "--session", "default", "import os; os._exit(3)"]);
    assert!(
        shared.stderr.ends_with("hint: the session continues, empty; the server's log may say more\n"),
        "{shared:?}"
    );
    let swallowed = "import time\ntry: time.sleep(60)\nexcept: print('caught')\n1";
    let spins = "def spin():\n    while True: pass\nspin()";
    for (code, printed, told) in [
        (spins, "", [", line 2, in spin\n    while True: pass\n", "\nKeyboardInterrupt\nerror: the call's deadline"]),
        (swallowed, "caught\n", [", line 2, in <module>\n", "    try: time.sleep(60)\nerror: the call's deadline"]),
    ] {
        let output = home.run(&["eval", code, "--timeout", "0.5"]);
        assert_eq!((output.code, output.stdout.as_str()), (Some(124), printed), "{output:?}");
        assert!(output.stderr.starts_with("Traceback (most recent call last):\n"), "{output:?}");
        assert!(told.iter().all(|part| output.stderr.contains(part)), "{output:?}");
        assert!(output.stderr.ends_with("hint: --timeout sets a longer limit\n"), "{output:?}");
    }
    assert_eq!(home.success(&["eval", "1 + 1"]), "2\n", "the server goes on");
}

#[test]
fn eval_without_a_server_starts_one_and_leaves_nothing() {
    let home = TestHome::with_runtime();
    let output = eval(&home, "import sys; sys.prefix");
    let environment = home.root().join("environments/runtime-host");
    assert_eq!((output.stdout.trim(), output.code), (environment.to_str().unwrap(), Some(0)), "{output:?}");
    let output = eval(&home, "1 / 0");
    assert_eq!(output.code, Some(1));
    let output = home.run(&["eval", "--session", "default", "1"]);
    assert!(output.code == Some(1) && output.stderr.starts_with("error: no server is running"), "{output:?}");
    for timeout in ["0", "nan", "-1"] {
        assert_eq!(home.run(&["eval", &format!("--timeout={timeout}"), "1"]).code, Some(2), "{timeout}");
    }
    assert_eq!(home.json(&["status"]), json!([]));
    home.wait_until_no_process_is_left();
    assert_eq!(fs::read_dir(home.root().join("logs")).unwrap().count(), 0);
}

#[test]
fn eval_runs_in_the_named_environment_or_server() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let prefix = |arguments: &[&str]| home.success(&[&["eval", "import sys; sys.prefix"], arguments].concat());
    assert!(prefix(&["--venv", "mine"]).ends_with("/mine\n"));
    assert!(prefix(&["--venv", "home/environments/mine"]).ends_with("/mine\n"), "by path");
    let (one, two) = (home.start(&[]), home.start(&["--venv", "mine"]));
    assert!(prefix(&["--server", one["id"].as_str().unwrap()]).ends_with("/runtime-host\n"));
    assert!(prefix(&["--server", two["id"].as_str().unwrap()]).ends_with("/mine\n"));
    assert!(prefix(&["--server", two["endpoints"][0]["url"].as_str().unwrap()]).ends_with("/mine\n"));
    let output = home.run(&["eval", "1", "--server", "nope"]);
    assert_eq!((output.code, output.stderr.lines().next()), (Some(1), Some("error: there is no server \"nope\"")));
}

#[test]
fn eval_runs_on_the_requested_python() {
    let home = TestHome::with_runtime();
    let prefix = |arguments: &[&str]| home.success(&[&["eval", "import sys; sys.prefix"], arguments].concat());
    for request in [python(), version(), ">=3.9"] {
        assert!(
            prefix(&["--python", request]).ends_with("/environments/runtime-host\n"),
            "{request}: the default has it"
        );
    }
    // Other Pythons of this machine get environments of their own.
    for other in home.json(&["runtime", "list"])["found"].as_array().unwrap() {
        let (path, version) = (other["path"].as_str().unwrap(), other["version"].as_str().unwrap());
        let own = if path == python() { "runtime-host".to_owned() } else { format!("runtime-host-{version}") };
        let output = prefix(&["--python", path]);
        assert!(output.contains(&format!("/environments/{own}")), "{path}: {output}");
    }
    let server = home.start(&["--python", version()]);
    assert_eq!((&server["environment"], &server["pythonVersion"]), (&json!("runtime-host"), &json!(version())));
    let session = home.success(&["session", "create", "--python", python()]);
    assert!(prefix(&["--session", session.trim()]).ends_with("/runtime-host\n"));

    home.success(&["venv", "create", "mine"]);
    assert!(prefix(&["--venv", "mine", "--python", version()]).ends_with("/mine\n"));
    let refused = home.run(&["start", "http", "--port", "0", "--venv", "mine", "--python", "3.8"]);
    let output = format!("error: the environment \"mine\" has Python {}, and Python 3.8 was asked for\n", version());
    assert!(refused.code == Some(1) && refused.stderr.starts_with(&output), "{refused:?}");
    assert!(refused.stderr.contains("hint: omit --python"), "{refused:?}");
    let refused = home.run(&["eval", "--python", "3.8", "1"]);
    assert!(refused.stderr.starts_with("error: no Python 3.8 is installed"), "{refused:?}");
    assert_eq!(home.run(&["eval", "--server", "x", "--python", "3.12", "1"]).code, Some(2));
    assert_eq!(home.json(&["status"]).as_array().unwrap().len(), 1);
}

#[test]
fn killed_eval_leaves_nothing() {
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
    // In a running server, the call is cancelled, and the session ends soon.
    home.start(&[]);
    killed();
    let sessions = || home.json(&["session", "list"]).as_array().unwrap().clone();
    let calls = || sessions().iter().map(|session| session["calls"].as_u64().unwrap()).sum::<u64>();
    wait_until("the call is over", || calls() == 0);
    let own = sessions().into_iter().filter(|session| session["sessionId"] != "default");
    assert!(own.count() <= 1);
}

/// As under Python: functions of `atexit` have their time, and Ctrl-C lets `finally` run.
#[test]
fn server_of_its_own_ends_its_session_as_a_program_ends() {
    let home = TestHome::with_runtime();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let code = "import atexit, time\natexit.register(lambda: (time.sleep(0.3), open(left, 'w').write('at exit')))\n\
                kept = open(left + '-kept', 'w'); kept.write('kept')"
        .replace("left", &format!("{:?}", at("left")));
    home.success(&["eval", &code]);
    assert_eq!(fs::read_to_string(at("left")).unwrap(), "at exit");
    assert_eq!(fs::read_to_string(at("left-kept")).unwrap(), "kept");

    let code =
        "import time\ntry:\n    print('on', flush=True)\n    time.sleep(60)\nfinally: open(left, 'w').write('finally')"
            .replace("left", &format!("{:?}", at("left")));
    let mut command = home.command(&["eval", &code]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    signal(child.id().into(), Signal::INT);
    child.wait().unwrap();
    assert_eq!(fs::read_to_string(at("left")).unwrap(), "finally");
}

#[test]
fn threads_children_and_the_end_of_the_session_are_heard() {
    let home = TestHome::with_runtime();
    let code = "import atexit, subprocess, sys, threading\n\
                atexit.register(lambda: display('the end'))\n\
                atexit.register(print, 'an error', file=sys.stderr)\n\
                go = threading.Event()\n\
                def work():\n    go.wait(); print('thread')\n    subprocess.run(['echo', 'child'])\n\
                threading.Thread(target=work).start()\n\
                threading.Timer(0.2, go.set).start()\n\
                'result'";
    for arguments in [&[][..], &["--server"]] {
        let server = (!arguments.is_empty()).then(|| home.start(&[]));
        let id = server.iter().map(|server| server["id"].as_str().unwrap());
        let all: Vec<&str> = ["eval"].into_iter().chain(arguments.iter().copied()).chain(id).chain([code]).collect();
        let output = home.command(&all).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "result\nthread\nchild\n'the end'\n");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "an error\n");
        assert!(output.status.success());
    }
    // Not with --json: it has the response alone.
    assert_eq!(home.json(&["eval", code])["value"], "result");
}

#[test]
fn words_of_code_are_one_text() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    assert_eq!(home.success(&["eval", "1", "+", "1"]), "2\n");
    assert_eq!(home.success(&["eval", "-1", "+", "2", "--timeout", "1m"]), "1\n");
}

#[test]
fn arguments_follow_code_from_standard_input() {
    let home = TestHome::with_runtime();
    let output = home.run_with_input(&["eval", "-", "a", "b", "--", "--c"], "import sys\nsys.argv");
    assert_eq!(output.stdout, "['-', 'a', 'b', '--c']\n", "{output:?}");
    assert_eq!(home.success(&["eval", "5", "-", "2", "--timeout", "1m"]), "3\n");
}

#[test]
fn python_runs_standard_input_as_python_does() {
    let home = TestHome::with_runtime();
    for code in [
        "1 + 1\n",
        "print(1)\n2\n",
        "import sys; print(__name__); sys.exit(3)\n",
        "def f():\n    1 / 0\nf()\n",
        "x = = 1\n",
        "print(__file__)\n",
    ] {
        let mut expected = Command::new(python());
        expected.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut expected = expected.spawn().unwrap();
        expected.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
        let expected = CommandOutput::from(expected.wait_with_output().unwrap());
        let got = home.run_with_input(&["python"], code);
        assert_eq!((got.code, &got.stdout, &got.stderr), (expected.code, &expected.stdout, &expected.stderr), "{code}");
    }
}

#[test]
fn time_limit_covers_the_end_of_the_session() {
    let home = TestHome::with_runtime();
    for end in [
        "import threading, time; threading.Thread(target=time.sleep, args=(1000,)).start()",
        "import atexit, time; atexit.register(time.sleep, 1000)",
    ] {
        let output = home.run(&["eval", "--timeout", "10s", end]);
        assert_eq!(output.code, Some(124), "{output:?}");
        assert!(output.stderr.contains("error: the program exceeded its time limit of 10s\nhint: "), "{output:?}");
        home.wait_until_no_process_is_left();
    }
}

#[test]
fn code_that_is_stopped_does_not_wait_for_a_reader_that_does_not_read() {
    let home = TestHome::with_runtime();
    for (arguments, interrupts) in [(&["--timeout", "5s"][..], false), (&[], true)] {
        let mut command =
            home.command(&[&["eval"], arguments, &["print('x' * 200000); import time; time.sleep(1000)"]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        if interrupts {
            signal(child.id().into(), Signal::INT);
        }
        wait_until("it ends", || child.try_wait().unwrap().is_some());
        let status = child.wait().unwrap();
        let expected = if interrupts { (None, Some(2)) } else { (Some(124), None) };
        assert_eq!((status.code(), status.signal()), expected);
        home.wait_until_no_process_is_left();
    }
}
