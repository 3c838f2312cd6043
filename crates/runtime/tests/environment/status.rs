//! The status of environments.

use std::fs;
use std::process::Command;

use beep_python_runtime::environment::{EnvironmentRecord, EnvironmentState};

use crate::support::output;
use crate::{awkward_manager, folder_of, manager, own_python, python, python_with_pip};

#[test]
fn status_lists_installed_packages_and_size() {
    let (_folder, manager) = awkward_manager();
    let environment = manager.create("mine", python_with_pip()).unwrap();
    output(Command::new(&environment.python).args(["-I", "-m", "ensurepip", "--default-pip"]));
    let status = manager.status("mine").unwrap();
    assert!(status.packages.iter().any(|package| package.name == "pip"), "{status:?}");
    assert!(environment.path.join("bin/pip").exists());
    assert!(status.size_bytes.unwrap() > 1 << 20);
    let listed =
        output(Command::new(&environment.python).args(["-I", "-m", "pip", "--no-input", "list", "--format=freeze"]));
    for package in &status.packages {
        assert!(listed.contains(&format!("{}=={}", package.name, package.version)), "{listed}");
    }
}

#[test]
fn broken_environments_do_not_hide_the_state_of_others() {
    let (folder, manager) = manager();
    let environments = folder_of(&manager);
    let own = own_python(folder.path(), manager.home());
    for name in ["a-healthy", "c-broken", "d-changed", "e-no-record", "g-lost"] {
        manager.create(name, python()).unwrap();
    }
    manager.create("b-gone", &own).unwrap();
    fs::remove_file(&own.path).unwrap();
    fs::remove_file(environments.join("c-broken/pyvenv.cfg")).unwrap();
    let record = environments.join("d-changed/beep-python.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(record, text.replace(&format!("\"{}\"", python().version), "\"3.9.1\"")).unwrap();
    fs::write(environments.join("e-no-record/beep-python.json"), "{").unwrap();
    fs::write(environments.join("g-lost/beep-python.json"), "{").unwrap();
    fs::remove_file(environments.join("g-lost/pyvenv.cfg")).unwrap();
    fs::write(environments.join("f-file"), "").unwrap();

    let listed = manager.list().unwrap();
    let states: Vec<_> = listed.iter().map(|environment| (environment.name.as_str(), &environment.state)).collect();
    assert_eq!(states.len(), 6, "{states:?}");
    assert!(matches!(states[0], ("a-healthy", EnvironmentState::Healthy)));
    assert!(
        matches!(states[1], ("b-gone", EnvironmentState::InterpreterGone { interpreter, .. }) if *interpreter == own.path)
    );
    assert!(matches!(states[2], ("c-broken", EnvironmentState::Healthy)), "a glance runs nothing");
    assert!(
        matches!(states[3], ("d-changed", EnvironmentState::InterpreterChanged { is, .. }) if *is == python().version)
    );
    assert!(matches!(states[4], ("e-no-record", EnvironmentState::Healthy)), "it is made anew");
    assert!(matches!(states[5], ("g-lost", EnvironmentState::Foreign { .. })));
    for listed in &listed {
        let status = manager.status(&listed.name).unwrap();
        match listed.name.as_str() {
            "c-broken" => assert!(
                matches!(&status.state, EnvironmentState::Unrunnable { reason } if reason.contains("sys.prefix"))
            ),
            _ => assert_eq!(status.state, listed.state),
        }
    }
    let again = EnvironmentRecord { created: 0, ..listed[4].record.clone().unwrap() };
    let first = EnvironmentRecord { created: 0, name: again.name.clone(), ..listed[0].record.clone().unwrap() };
    assert_eq!(again, first);
    assert_eq!(serde_json::to_value(&listed[0]).unwrap()["state"], "healthy");
}

#[test]
fn packages_come_from_their_metadata() {
    let (_folder, manager) = manager();
    let environment = manager.create("mine", python()).unwrap();
    let dist_info = |folder: &str, metadata: &str| {
        let folder = environment.site_packages.join(folder);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("METADATA"), metadata).unwrap();
    };
    dist_info("zope_x-1.0.dist-info", "Metadata-Version: 2.1\nName: zope.x\nVersion: 1.0\n\nName: not this\n");
    dist_info("Alpha-2.0.dist-info", "Name: Alpha\r\nVersion: 2.0\r\n\r\nText\n");
    dist_info("broken-3.0.dist-info", "Metadata-Version: 2.1\n\nName: broken\nVersion: 3.0\n");
    fs::create_dir(environment.site_packages.join("empty-1.dist-info")).unwrap();
    let packages = manager.status("mine").unwrap().packages;
    let packages: Vec<String> =
        packages.into_iter().map(|package| format!("{}=={}", package.name, package.version)).collect();
    assert_eq!(packages, ["Alpha==2.0", "zope.x==1.0"]);
}
