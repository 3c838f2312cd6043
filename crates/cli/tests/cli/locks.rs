//! File systems whose locks are not those of a local disk.

use std::fs::{self, File};

use super::environments::age;
use super::preload::FLOCK;
use super::test_home::{CommandOutput, TestHome, python};

/// `ENOLCK`, `ENOSYS`, `EOPNOTSUPP`: what file systems without locks answer.
const NO_LOCKS: [&str; 3] = ["37", "38", "95"];
/// `EIO`, which says nothing of who holds a lock.
const IO: &str = "5";

fn run(home: &TestHome, error: Option<&str>, arguments: &[&str]) -> CommandOutput {
    let mut command = home.command(arguments);
    command.env("LD_PRELOAD", home.preload(FLOCK));
    error.map(|error| command.env("NO_FLOCK", error));
    CommandOutput::from(command.output().unwrap())
}

#[test]
fn environment_in_use_is_kept_where_an_exclusive_lock_needs_a_writable_file() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let file = home.root().join("environments/mine/pyvenv.cfg");
    let used = File::open(&file).unwrap();
    used.lock_shared().unwrap();
    age(&home, "mine", 40);
    let output = run(&home, None, &["venv", "delete", "mine", "--yes"]);
    let expected = format!("error: the environment \"mine\" is in use by the process {}\n", std::process::id());
    assert!(output.code == Some(1) && output.stderr.starts_with(&expected), "{output:?}");
    let output = run(&home, None, &["venv", "prune", "--idle", "30d", "--yes"]);
    assert!(output.code == Some(0) && file.exists(), "{output:?}");
    drop(used);
    let output = run(&home, None, &["venv", "delete", "mine", "--yes"]);
    assert!(output.code == Some(0) && !file.exists(), "{output:?}");
}

#[test]
fn environment_of_which_nobody_can_tell_whether_it_is_in_use_is_kept() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let file = home.root().join("environments/mine/pyvenv.cfg");
    age(&home, "mine", 40);
    for error in NO_LOCKS.into_iter().chain([IO]) {
        let output = run(&home, Some(error), &["venv", "delete", "mine", "--yes"]);
        let lines: Vec<_> = output.stderr.lines().collect();
        assert_eq!(lines[0], "error: nobody can tell whether the environment \"mine\" is in use, so it is kept");
        let causes = if error == IO { 1 } else { 2 };
        assert!(lines[1].starts_with("caused by: ") && lines.len() == 2 + causes, "{output:?}");
        assert!(lines.last().unwrap().starts_with("hint: when no process uses it any more, "), "{output:?}");
        let output = run(&home, Some(error), &["venv", "prune", "--idle", "30d", "--yes"]);
        assert!(output.code == Some(0) && output.stderr.contains("nobody can tell"), "{output:?}");
        assert!(file.exists(), "{error}");
    }
}

#[test]
fn server_goes_on_when_its_environment_cannot_be_deleted() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    home.start(&["--venv", "mine"]);
    let output = run(&home, Some(NO_LOCKS[0]), &["venv", "delete", "mine", "--yes"]);
    assert!(output.stderr.starts_with("error: nobody can tell"), "{output:?}");
    assert_eq!(home.success(&["eval", "1 + 1"]), "2\n", "no server is stopped for nothing");
}

#[test]
fn home_on_a_file_system_without_locks_is_said_once_and_plainly() {
    for error in NO_LOCKS {
        let home = TestHome::new();
        let output = run(&home, Some(error), &["init", "--python", python()]);
        let lines: Vec<_> = output.stderr.lines().collect();
        assert!(lines[0].starts_with(&format!("error: cannot lock {}/", home.root().display())), "{output:?}");
        assert_eq!(lines[1], "caused by: its file system has no locks (flock)");
        assert!(
            lines[3].starts_with("hint: set BEEP_PYTHON_HOME to a folder on a file system with locks"),
            "{output:?}"
        );
        assert_eq!(lines.len(), 4, "{output:?}");
        let checked = run(&home, Some(error), &["config"]);
        assert!(checked.stdout.contains("WRONG  home: "), "{checked:?}");
        assert!(checked.stdout.contains("its file system has no locks (flock)"), "{checked:?}");
        assert_eq!(fs::read_dir(home.root()).unwrap().flatten().filter(|entry| entry.path().is_file()).count(), 0);
    }
}
