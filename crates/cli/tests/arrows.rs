//! The house's arrows, read from `cargo metadata`: who may know whom.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// Every dependency among the crates of this workspace, dev-dependencies apart: `from → to`, and behind which feature.
const ARROWS: &[(&str, &str)] = &[
    ("beep-python", "beep-python-client"),
    ("beep-python", "beep-python-protocol"),
    ("beep-python", "beep-python-runtime"),
    ("beep-python", "beep-python-server"),
    ("beep-python-client", "beep-python-protocol"),
    ("beep-python-runtime", "beep-python-protocol"),
    ("beep-python-server", "beep-python-protocol"),
    ("beep-python-server", "beep-python-runtime"),
];
/// Tests may use what the product must not.
const FOR_TESTS: &[(&str, &str)] = &[("beep-python-server", "beep-python-client")];

#[test]
fn the_crates_know_only_whom_they_may() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let mut arrows = BTreeSet::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let from = package["name"].as_str().expect("a name");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let to = dependency["name"].as_str().expect("a name");
            if !to.starts_with("beep-python") {
                continue;
            }
            if dependency["kind"] == "dev" {
                assert!(FOR_TESTS.contains(&(from, to)), "not even tests may have {from} → {to}");
            } else {
                arrows.insert((from.to_owned(), to.to_owned()));
            }
        }
    }
    let allowed: BTreeSet<_> = ARROWS.iter().map(|&(from, to)| (from.to_owned(), to.to_owned())).collect();
    assert_eq!(arrows, allowed, "ARCHITECTURE.md says which arrows there are");
}

/// Inside the runtime: session → worker → environment → interpreter → platform, downwards only.
#[test]
fn the_rooms_of_the_runtime_build_downwards() {
    let rooms = ["platform", "interpreter", "environment", "worker", "session"];
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src");
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
