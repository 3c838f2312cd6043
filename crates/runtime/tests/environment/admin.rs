//! The administrative environment.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use beep_python_runtime::environment::VenvManager;
use beep_python_runtime::interpreter::query;
use beep_python_runtime::platform::Home;

use crate::support::{names, output};
use crate::{folder_of, manager, python, python_with_pip};

/// The environment `admin`, with an index of wheels that the test makes. In a process of its own for each configuration
/// of pip, since that comes from the environment variables.
#[test]
fn admin_installs_what_the_index_has_and_reports_the_rest() {
    let (folder, manager) = manager();
    let index = folder.path().join("index");
    fs::create_dir(&index).unwrap();
    let home = manager.home().root().to_str().unwrap();

    // Nothing to be had: pip is there all the same, and what is missing is told with the reason.
    let (created, installed, missing) = run_admin(home, &index);
    assert!(created);
    assert!(installed.contains("pip"));
    let expected: BTreeSet<String> =
        ["setuptools", "wheel"].map(str::to_owned).into_iter().filter(|n| !installed.contains(n)).collect();
    assert_eq!(missing.keys().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(missing.values().all(|reason| reason.contains("No matching distribution found")), "{missing:?}");

    // Then one, then both; what is there is not touched.
    wheel(&folder.path().join("build"), &index, "wheel");
    let (created, installed, missing) = run_admin(home, &index);
    assert!(!created && installed.contains("wheel") && !missing.contains_key("wheel"), "{missing:?}");
    wheel(&folder.path().join("build"), &index, "setuptools");
    let (_, installed, missing) = run_admin(home, &index);
    assert!(missing.is_empty(), "{missing:?}");
    assert!(["pip", "setuptools", "wheel"].iter().all(|name| installed.contains(*name)));
    fs::remove_dir_all(&index).unwrap();
    assert!(run_admin(home, &index).2.is_empty());
    assert_eq!(names(&folder_of(&manager)), ["admin"]);
}

#[test]
fn admin_of_python_without_pip_reports_what_is_missing() {
    let (folder, manager) = manager();
    let archive = crate::support::archive::packed().write(folder.path());
    output(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()));
    let bare = query(manager.home(), folder.path().join("python")).unwrap();
    let outcome = manager.admin(&bare).unwrap();
    let missing: Vec<&str> = outcome.missing.iter().map(|package| package.name.as_str()).collect();
    assert_eq!((missing, outcome.packages), (vec!["pip", "setuptools", "wheel"], vec![]));
    assert!(outcome.missing[0].reason.contains("No module named ensurepip"), "{}", outcome.missing[0].reason);
}

type Admin = (bool, BTreeSet<String>, std::collections::BTreeMap<String, String>);

fn run_admin(home: &str, index: &Path) -> Admin {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "admin::admin_process", "--nocapture"])
        .env("TEST_ADMIN_HOME", home)
        .env("TEST_ADMIN_PYTHON", &python_with_pip().path);
    child
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", index)
        .env("PIP_CONFIG_FILE", "/dev/null")
        .env_remove("PIP_INDEX_URL");
    let said = output(&mut child);
    let answer = said.lines().find_map(|line| line.split_once("ANSWER ")).unwrap_or_else(|| panic!("{said}")).1;
    serde_json::from_str(answer).unwrap()
}

/// Not a test by itself: the process that the test above starts.
#[test]
fn admin_process() {
    let (Ok(home), Ok(python)) = (std::env::var("TEST_ADMIN_HOME"), std::env::var("TEST_ADMIN_PYTHON")) else { return };
    let manager = VenvManager::new(Home::open(home).unwrap());
    let outcome = manager.admin(&query(manager.home(), python).unwrap()).unwrap();
    let answer: Admin = (
        outcome.created,
        outcome.packages.into_iter().map(|package| package.name).collect(),
        outcome.missing.into_iter().map(|package| (package.name, package.reason)).collect(),
    );
    println!("\nANSWER {}", serde_json::to_string(&answer).unwrap());
}

/// A wheel that holds nothing but its name.
fn wheel(build: &Path, index: &Path, name: &str) {
    fs::create_dir_all(build).unwrap();
    let script = "import sys, zipfile\n\
        name, path = sys.argv[1], sys.argv[2]\n\
        info = name + '-99.0.dist-info/'\n\
        with zipfile.ZipFile(path, 'w') as wheel:\n    \
            wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: ' + name + '\\nVersion: 99.0\\n')\n    \
            wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n    \
            wheel.writestr(info + 'RECORD', '')\n";
    let path = index.join(format!("{name}-99.0-py3-none-any.whl"));
    output(Command::new(&python().path).args(["-I", "-c", script, name]).arg(path));
}
