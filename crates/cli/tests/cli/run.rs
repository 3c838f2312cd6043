//! `run` beside `python`: what it takes, prints and returns, and its signals.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use super::terminal::{CTRL_C, Terminal};
use super::test_home::{CommandOutput, TestHome, signal, wait_until};

/// A home with scripts in its directory.
fn with_scripts() -> TestHome {
    let home = TestHome::with_runtime();
    let folder = home.directory().join("scripts");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("beside.py"), "NAME = 'beside'\n").unwrap();
    fs::write(folder.join("random.py"), "NAME = 'not the library'\n").unwrap();
    let script = "import os, sys, beside, random\n\
        print(sys.argv, sys.orig_argv[1:] if sys.version_info > (3, 10) else '', __file__, __name__, os.getcwd(), beside.NAME, random.NAME)\n\
        print(sys.path[0], __spec__, sys.modules['__main__'].__file__, __loader__ is None)\n\
        if __name__ == '__main__' and len(sys.argv) > 2:\n    sys.exit(int(sys.argv[-1]))\n\
        def fail():\n    raise ValueError(sys.stdin.read())\n\
        if sys.argv[1:]:\n    fail()\n\
        5\n";
    fs::write(folder.join("s.py"), script).unwrap();
    fs::write(folder.join("latin.py"), b"# coding: latin-1\nprint(ascii('\xe9'))\n").unwrap();
    fs::write(folder.join("undeclared.py"), b"print('\xe9')\n").unwrap();
    fs::write(folder.join("wrong.py"), "print(1)\nx = = 1\n").unwrap();
    fs::write(folder.join("__main__.py"), "import sys; print('the folder', sys.argv)\n").unwrap();
    std::os::unix::fs::symlink("scripts/s.py", home.directory().join("linked.py")).unwrap();
    home
}

/// What the command and python print and return for the same arguments.
fn both(home: &TestHome, arguments: &[&str], input: &str) -> [CommandOutput; 2] {
    let mut theirs = Command::new(home.root().join("environments/runtime-host/bin/python"));
    theirs.args(arguments).current_dir(home.directory());
    [home.command(&[&["run"], arguments].concat()), theirs].map(|mut command| {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes()); // not each reads it
        CommandOutput::from(child.wait_with_output().unwrap())
    })
}

#[test]
fn it_takes_prints_and_returns_what_python_does() {
    let home = with_scripts();
    home.success(&["eval", "1"]); // which makes the environment
    for arguments in [
        &["scripts/s.py"][..],
        &["scripts/s.py", "--x"],
        &["scripts/s.py", "--help", "--json", "--timeout", "5s", "--venv", "3"],
        &["scripts/s.py", "--", "-v", "4"],
        &["linked.py"],
        &["scripts/latin.py"],
        &["scripts/undeclared.py"],
        &["scripts/wrong.py"],
        &["scripts"],
        &["nowhere.py"],
        &["-c", "import sys; print(sys.argv); sys.exit('a message')", "--json"],
        &["-m", "json.tool", "--help"],
        &["-X", "dev", "-c", "import sys; print(sys.flags.dev_mode)"],
        &["-", "a"],
        &["/dev/fd/0"],
        &["-c", "import os; os.execvp('echo', ['echo', 'another program'])"],
        &["-c", "import os; os._exit(0)"],
        &["-c", "import os, threading; threading.Timer(0.1, os._exit, (6,)).start()"],
        &["-c", "import sys; sys.excepthook = lambda *e: print('hook', e[1]); 1 / 0"],
        &[
            "-c",
            "import os, sys; os.system('echo child'); print('error', file=sys.stderr); os.system('echo child >&2')",
        ],
    ] {
        let [ours, theirs] = both(&home, arguments, "print('standard input')\n");
        assert_eq!(
            (ours.code, &ours.stdout, &ours.stderr),
            (theirs.code, &theirs.stdout, &theirs.stderr),
            "{arguments:?}"
        );
    }
    let hinted = home.run(&["eval", "linked.py"]);
    assert!(hinted.stderr.contains("hint: `beep-python run linked.py` runs that file"), "{hinted:?}");
    home.wait_until_no_process_is_left();
}

#[test]
fn what_it_does_not_take_is_told() {
    let home = TestHome::with_runtime();
    let mistyped = home.run(&["run", "--vnev", "mine", "s.py"]);
    assert!(mistyped.code == Some(2) && mistyped.stderr.contains("unexpected argument '--vnev'"), "{mistyped:?}");
    let json = home.run(&["--json", "run", "s.py"]);
    assert!(json.code == Some(2) && json.stderr.contains("'--json' cannot be used with 'run'"), "{json:?}");
}

#[test]
fn program_has_the_environment_s_variables_and_no_token() {
    let home = TestHome::with_runtime();
    let code = "import os, sys; print(os.environ.get('VIRTUAL_ENV'), os.environ['PATH'].split(':')[0], \
        [name for name in os.environ if 'TOKEN' in name], os.environ.get('PYTHONPATH'), sys.prefix)";
    let mut command = home.command(&["run", "-c", code]);
    command
        .env("BEEP_PYTHON_TOKEN", "secret-secret-secret")
        .env("PYTHONHOME", "/nowhere")
        .env("PYTHONPATH", "/of/mine");
    let output = CommandOutput::from(command.output().unwrap());
    let environment = home.root().join("environments/runtime-host");
    let environment = environment.display();
    assert_eq!(output.stdout, format!("{environment} {environment}/bin [] /of/mine {environment}\n"), "{output:?}");
}

/// Starts a program that says when it is ready, and waits for that.
fn started(home: &TestHome, arguments: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = home.command(&[&["run"], arguments].concat());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (child, output)
}

const HANDLES: &str = "import signal, sys\ndef handle(number, _):\n    print('got', number)\n    sys.exit(number)\n\
    for number in 1, 10, 12, 15: signal.signal(number, handle)\n\
    try:\n    print('ready', flush=True)\n    signal.pause()\nfinally: print('at last')\n";

#[test]
fn signals_reach_the_program() {
    let home = TestHome::with_runtime();
    for more in [&[][..], &["--timeout", "1h"]] {
        for (sent, number) in [(Signal::HUP, 1), (Signal::USR1, 10), (Signal::USR2, 12), (Signal::TERM, 15)] {
            let (mut child, output) = started(&home, &[more, &["-c", HANDLES]].concat());
            signal(child.id().into(), sent);
            let lines: Vec<_> = output.lines().map(Result::unwrap).collect();
            assert_eq!(lines, [format!("got {number}"), "at last".to_owned()], "{more:?}");
            assert_eq!(child.wait().unwrap().code(), Some(number), "{more:?}");
        }
        let (mut child, _) =
            started(&home, &[more, &["-c", "import os; print('ready', flush=True); os.kill(os.getpid(), 9)"]].concat());
        assert_eq!(child.wait().unwrap().signal(), Some(9), "{more:?}");
    }
    home.wait_until_no_process_is_left();
}

#[test]
fn terminal_is_the_program_s() {
    let home = TestHome::with_runtime();
    // Not in `input`, where Python itself misses a Ctrl-C that comes as it begins to wait.
    let code = "import os, sys, time\nprint([os.isatty(fd) for fd in range(3)], os.get_terminal_size().columns)\n\
        try:\n    print(input('? '))\n    while True: time.sleep(0.01)\nexcept KeyboardInterrupt: print('stopped')";
    for more in [&[][..], &["--timeout", "1h"]] {
        let mut terminal = Terminal::run(home.command(&[&["run"], more, &["-c", code]].concat()));
        terminal.wait_for("[True, True, True] 110");
        terminal.wait_for_line("?");
        terminal.keys("typed\r");
        terminal.wait_for("? typed\ntyped");
        terminal.keys(CTRL_C);
        terminal.wait_for("stopped");
        assert!(terminal.end().success(), "{more:?}");
    }
}

#[test]
fn program_that_exceeds_its_time_is_ended_with_what_it_started() {
    let home = TestHome::with_runtime();
    let code = "import signal, subprocess, time\nsignal.signal(15, lambda *_: print('asked', flush=True))\n\
        subprocess.Popen(['sleep', '1000'], start_new_session=True)\nwhile True: time.sleep(1000)";
    let output = home.run(&["run", "--timeout", "10s", "-c", code]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(124), "asked\n"), "{output:?}");
    assert_eq!(output.stderr, "error: the program exceeded its time limit of 10s\n");
    home.wait_until_no_process_is_left();
    // Nothing is left of it where the command is killed.
    let (mut child, _) =
        started(&home, &["--timeout", "1h", "-c", "import time; print('ready', flush=True); time.sleep(1000)"]);
    child.kill().unwrap();
    child.wait().unwrap();
    home.wait_until_no_process_is_left();
}

#[test]
fn environment_is_in_use_while_the_program_runs() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let (mut child, _) =
        started(&home, &["--venv", "mine", "-c", "import time; print('ready', flush=True); time.sleep(1000)"]);
    let refused = home.run(&["venv", "delete", "mine", "--yes"]);
    assert!(refused.code == Some(1) && refused.stderr.contains(&child.id().to_string()), "{refused:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("it is deleted", || home.run(&["venv", "delete", "mine", "--yes"]).code == Some(0));
}

#[test]
fn ctrl_c_reaches_a_program_with_a_time_limit_once() {
    let home = TestHome::with_runtime();
    let count = "import os, signal, sys, time\nif 'own' in sys.argv: os.setpgrp()\ngot = []\n\
        signal.signal(2, lambda *_: got.append(2))\nprint('ready', flush=True)\n\
        while not got: time.sleep(0.01)\ntime.sleep(0.3)\nprint('got', len(got))";
    fs::write(home.directory().join("count.py"), count).unwrap();
    let program = home.command(&[]).get_program().to_owned();
    // In a group of its own, with another standard input than the terminal, and as always.
    for line in ["run --timeout 1h count.py own", "run --timeout 1h count.py < /dev/null", "run --timeout 1h count.py"]
    {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {} {line}", program.display())]).current_dir(home.directory());
        shell.env("BEEP_PYTHON_HOME", home.root());
        let mut terminal = Terminal::run(shell);
        terminal.wait_for("ready");
        terminal.keys(CTRL_C);
        terminal.wait_for("got 1");
        assert!(terminal.end().success(), "{line}");
    }
    // What another process sends is passed on, too.
    let terminal = Terminal::run(home.command(&["run", "--timeout", "1h", "count.py"]));
    terminal.wait_for("ready");
    signal(terminal.pid(), Signal::INT);
    terminal.wait_for("got 1");
    assert!(terminal.end().success());
}

#[test]
fn program_that_is_stopped_can_clean_up_when_its_time_is_over() {
    let home = TestHome::with_runtime();
    let code = "import os, signal, sys\nsignal.signal(15, lambda *_: (print('cleaned', flush=True), sys.exit()))\nos.kill(os.getpid(), 19)";
    let output = home.run(&["run", "--timeout", "10s", "-c", code]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(124), "cleaned\n"), "{output:?}");
}

#[test]
fn signals_are_as_the_command_found_them() {
    let home = TestHome::with_runtime();
    home.success(&["eval", "1"]);
    let code = "import signal; print(sorted(int(n) for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN), \
        sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))))";
    let outer = "import os, signal, sys\nfor n in 1, 10, 14, 17, 23, 28, 40: signal.signal(n, signal.SIG_IGN)\n\
        signal.pthread_sigmask(signal.SIG_BLOCK, [12, 15])\nos.execv(sys.argv[1], sys.argv[1:])";
    let theirs = home.root().join("environments/runtime-host/bin/python");
    let ours = home.command(&[]).get_program().to_owned();
    let run = |arguments: &[&std::ffi::OsStr]| {
        let mut command = Command::new(super::test_home::python());
        command.args(["-c", outer]).args(arguments).args(["-c", code]).current_dir(home.directory());
        CommandOutput::from(command.env("BEEP_PYTHON_HOME", home.root()).output().unwrap())
    };
    let expected = run(&[theirs.as_os_str()]);
    assert!(expected.stdout.contains("40") && expected.stdout.contains("[12, 15]"), "{expected:?}");
    assert_eq!(run(&[&ours, "run".as_ref()]).stdout, expected.stdout);
}
