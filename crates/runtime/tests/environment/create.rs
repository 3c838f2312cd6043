//! Creating and opening environments.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use beep_python_runtime::environment::{EnvironmentError, VenvManager};
use beep_python_runtime::interpreter::{Interpreter, query};
use beep_python_runtime::platform::Home;

use crate::support::{names, one_of_each_series};
use crate::{ask, awkward_manager, folder_of, manager, python};

#[test]
fn environment_equals_that_of_the_venv_module() {
    for python in one_of_each_series() {
        let (folder, manager) = awkward_manager();
        let environment = manager.create("mine", python).unwrap();
        let reference = folder.path().join("reference");
        let mut venv = Command::new(&python.path);
        let made = venv.args(["-I", "-m", "venv", "--without-pip"]).arg(&reference).output().unwrap();
        assert_eq!(environment.path, folder_of(&manager).join("mine"));
        assert_eq!(environment.record.as_ref().unwrap().python, python.version);

        let facts = |environment: &Path| {
            let facts = [
                "sys.prefix",
                "sys.exec_prefix",
                "sys.base_prefix",
                "site.getsitepackages()",
                "site.ENABLE_USER_SITE",
                "sysconfig.get_paths()",
                "[p for p in sys.path if p]",
                "sys.flags.no_user_site",
                "sys.executable",
            ];
            let said = ask(&environment.join("bin/python"), &format!("[{}]", facts.join(", ")));
            said.replace(&format!("{:?}", environment.to_str().unwrap()), "HERE")
                .replace(environment.to_str().unwrap(), "HERE")
        };
        assert_eq!(ask(&environment.python, "sys.prefix"), environment.path.to_str().unwrap());
        assert_eq!(ask(&environment.python, "site.getsitepackages()[0]"), environment.site_packages.to_str().unwrap());
        if made.status.success() {
            let there = reference.canonicalize().unwrap();
            // Repr writes a path with both kinds of quotes otherwise, so that what is compared is a plain copy of ours.
            let plain = folder.path().join("plain");
            let plain_home = Home::open(&plain).unwrap();
            let ours = VenvManager::new(plain_home).create("mine", python).unwrap();
            assert_eq!(facts(&ours.path), facts(&there));
        }
        for name in ["python", "python3", &python.name()] {
            assert_eq!(query(manager.home(), environment.path.join("bin").join(name)).unwrap(), *python);
        }
        assert_eq!(fs::read_link(environment.path.join("lib64")).unwrap(), Path::new("lib"));
    }
}

#[test]
fn configuration_has_the_keys_of_pep_405() {
    let (_folder, manager) = manager();
    let environment = manager.create("mine", python()).unwrap();
    let text = fs::read_to_string(environment.path.join("pyvenv.cfg")).unwrap();
    let value = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap_or_else(|| panic!("{key}"));
        line.split_once(" = ").unwrap().1.to_owned()
    };
    assert_eq!(Path::new(&value("home")), python().path.parent().unwrap());
    assert_eq!(value("include-system-site-packages"), "false");
    assert_eq!(value("version"), python().version.to_string());
    assert_eq!(Path::new(&value("executable")), python().path);
    assert!(value("command").ends_with("mine"));
}

#[test]
fn invalid_names_are_refused_by_every_operation() {
    let (folder, manager) = manager();
    fs::create_dir(folder.path().join("precious")).unwrap();
    for name in ["", ".", "..", "../precious", "a/b", "/tmp", ".new-x", "x\n", &"x".repeat(101)] {
        let errors = [
            manager.create(name, python()).map(drop),
            manager.ensure(name, python()).map(drop),
            manager.open(name).map(drop),
            manager.status(name).map(drop),
            manager.delete(name),
        ];
        for error in errors {
            assert!(matches!(error, Err(EnvironmentError::InvalidName { .. })), "{name:?}: {error:?}");
        }
    }
    assert!(folder.path().join("precious").exists());
    assert_eq!(names(&folder_of(&manager)), [""; 0]);
}

#[test]
fn a_name_is_used_once() {
    let (_folder, manager) = manager();
    let (first, made) = manager.ensure("mine", python()).unwrap();
    assert!(made);
    assert_eq!(manager.ensure("mine", python()).unwrap(), (first.clone(), false));
    assert_eq!(manager.open("mine").unwrap(), first);
    let error = manager.create("mine", python()).unwrap_err();
    assert!(matches!(&error, EnvironmentError::AlreadyExists { path, .. } if *path == first.path), "{error}");
    assert!(matches!(manager.open("other").unwrap_err(), EnvironmentError::NotFound { .. }));
    assert!(matches!(manager.delete("other").unwrap_err(), EnvironmentError::NotFound { .. }));
}

#[test]
fn concurrent_ensure_creates_one_environment() {
    let (_folder, manager) = manager();
    let made: usize = std::thread::scope(|scope| {
        let each: Vec<_> = (0..16).map(|_| scope.spawn(|| manager.ensure("mine", python()).unwrap().1)).collect();
        each.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(made, 1);
    assert_eq!(names(&folder_of(&manager)), ["mine"]);
}

#[test]
fn environment_created_for_provider_is_the_one_it_ensures() {
    let (_folder, manager) = manager();
    for provider in ["hf-cpu", "hf-rocm"] {
        let model = Some("Qwen/Qwen3-8B");
        let made = manager.create_for_provider(provider, model, python()).unwrap();
        assert_eq!(made.name, if provider == "hf-cpu" { "hf-cpu" } else { "hf-rocm-qwen-qwen3-8b" });
        let record = manager.open(&made.name).unwrap().record.unwrap();
        assert_eq!((record.provider.as_deref(), record.model.as_deref()), (Some(provider), model));
        assert_eq!(manager.ensure_provider_environment(provider, model).unwrap(), made);
        let again = manager.create_for_provider(provider, model, python()).unwrap_err();
        assert!(matches!(again, EnvironmentError::AlreadyExists { .. }), "{again}");
    }
}

#[test]
fn unusable_interpreter_creates_nothing() {
    let (folder, manager) = manager();
    // It runs, and is not what it says it is: its prefix is another.
    let other = Interpreter { prefix: folder.path().to_owned(), ..python().clone() };
    let error = manager.create("mine", &other).unwrap_err();
    assert!(matches!(&error, EnvironmentError::NotIsolated { what: "sys.base_prefix", .. }), "{error}");
    let other = Interpreter { path: "/bin/false".into(), ..python().clone() };
    let error = manager.create("mine", &other).unwrap_err();
    assert!(matches!(error, EnvironmentError::Unrunnable { .. }), "{error}");
    let other = Interpreter { version: "3.8.1".parse().unwrap(), ..python().clone() };
    assert!(matches!(manager.create("mine", &other).unwrap_err(), EnvironmentError::Interpreter(_)));
    assert_eq!(names(&folder_of(&manager)), [""; 0]);
}

#[test]
fn foreign_environment_opens_by_path() {
    let (folder, manager) = manager();
    let path = manager.create("mine", python()).unwrap().path;
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    fs::remove_file(elsewhere.join("beep-python.json")).unwrap();
    let opened = manager.open_path(&elsewhere).unwrap();
    assert_eq!((opened.name.as_str(), &opened.record), ("elsewhere", &None));
    assert!(opened.site_packages.is_dir() && opened.python.exists());
    for wrong in [folder.path().to_owned(), folder.path().join("nothing")] {
        assert!(matches!(manager.open_path(wrong).unwrap_err(), EnvironmentError::NotAnEnvironment { .. }));
    }
}

#[test]
fn home_and_environments_are_private_to_the_user() {
    let (_folder, manager) = manager();
    manager.create("mine", python()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(manager.home().root()), 0o700);
    assert_eq!(mode(&folder_of(&manager)), 0o700);
}
