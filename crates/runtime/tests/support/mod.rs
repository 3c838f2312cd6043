//! What the tests of runtimes and environments share: a Python of this machine packed as an archive, a mirror on
//! loopback that serves it, and homes that vanish.

// Each test file uses a part of it.
#![allow(dead_code, unreachable_pub)]

pub mod archive;
pub mod mirror;
#[path = "../../../server/tests/support/port.rs"]
pub mod port;
pub mod tls;
pub mod wheels;

use std::path::Path;
use std::sync::OnceLock;

use beep_python_runtime::interpreter::{Interpreter, SearchPaths, discover};
use beep_python_runtime::platform::Home;
use tempfile::TempDir;

/// A home of its own; it goes with the folder.
pub fn home() -> (TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path().join("home")).unwrap();
    (folder, home)
}

/// The CPythons of this machine from 3.9 up, the newest first.
pub fn pythons() -> &'static [Interpreter] {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let (_folder, home) = home();
        let found = discover(&home, &SearchPaths::from_env()).unwrap();
        assert!(!found.is_empty(), "these tests need a CPython from 3.9 up on the machine");
        found
    })
}

/// One of each minor version.
pub fn one_of_each_series() -> Vec<&'static Interpreter> {
    let mut each: Vec<&Interpreter> = pythons().iter().collect();
    each.dedup_by_key(|python| (python.version.series(), python.free_threaded));
    each
}

/// The names in a folder, also hidden ones, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a command prints; it must succeed.
pub fn output(command: &mut std::process::Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}
