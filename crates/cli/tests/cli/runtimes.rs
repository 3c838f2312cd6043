//! `init`, `runtime` and `config`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::test_home::{CommandOutput, TestHome, python, version};
use crate::support::port::Port;

/// A catalogue of Pythons at an address where nothing listens.
fn unreachable_catalogue(home: &TestHome, nobody: &Port) -> String {
    let platform = platform();
    let release = json!({
        "name": format!("cpython-3.13.99-{platform}"),
        "version": "3.13.99",
        "platform": platform,
        "url": format!("http://127.0.0.1:{}/python.tar.gz", nobody.number),
        "sha256": "0".repeat(64),
    });
    let path = home.directory().join("catalogue.json");
    fs::write(&path, json!({"default": "3", "releases": [release]}).to_string()).unwrap();
    path.display().to_string()
}

fn platform() -> String {
    let listed = TestHome::new().json(&["runtime", "list"]);
    let id = listed["downloadable"][0]["id"].as_str().unwrap();
    id.splitn(3, '-').nth(2).unwrap().to_owned()
}

#[test]
fn python_of_the_machine_is_adopted_on_request() {
    let home = TestHome::new();
    let first = home.json(&["init", "--python", python()]);
    assert_eq!((&first["obtained"], &first["version"]), (&json!("adopted"), &json!(version())));
    let again = home.run(&["init", "--python", python()]);
    insta::assert_snapshot!(home.redact(&again.snapshot(), &serde_json::Value::Null), @r"
    status: 0
    ----- stdout
    Python [VERSION] of this machine is adopted: [PYTHON]
    ----- stderr
    ");
    let listed = home.json(&["runtime", "list"]);
    assert_eq!(listed["runtimes"].as_array().unwrap().len(), 1);
    assert_eq!(listed["runtimes"][0]["default"], true);
    assert!(listed["found"].as_array().unwrap().iter().all(|found| found["path"] != first["path"]), "not twice");
    assert!(listed["downloadable"].as_array().unwrap().len() > 3);
    let table = home.success(&["runtime", "list"]);
    assert!(table.starts_with("VERSION") && table.contains("adopted") && table.contains("to download"), "{table}");
}

#[test]
fn init_falls_back_to_a_python_of_the_machine_with_a_notice() {
    let home = TestHome::new();
    let nobody = Port::new();
    let catalogue = unreachable_catalogue(&home, &nobody);
    let output = home.command(&["init"]).env("BEEP_PYTHON_CATALOGUE", catalogue).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stdout.contains("of this machine is adopted"), "{stdout}");
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("getting Python"), "{stderr}");
    assert!(lines[1].starts_with("notice: no Python could be downloaded (Connection refused"), "{stderr}");
}

#[test]
fn unreachable_mirror_is_an_error() {
    let home = TestHome::new();
    let nobody = Port::new();
    let mirror = format!("http://127.0.0.1:{}", nobody.number);
    let output = home.run(&["init", "--mirror", &mirror]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("error: cannot download http://127.0.0.1"), "{output:?}");
    assert!(
        output.stderr.contains("caused by: ") && output.stderr.contains("hint: set BEEP_PYTHON_INSTALL_MIRROR"),
        "{output:?}"
    );
    assert_eq!(home.json(&["runtime", "list"])["runtimes"], json!([]), "nothing half-made");
    let output = home.run(&["init", "--archive", "nowhere.tar.gz"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("nowhere.tar.gz"), "{output:?}");
}

#[test]
fn runtime_can_become_the_default_and_be_forgotten() {
    let home = TestHome::with_runtime();
    let id = format!("system-{}", version());
    assert_eq!(home.success(&["runtime", "use", &id]), format!("{id} is the default now\n"));
    let series = version().rsplit_once('.').unwrap().0;
    assert_eq!(home.success(&["runtime", "use", series]), format!("{id} is the default now\n"));
    assert_eq!(home.success(&["runtime", "remove", series]), format!("{id} is forgotten\n"));
    assert!(fs::exists(python()).unwrap(), "it is not ours to delete");
    assert_eq!(home.json(&["runtime", "list"])["runtimes"], json!([]));
    let output = home.run(&["venv", "create", "x", "--python", "3.99"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.starts_with("error: no Python 3.99 is installed"), "{output:?}");
    assert!(output.stderr.contains(&format!("there are {}", version().split('.').next().unwrap())), "{output:?}");
    assert!(output.stderr.contains("hint: the nearest available is 3."), "{output:?}");
    // `runtime use` adopts a Python of the machine.
    assert_eq!(home.success(&["runtime", "use", python()]), format!("{id} is the default now\n"));
}

#[test]
fn default_environment_keeps_its_python_until_repair_changes_it() {
    let packed = crate::support::archive::packed();
    if packed.version.to_string() == version() {
        return eprintln!("skipped: there is one Python only");
    }
    let home = TestHome::with_runtime();
    assert_eq!(home.success(&["eval", "None"]), "", "which makes it");
    let archive = packed.write(home.directory());
    let output = home.run(&["init", "--archive", archive.to_str().unwrap()]);
    let notice =
        format!("keeps Python {}; beep-python venv repair runtime-host --python {}", version(), packed.version);
    assert!(output.code == Some(0) && output.stderr.contains(&notice), "{output:?}");
    let repair = ["venv", "repair", "runtime-host", "--python", &packed.version.to_string()];
    assert_eq!(home.success(&repair), format!("runtime-host now has Python {}\n", packed.version));
    let output = home.run(&["runtime", "use", &packed.id()]);
    assert_eq!((output.stdout, output.stderr), (format!("{} is the default now\n", packed.id()), String::new()));
}

#[test]
fn default_python_of_the_same_version_is_named_by_its_path() {
    let packed = crate::support::archive::packed();
    let home = TestHome::new();
    home.success(&["init", "--archive", packed.write(home.directory()).to_str().unwrap()]);
    home.success(&["eval", "None"]);
    let other = crate::support::pythons().iter().find(|python| python.version == packed.version).unwrap();
    let other = other.path.to_str().unwrap();
    let output = home.run(&["init", "--python", other]);
    let hint = format!("beep-python venv repair runtime-host --python {other} changes it");
    assert!(output.code == Some(0) && output.stderr.contains(&hint), "{output:?}");
    let has = format!("runtime-host now has Python {}\n", packed.version);
    assert_eq!(home.success(&["venv", "repair", "runtime-host", "--python", other]), has);
    assert_eq!(home.run(&["init", "--python", other]).stderr, "");
}

#[test]
fn list_all_shows_every_build() {
    let home = TestHome::new();
    let newest = home.json(&["runtime", "list"])["downloadable"].as_array().unwrap().clone();
    let all = home.json(&["runtime", "list", "--all"])["downloadable"].as_array().unwrap().clone();
    assert!(newest.iter().all(|entry| entry["freeThreaded"] == false), "{newest:?}");
    for wanted in ["-gnu", "-musl"] {
        assert!(all.iter().any(|entry| entry["platform"].as_str().unwrap().ends_with(wanted)), "{wanted}");
    }
    assert!(all.iter().any(|entry| entry["freeThreaded"] == true && entry["id"].as_str().unwrap().contains("t-")));
    assert!(all.len() > 10 * newest.len());
}

/// Two requests for one version install it once. It is not removed while an environment needs it.
#[test]
fn runtimes_install_in_parallel_and_are_kept_while_needed() {
    let packed = crate::support::archive::packed();
    let home = TestHome::new();
    let catalogue = packed.catalogue(home.directory(), "https://upstream.invalid");
    packed.write(home.directory());
    let (series, exact) = (packed.version.series(), packed.version.to_string());
    let mut command = home.command(&["runtime", "install", &series, &exact, "--json", "--mirror"]);
    let output = command.arg(home.directory()).env("BEEP_PYTHON_CATALOGUE", catalogue).output().unwrap();
    let installed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let each: Vec<_> = installed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(each, [packed.id(), packed.id()], "{output:?}");
    assert_eq!(installed.as_array().unwrap().iter().filter(|one| one["new"] == true).count(), 1);

    home.success(&["venv", "create", "needs-it", "--python", &series]);
    let refused = home.run(&["runtime", "remove", &series]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("is used by the environments needs-it"), "{refused:?}");
    home.success(&["venv", "delete", "needs-it", "--yes"]);
    assert_eq!(home.success(&["runtime", "remove", &series]), format!("{} is removed\n", packed.id()));
    assert_eq!(home.json(&["runtime", "list"])["runtimes"], json!([]));
}

#[test]
fn unavailable_version_names_the_nearest_and_others_are_installed() {
    let home = TestHome::new();
    let output = home.run(&["runtime", "install", "3.98", "3.99.1", "3.98t"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    for version in ["3.98", "3.99.1", "3.98t"] {
        assert!(output.stderr.contains(&format!("error: there is no Python {version} for ")), "{output:?}");
    }
    assert!(output.stderr.contains("hint: the nearest is 3."), "{output:?}");
}

#[test]
fn config_reports_a_healthy_setup() {
    let home = TestHome::with_runtime();
    home.start(&[]);
    let checked = home.json(&["config"]);
    assert_eq!(checked["ok"], true, "{checked:#}");
    let text = home.success(&["config"]);
    assert!(text.ends_with("\nAll is well.\n") && !text.contains("WRONG"), "{text}");
    for what in ["home", "runtime system-", "environment runtime-host", "loopback", "memfd", "pidfd", "server "] {
        assert!(text.contains(what), "{what} in {text}");
    }
}

#[test]
fn config_reports_problems_with_their_fixes() {
    let home = TestHome::new();
    let output = home.run(&["config"]);
    assert_eq!(output.code, Some(1));
    assert!(
        output.stdout.contains("WRONG  runtime: none is installed\n       to fix it: beep-python init\n"),
        "{output:?}"
    );

    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let python = home.root().join("environments/mine/bin/python");
    fs::remove_file(&python).unwrap();
    fs::create_dir_all(home.root().join("environments/foreign")).unwrap();
    fs::create_dir_all(home.root().join("servers")).unwrap();
    fs::write(home.root().join("servers/broken.json"), "{").unwrap();
    fs::write(home.root().join("token"), "x").unwrap();
    fs::set_permissions(home.root().join("token"), fs::Permissions::from_mode(0o644)).unwrap();
    let checked = home.json(&["config"]);
    assert_eq!(checked["ok"], false);
    let checks = checked["checks"].as_array().unwrap();
    for what in ["home", "environment mine", "environment foreign", "server records"] {
        let check = checks.iter().find(|check| check["what"] == what).unwrap_or_else(|| panic!("{what}: {checked:#}"));
        assert_eq!(check["ok"], false, "{check}");
        assert!(check["mend"].as_str().is_some_and(|mend| !mend.is_empty()), "{check}");
    }
    let output = home.run(&["config"]);
    assert!(output.stdout.ends_with("\n4 things are wrong.\n"), "{output:?}");
}

#[test]
fn init_with_a_default_already_there_downloads_nothing_and_says_so() {
    let home = TestHome::with_runtime();
    let mut command = home.command(&["init"]);
    // Whatever would be downloaded would fail, and be told.
    let output =
        CommandOutput::from(command.env("BEEP_PYTHON_INSTALL_MIRROR", "http://127.0.0.1:9/").output().unwrap());
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.stdout.contains("was already installed"), "{output:?}");
    assert!(output.stderr.contains("notice: it is the default, and nothing was downloaded"), "{output:?}");
}
