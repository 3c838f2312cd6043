//! The Python side's own tests, on every Python of the machine: one of each minor version.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use beep_python_runtime::interpreter::{Interpreter, SearchPaths, discover};
use beep_python_runtime::platform::Home;

#[test]
fn the_python_sides_own_tests_pass_on_every_python() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = Home::open(folder.path().join("home")).expect("a home");
    let mut pythons = discover(&home, &SearchPaths::from_env()).expect("a search");
    pythons.dedup_by_key(|python| python.version.series());
    assert!(!pythons.is_empty(), "these tests need a CPython from 3.9 up on the machine");

    let failed: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = pythons.iter().map(|python| (python, scope.spawn(|| run_suite(python)))).collect();
        let ended = running.into_iter().map(|(python, suite)| (python, suite.join().expect("no panic")));
        ended.filter(|(python, output)| !report(python, output)).map(|(python, _)| python.path.display()).collect()
    });
    assert!(failed.is_empty(), "the tests failed on {failed:?}; what they said is above");
}

fn run_suite(python: &Interpreter) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let mut command = Command::new(&python.path);
    command.env_remove("PYTHONPATH");
    if let Some(packages) = packages(python) {
        command.env("PYTHONPATH", packages);
    }
    command
        .args(["-m", "unittest", "discover", "-s", "tests", "-t", "."])
        .current_dir(root)
        .env("PYTHONDONTWRITEBYTECODE", "1") // the repository stays as it is
        .env_remove("PYTHONHOME")
        .stdin(Stdio::null())
        .output()
        .expect("an interpreter that was queried can be run")
}

/// Where numpy and pandas are for this Python; without them, their tests are skipped.
fn packages(python: &Interpreter) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("BEEP_PYTHON_TEST_PACKAGES")?).join(python.version.series());
    folder.is_dir().then_some(folder)
}

/// Prints how it went; false when it failed.
fn report(python: &Interpreter, output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr);
    let summary: Vec<_> = said.lines().filter(|line| line.starts_with("Ran ") || line.starts_with("OK")).collect();
    println!("{} ({}): {}, {}", python.version, python.path.display(), summary.join(" "), output.status);
    if !output.status.success() {
        println!("{}{said}", String::from_utf8_lossy(&output.stdout));
    }
    output.status.success()
}
