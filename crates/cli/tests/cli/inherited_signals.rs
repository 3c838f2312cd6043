//! Signals that were blocked or ignored when the command began.

use std::process::Command;

use super::test_home::{CommandOutput, TestHome, python};

/// Runs a command with every signal blocked, and those ignored that a program needs.
fn deaf(home: &TestHome, arguments: &[&str]) -> CommandOutput {
    let script = "import os, signal, sys\n\
        for name in 'CHLD TERM INT HUP ALRM USR1'.split():\n    signal.signal(getattr(signal, 'SIG' + name), signal.SIG_IGN)\n\
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n\
        os.execv(sys.argv[1], sys.argv[1:])";
    let here = home.command(arguments);
    let mut command = Command::new(python());
    command.args(["-c", script]).arg(here.get_program()).args(here.get_args()).current_dir(home.directory());
    command.envs(here.get_envs().filter_map(|(name, value)| Some((name, value?))));
    CommandOutput::from(command.output().unwrap())
}

/// What code finds of its signals.
const SIGNALS: &str = "import signal, subprocess\nnames = 'CHLD TERM HUP ALRM USR1'.split()\n\
    actions = [signal.getsignal(getattr(signal, 'SIG' + name)) == signal.SIG_DFL for name in names]\n\
    print(all(actions), signal.pthread_sigmask(signal.SIG_BLOCK, []), subprocess.run(['false']).returncode)";

#[test]
fn server_and_its_sessions_begin_with_all_signals() {
    let home = TestHome::with_runtime();
    let started = deaf(&home, &["start", "http", "--port", "0"]);
    assert_eq!(started.code, Some(0), "{started:?}");
    assert_eq!(home.success(&["eval", "--session", "default", SIGNALS]), "True set() 1\n");
    let late = home.run(&["eval", "--session", "default", "--timeout", "0.5", "while True: pass"]);
    assert!(late.stderr.contains("hint: --timeout"), "an interrupt is heard: {late:?}");
    assert_eq!(home.success(&["eval", "--session", "default", "1 + 1"]), "2\n", "without losing the session's worker");
    assert_eq!(home.json(&["stop"])[0]["outcome"], "drained", "and so is `stop`");
}

#[test]
fn commands_run_tools_whatever_their_parent_ignores() {
    let home = TestHome::new();
    let output = deaf(&home, &["init", "--python", python()]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let output = deaf(&home, &["eval", SIGNALS]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "True set() 1\n"), "{output:?}");
}
