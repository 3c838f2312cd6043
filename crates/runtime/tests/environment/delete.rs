//! Deleting environments.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use beep_python_runtime::environment::EnvironmentError;

use crate::support::{names, output};
use crate::{folder_of, manager, python};

#[test]
fn delete_removes_only_environments_of_beep_python() {
    let (folder, manager) = manager();
    let environments = folder_of(&manager);
    manager.create("mine", python()).unwrap();
    fs::create_dir(environments.join("theirs")).unwrap();
    fs::write(environments.join("theirs/file"), "").unwrap();
    // A link to a folder that looks like ours is only a link.
    let elsewhere = folder.path().join("elsewhere");
    output(Command::new("cp").arg("-a").arg(environments.join("mine")).arg(&elsewhere));
    symlink(&elsewhere, environments.join("linked")).unwrap();

    let error = manager.delete("theirs").unwrap_err();
    assert!(matches!(&error, EnvironmentError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("refusing to touch it"));
    manager.delete("mine").unwrap();
    manager.delete("linked").unwrap();
    assert_eq!(names(&environments), ["theirs"]);
    assert!(environments.join("theirs/file").exists() && elsewhere.join("pyvenv.cfg").exists());
}

#[test]
fn remains_of_killed_process_are_not_an_environment() {
    let (_folder, manager) = manager();
    let environments = folder_of(&manager);
    let whole = manager.create("whole", python()).unwrap();
    for left in [".new-half", ".trash-old"] {
        output(Command::new("cp").arg("-a").arg(&whole.path).arg(environments.join(left)));
    }
    let listed: Vec<String> = manager.list().unwrap().into_iter().map(|environment| environment.name).collect();
    assert_eq!(listed, ["whole"]);
    assert!(matches!(manager.open("half").unwrap_err(), EnvironmentError::NotFound { .. }));
    manager.create("half", python()).unwrap();
    assert_eq!(names(&environments), ["half", "whole"]);
}
