//! Who may depend on whom: crates by `cargo metadata`, files by `scripts/structure.py`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[allow(dead_code, reason = "only finding a Python is needed here")]
#[path = "cli/test_home.rs"]
mod test_home;

/// The crates whose files are checked.
const CHECKED: &[&str] = &["cli", "client", "memory", "peer", "protocol", "runtime", "server"];

/// Every dependency among the crates of this workspace, dev-dependencies apart: `from → to`.
const ARROWS: &[(&str, &str)] = &[
    ("beep-python", "beep-python-client"),
    ("beep-python", "beep-python-protocol"),
    ("beep-python", "beep-python-runtime"),
    ("beep-python", "beep-python-server"),
    ("beep-python-client", "beep-python-memory"),
    ("beep-python-client", "beep-python-peer"),
    ("beep-python-client", "beep-python-protocol"),
    ("beep-python-runtime", "beep-python-memory"),
    ("beep-python-runtime", "beep-python-protocol"),
    ("beep-python-server", "beep-python-memory"),
    ("beep-python-server", "beep-python-peer"),
    ("beep-python-server", "beep-python-protocol"),
    ("beep-python-server", "beep-python-runtime"),
];
/// Dependencies behind a feature that is not a default.
const BEHIND_FEATURES: &[(&str, &str, &str)] = &[("beep-python-client", "beep-python-runtime", "local")];
/// Tests may use what the product must not.
const FOR_TESTS: &[(&str, &str)] = &[("beep-python-server", "beep-python-client")];

#[test]
fn crates_depend_only_on_allowed_crates() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let (mut arrows, mut behind_features) = (BTreeSet::new(), BTreeSet::new());
    for package in metadata["packages"].as_array().expect("packages") {
        let from = package["name"].as_str().expect("a name");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let to = dependency["name"].as_str().expect("a name");
            if !to.starts_with("beep-python") {
                continue;
            }
            if dependency["kind"] == "dev" {
                assert!(FOR_TESTS.contains(&(from, to)), "not even tests may depend: {from} → {to}");
            } else if dependency["optional"] == true {
                for feature in features_with(package, to) {
                    behind_features.insert((from.to_owned(), to.to_owned(), feature));
                }
            } else {
                arrows.insert((from.to_owned(), to.to_owned()));
            }
        }
    }
    let allowed: BTreeSet<_> = ARROWS.iter().map(|&(from, to)| (from.to_owned(), to.to_owned())).collect();
    assert_eq!(arrows, allowed, "ARCHITECTURE.md says which arrows there are");
    let allowed = BEHIND_FEATURES.iter().map(|&(from, to, by)| (from.to_owned(), to.to_owned(), by.to_owned()));
    assert_eq!(behind_features, allowed.collect(), "ARCHITECTURE.md says which arrows there are, and when");
}

/// The features of a package that enable an optional dependency, directly or through other features.
fn features_with(package: &Value, dependency: &str) -> BTreeSet<String> {
    let features = package["features"].as_object().expect("features");
    let mut bringing: BTreeSet<String> = BTreeSet::new();
    loop {
        let brings = |item: &Value| {
            let item = item.as_str().expect("a name");
            let plain = item.strip_prefix("dep:").unwrap_or(item);
            plain == dependency || plain.starts_with(&format!("{dependency}/")) || bringing.contains(item)
        };
        let found: BTreeSet<String> = features
            .iter()
            .filter(|(_, items)| items.as_array().expect("a list").iter().any(&brings))
            .map(|(name, _)| name.clone())
            .collect();
        if found == bringing {
            return bringing;
        }
        bringing = found;
    }
}

/// What is built in: from one registry, with the hash of each archive, under licences that are allowed. `scripts/dependencies.py` has them.
#[test]
fn crates_have_hashes_and_allowed_licences() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let output = |arguments: &[&str]| {
        let mut python = Command::new(test_home::python());
        let output = python.current_dir(&scripts).env("PYTHONDONTWRITEBYTECODE", "1").args(arguments).output();
        let output = output.expect("Python runs");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    for (licence, is_allowed) in [
        ("MIT", "True"),
        ("GPL-3.0-only OR MIT", "True"),
        ("MIT/GPL-2.0", "True"),
        ("(GPL-3.0-only OR MIT) AND ISC", "True"),
        ("Apache-2.0 WITH LLVM-exception", "True"),
        ("(GPL-3.0-only WITH Classpath-exception-2.0) AND MIT", "False"),
        ("GPL-3.0-only", "False"),
        ("MIT AND GPL-3.0-only", "False"),
        ("(GPL-3.0-only AND MIT) OR LGPL-2.1-or-later", "False"),
    ] {
        let code = format!("from dependencies import is_allowed; print(is_allowed({licence:?}))");
        assert_eq!(output(&["-c", &code]), (true, format!("{is_allowed}\n")), "{licence}");
    }
    let (is_fine, told) = output(&["dependencies.py"]);
    assert!(is_fine, "{told}");
}

/// Inside the crates: no import circle among files, no import upward, no long file or function without a reason.
/// `scripts/structure.py` has the rules; it also runs alone.
#[test]
fn files_import_downward_and_without_circles() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/structure.py");
    let output = Command::new(test_home::python()).arg(script).args(CHECKED).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}

/// Inside the runtime: session → worker → environment → interpreter → platform, downwards only.
#[test]
fn rooms_of_the_runtime_import_downward() {
    let rooms = ["platform", "interpreter", "environment", "worker", "session"];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src");
    for (level, room) in rooms.iter().enumerate() {
        for file in std::fs::read_dir(source.join(room)).expect("the room").flatten() {
            let Ok(text) = std::fs::read_to_string(file.path()) else { continue };
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                for above in &rooms[level + 1..] {
                    let upward = format!("crate::{above}");
                    assert!(!line.contains(&upward), "{} looks up: {line}", file.path().display());
                }
            }
        }
    }
}
