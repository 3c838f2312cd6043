//! Ctrl-C on `eval`: it is the code's, as under `python -c`.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};

use rustix::process::Signal;

use super::terminal::{CTRL_C, ENTER, Terminal};
use super::test_home::{TestHome, signal, wait_until};

/// How a command ended, and what it printed.
#[derive(Debug)]
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

fn spawn(home: &TestHome, arguments: &[&str], code: &str) -> Child {
    let mut command = home.command(&[&["eval"], arguments, &[code]].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs code, and presses Ctrl-C whenever it prints `press`.
fn run(home: &TestHome, arguments: &[&str], code: &str) -> Ended {
    let mut child = spawn(home, arguments, code);
    let (mut output, mut stdout) = (BufReader::new(child.stdout.take().unwrap()), String::new());
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        if line == "press\n" {
            signal(child.id().into(), Signal::INT);
        } else {
            stdout.push_str(&line);
        }
        line.clear();
    }
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Ended { status: child.wait().unwrap(), stdout, stderr }
}

/// Waits as code does that a signal can interrupt at any time.
const WAIT: &str = "import time\ndef wait():\n    print('press', flush=True)\n    while True: time.sleep(0.01)\n";

fn code(rest: &str) -> String {
    format!("{WAIT}{rest}")
}

/// Where code can run: in a server of its own, in a session of a server, in a session that is shared.
fn places(home: &TestHome) -> Vec<Vec<String>> {
    let server = home.start(&[]);
    let id = server["id"].as_str().unwrap().to_owned();
    let own = ["--venv", "runtime-host"].map(str::to_owned).to_vec();
    vec![own, vec!["--server".into(), id], ["--session", "default"].map(str::to_owned).to_vec()]
}

#[test]
fn code_that_catches_ctrl_c_goes_on() {
    let home = TestHome::with_runtime();
    for place in places(&home) {
        let place: Vec<_> = place.iter().map(String::as_str).collect();
        let twice = "for n in 1, 2:\n    try: wait()\n    except KeyboardInterrupt: print('caught', n)\n'went on'";
        let ended = run(&home, &place, &code(twice));
        assert_eq!(
            (ended.status.code(), ended.stdout.as_str()),
            (Some(0), "caught 1\ncaught 2\nwent on\n"),
            "{ended:?}"
        );
        assert_eq!(ended.stderr, "");

        let ended = run(&home, &place, &code("try: wait()\nexcept KeyboardInterrupt: raise SystemExit(7)"));
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(7), ""), "{ended:?}");
        let ended = run(&home, &place, &code("try: wait()\nexcept KeyboardInterrupt: raise ValueError(1)"));
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.ends_with("ValueError: 1\n"), "{ended:?}");
    }
}

#[test]
fn uncaught_ctrl_c_is_a_traceback_and_the_end_by_sigint() {
    let home = TestHome::with_runtime();
    for place in places(&home) {
        let place: Vec<_> = place.iter().map(String::as_str).collect();
        let ended = run(&home, &place, &code("try: wait()\nfinally: print('cleaned up')"));
        assert_eq!((ended.status.signal(), ended.stdout.as_str()), (Some(2), "cleaned up\n"), "{ended:?}");
        assert!(ended.stderr.starts_with("Traceback (most recent call last):\n"), "{ended:?}");
        assert!(ended.stderr.contains(", in wait\n") && ended.stderr.ends_with("\nKeyboardInterrupt\n"), "{ended:?}");
    }
    assert_eq!(home.success(&["eval", "--session", "default", "wait.__name__"]), "wait\n", "its state is kept");
    let ended = run(&home, &[], "raise KeyboardInterrupt");
    assert_eq!(ended.status.signal(), Some(2), "{ended:?}");
}

#[test]
fn ctrl_c_is_what_the_code_has_made_of_sigint() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let handler = "import signal\nn = []\nsignal.signal(signal.SIGINT, lambda *about: n.append(1))\n\
                   for _ in range(2):\n    seen = len(n)\n    print('press', flush=True)\n    while len(n) == seen: time.sleep(0.01)\nlen(n)";
    let ended = run(&home, &[], &code(handler));
    assert_eq!((ended.status.code(), ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "2\n", ""), "{ended:?}");
    let asyncio = "import asyncio\nasync def f():\n    print('press', flush=True)\n    try: await asyncio.sleep(600)\n    \
                   except asyncio.CancelledError:\n        print('cancelled')\n        raise\n";
    for start in ["asyncio.run(f())", "await f()"] {
        let ended = run(&home, &[], &format!("{asyncio}{start}"));
        assert_eq!(ended.status.signal(), Some(2), "{start}: {ended:?}");
        // Before 3.11, asyncio.run leaves SIGINT to Python, and cancels the task when that has raised.
        assert_eq!(ended.stdout, "cancelled\n", "{start}: {ended:?}");
        assert!(ended.stderr.ends_with("\nKeyboardInterrupt\n"), "{start}: {ended:?}");
    }
}

#[test]
fn third_ctrl_c_kills_the_worker() {
    let home = TestHome::with_runtime();
    for place in places(&home) {
        let place: Vec<_> = place.iter().map(String::as_str).collect();
        let stubborn = "for _ in range(9):\n    try: wait()\n    except KeyboardInterrupt: pass";
        let ended = run(&home, &place, &code(stubborn));
        assert_eq!(ended.status.signal(), Some(2), "{ended:?}");
        assert!(ended.stderr.contains("its worker was killed"), "{ended:?}");
    }
    home.success(&["stop"]);
    home.wait_until_no_process_is_left();
}

/// A thread is waited for no longer, and functions of `atexit` run.
#[test]
fn ctrl_c_reaches_the_end_of_the_code() {
    let home = TestHome::with_runtime();
    let threads = "import atexit, sys, threading, time\n\
                   atexit.register(print, 'at exit')\n\
                   main, stop = threading.main_thread().ident, threading.Event()\n\
                   def names(frame):\n    while frame: yield frame.f_code.co_name; frame = frame.f_back\n\
                   def work():\n    while '_shutdown' not in names(sys._current_frames()[main]): time.sleep(0.01)\n    \
                   print('press', flush=True); stop.wait()\n\
                   threading.Thread(target=work).start()\n'result'";
    for place in &places(&home)[..2] {
        let place: Vec<_> = place.iter().map(String::as_str).collect();
        let ended = run(&home, &place, threads);
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(0), "result\nat exit\n"), "{ended:?}");
        assert!(ended.stderr.trim_end().ends_with("KeyboardInterrupt:"), "Python itself tells of it: {ended:?}");
    }
    let stubborn = "import atexit, time\n\
                    def wait():\n    while True:\n        try:\n            print('press', flush=True)\n            time.sleep(60)\n        \
                    except KeyboardInterrupt: pass\natexit.register(wait)";
    let ended = run(&home, &["--venv", "runtime-host"], stubborn);
    assert_eq!(ended.status.signal(), Some(2), "{ended:?}");
    home.success(&["stop"]);
    home.wait_until_no_process_is_left();
}

/// Longer than the end of a session may take in a server that is not its own.
#[test]
fn threads_of_code_may_take_as_long_as_under_python() {
    let home = TestHome::with_runtime();
    let code = "import threading, time\n\
                threading.Thread(target=lambda: (time.sleep(5.5), print('done'))).start()";
    let ended = run(&home, &[], code);
    assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(0), "done\n"), "{ended:?}");
}

#[test]
fn waiting_call_is_taken_back_by_ctrl_c() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let began = home.directory().join("began");
    let busy =
        format!("open({:?}, 'w').close()\nimport time\nwhile True: time.sleep(0.01)", began.display().to_string());
    let first = spawn(&home, &["--session", "default"], &busy);
    wait_until("the code runs", || began.exists());
    let second = spawn(&home, &["--session", "default"], "ran = True");
    wait_until("the call waits", || home.success(&["session", "show", "default"]).contains("has waited"));
    signal(second.id().into(), Signal::INT);
    let ended = second.wait_with_output().unwrap();
    assert_eq!(ended.status.signal(), Some(2), "{ended:?}");
    signal(first.id().into(), Signal::INT);
    assert_eq!(first.wait_with_output().unwrap().status.signal(), Some(2));
    assert_eq!(home.success(&["eval", "--session", "default", "'ran' in globals()"]), "False\n");
}

#[test]
fn signals_end_eval_and_leave_nothing() {
    let home = TestHome::with_runtime();
    let began = home.directory().join("began");
    let busy = format!("open({:?}, 'w').close()\nimport time\ntime.sleep(600)", began.display().to_string());
    let files = |folder: &str| fs::read_dir(home.root().join(folder)).map_or(0, Iterator::count);
    for (end, number) in [(Signal::TERM, 15), (Signal::HUP, 1)] {
        let _ = fs::remove_file(&began);
        let child = spawn(&home, &[], &busy);
        wait_until("the code runs", || began.exists());
        signal(child.id().into(), end);
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.signal(), ended.stderr.as_slice()), (Some(number), &b""[..]), "{ended:?}");
        home.wait_until_no_process_is_left();
        assert_eq!(["servers", "logs", "run"].map(files), [0, 0, 0]);
    }
    // While its server starts.
    let child = spawn(&home, &[], &busy);
    wait_until("the server starts", || home.processes().len() > 1);
    signal(child.id().into(), Signal::INT);
    assert_eq!(child.wait_with_output().unwrap().status.signal(), Some(2));
    home.wait_until_no_process_is_left();
    wait_until("nothing is left", || ["servers", "logs", "run"].map(files) == [0, 0, 0]);
}

#[test]
fn ctrl_c_ends_eval_whose_result_nobody_reads() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    for code in ["'x' * 10**7", "print('x' * 10**7)"] {
        let mut child = spawn(&home, &[], code);
        let mut first = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        let sessions = || home.json(&["session", "list"]).as_array().unwrap().clone();
        wait_until("the code has ended", || sessions().iter().all(|session| session["calls"] == 0));
        // It is passed on while the end of the code has not come yet.
        while child.try_wait().unwrap().is_none() {
            signal(child.id().into(), Signal::INT);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(child.wait().unwrap().signal(), Some(2), "{code}");
    }
}

#[test]
fn ignored_sigint_stays_ignored() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    // As for what a shell runs in the background.
    let program = env!("CARGO_BIN_EXE_beep-python");
    let mut command = std::process::Command::new("sh");
    let script = format!("trap '' INT; exec {program} eval \"$0\"");
    command.args(["-c", &script, "print('on', flush=True)\nimport time\ntime.sleep(0.3)\n'went on'"]);
    command.env("BEEP_PYTHON_HOME", home.root()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    signal(child.id().into(), Signal::INT);
    output.read_to_string(&mut line).unwrap();
    assert_eq!((line.as_str(), child.wait().unwrap().code()), ("on\nwent on\n", Some(0)));
}

#[test]
fn input_can_be_asked_for_again_after_ctrl_c() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let ask = "try: name = input('name? ')\nexcept KeyboardInterrupt: name = input('again? ')\nprint('hello', name)";
    let mut terminal = Terminal::run(home.command(&["eval", ask]));
    terminal.wait_for("name? ");
    terminal.keys(CTRL_C);
    terminal.wait_for("again? ");
    terminal.keys(&format!("Ada{ENTER}"));
    terminal.wait_for("\nhello Ada");
    assert!(terminal.end().success());

    let mut terminal = Terminal::run(home.command(&["eval", "input('name? ')"]));
    terminal.wait_for("name? ");
    terminal.keys(CTRL_C);
    terminal.wait_for("KeyboardInterrupt");
    assert_eq!(terminal.end().signal(), Some(2));
}
