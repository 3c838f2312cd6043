//! Creating, checking and deleting virtual environments.

mod activation;
mod admin;
mod create;
mod delete;
mod status;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use std::os::unix::fs::symlink;

use beep_python_runtime::environment::VenvManager;
use beep_python_runtime::interpreter::{Interpreter, query};
use beep_python_runtime::platform::Home;
use support::{home, output, pythons};
use tempfile::TempDir;

/// A folder whose name needs quotes everywhere.
const AWKWARD: &str = "a folder's \"häuschen\" $HOME `x` 日本";

fn manager() -> (TempDir, VenvManager) {
    let (folder, home) = home();
    (folder, VenvManager::new(home))
}

fn awkward_manager() -> (TempDir, VenvManager) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path().join(AWKWARD)).unwrap();
    (folder, VenvManager::new(home))
}

fn python() -> &'static Interpreter {
    &pythons()[0]
}

/// One that brings pip with it, which some distributions leave out.
fn python_with_pip() -> &'static Interpreter {
    let found = pythons().iter().find(|python| python.stdlib.join("ensurepip/_bundled").is_dir());
    found.expect("these tests need a CPython whose ensurepip is installed (python3-venv)")
}

/// A Python of our own that can be removed: a link that leads to the machine's.
fn own_python(folder: &Path, home: &Home) -> Interpreter {
    let mut own = query(home, &python().path).unwrap();
    own.path = folder.join(own.path.file_name().unwrap());
    symlink(&python().path, &own.path).unwrap();
    own
}

fn ask(python: &Path, expression: &str) -> String {
    output(Command::new(python).args(["-I", "-c", &format!("import sys, os, site, sysconfig; print({expression})")]))
}

fn folder_of(manager: &VenvManager) -> PathBuf {
    manager.home().environments().unwrap()
}
