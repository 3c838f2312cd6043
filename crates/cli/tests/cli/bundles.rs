//! Bundles: created from an index, installed without any network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::index::{Index, Wheel, bare, tools};
use super::test_home::{CommandOutput, TestHome};
use crate::support::archive::{Packed, packed_elsewhere};

/// A home with an installed runtime that has pip; none if this machine has no Python to build one from.
fn home() -> Option<(TestHome, &'static Packed)> {
    let Some(packed) = packed_elsewhere() else {
        eprintln!("SKIPPED: there is no Python with ensurepip and setuptools here");
        return None;
    };
    let home = TestHome::new();
    let archive = packed.write(home.directory());
    let series = packed.version.series();
    let archive = archive.to_str().unwrap();
    home.success(&["runtime", "install", &series, "--archive", archive, "--sha256", &packed.sha256]);
    Some((home, packed))
}

fn with(index: &Index, home: &TestHome, arguments: &[&str]) -> CommandOutput {
    let mut command = bare(home, "pip", arguments);
    CommandOutput::from(
        command.env("PIP_INDEX_URL", index.url()).env("BEEP_PYTHON_ACCELERATOR", "cpu").output().unwrap(),
    )
}

/// Runs a command in an empty network namespace.
fn cut_off(home: &TestHome, tool: &str, arguments: &[&str]) -> CommandOutput {
    let inner = bare(home, tool, arguments);
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net"]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(home.directory()).stdin(std::process::Stdio::null()).env("BEEP_PYTHON_ACCELERATOR", "cpu");
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    CommandOutput::from(command.output().unwrap())
}

/// Whether this machine allows users to create a network namespace.
fn can_be_cut_off() -> bool {
    let tried = Command::new("unshare").args(["--map-root-user", "--net", "cat", "/proc/net/route"]).output();
    let cut = tried.is_ok_and(|output| output.status.success() && output.stdout.split(|b| *b == b'\n').count() <= 2);
    if !cut {
        eprintln!("SKIPPED: this machine lets nobody make a network namespace");
    }
    cut
}

fn parsed(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn imported(home: &TestHome, name: &str, module: &str) -> String {
    let python = home.root().join("environments").join(name).join("bin/python");
    let code = format!("import {module}, sys; print({module}.version, sys.base_prefix)");
    let output = Command::new(python).args(["-I", "-c", &code]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn index() -> Index {
    let index = Index::of(&["beta", "gamma"]);
    index.add(Wheel { name: "alpha", version: "2.5", requires: &["beta>=1"], ballast: 100_000, ..Wheel::default() });
    index
}

#[test]
fn bundle_recreates_the_environment_without_a_network() {
    if !can_be_cut_off() {
        return;
    }
    let Some((maker, packed)) = home() else { return };
    let index = index();
    let file = maker.directory().join("alpha.bundle");
    let path = file.to_str().unwrap();
    let made = with(&index, &maker, &["bundle", "create", path, "--with", "alpha", "--json"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let made = parsed(&made);
    let wheels: Vec<_> =
        made["wheels"].as_array().unwrap().iter().map(|wheel| wheel["name"].as_str().unwrap()).collect();
    assert_eq!(wheels, ["alpha-2.5-py3-none-any.whl", "beta-1.0-py3-none-any.whl"]);
    let shown = maker.json(&["bundle", "show", path]);
    assert_eq!((&shown["wheels"], &shown["python"]), (&made["wheels"], &json!(packed.version.to_string())));
    let online = with(&index, &maker, &["venv", "create", "online", "--with", "alpha"]);
    assert_eq!(online.code, Some(0), "{online:?}");

    for tool in tools() {
        let other = TestHome::new();
        // The network is unreachable.
        let alone = cut_off(&other, tool, &["init", "--mirror", &index.url()]);
        assert_eq!(alone.code, Some(1), "{alone:?}");
        let sha256 = made["sha256"].as_str().unwrap();
        let installed = cut_off(&other, tool, &["bundle", "install", path, "mine", "--sha256", sha256, "--json"]);
        assert_eq!(installed.code, Some(0), "{tool}: {installed:?}");
        let installed = parsed(&installed);
        assert_eq!((&installed["newRuntime"], &installed["runtime"]), (&json!(true), &json!(packed.id())));
        let runtime = other.root().join("runtimes").join(packed.id()).canonicalize().unwrap();
        assert_eq!(imported(&other, "mine", "alpha"), format!("2.5 {}", runtime.display()));
        let packages = other.json(&["venv", "packages", "mine"]);
        assert_eq!(packages, maker.json(&["venv", "packages", "online"]));
        assert_eq!(other.json(&["venv", "status", "mine"])["state"], "healthy");
        // The name is taken now; the installed runtime is reused.
        let again = cut_off(&other, tool, &["bundle", "install", path, "mine"]);
        assert!(again.stderr.contains("exists already"), "{again:?}");
        let second = cut_off(&other, tool, &["bundle", "install", path]);
        assert_eq!(second.code, Some(0), "{second:?}");
        assert!(second.stdout.starts_with("Created the environment bundle with "), "{second:?}");
        assert_eq!(left_in_cache(&other), [] as [PathBuf; 0]);
    }
}

#[test]
fn provider_is_ready_after_its_bundle_is_installed() {
    if !can_be_cut_off() {
        return;
    }
    let Some((maker, _)) = home() else { return };
    let index = index();
    let text = "[provider.hf]\npackages = [\"alpha\"]\ncpu = [\"gamma\"]\n";
    fs::write(maker.root().join("providers.toml"), text).unwrap();
    let file = maker.directory().join("hf.bundle");
    let path = file.to_str().unwrap();
    let made = with(&index, &maker, &["bundle", "create", path, "--provider", "hf"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let other = TestHome::new();
    let installed = cut_off(&other, "pip", &["bundle", "install", path]);
    assert_eq!(installed.code, Some(0), "{installed:?}");
    fs::write(other.root().join("providers.toml"), text).unwrap();
    let ready = cut_off(&other, "pip", &["provider", "ensure", "hf", "--json"]);
    assert_eq!(ready.code, Some(0), "{ready:?}");
    assert_eq!((&parsed(&ready)["environment"], &parsed(&ready)["ready"]), (&json!("hf-cpu"), &json!(true)));
    assert!(imported(&other, "hf-cpu", "gamma").starts_with("1.0 "));
}

#[test]
fn damaged_bundle_is_rejected_and_leaves_nothing() {
    let Some((maker, _)) = home() else { return };
    let index = index();
    let file = maker.directory().join("alpha.bundle");
    let made = with(&index, &maker, &["bundle", "create", file.to_str().unwrap(), "--with", "alpha"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let whole = fs::read(&file).unwrap();
    let bad = maker.directory().join("bad.bundle");
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let other = TestHome::new();
    let refuse = |bytes: &[u8], more: &[&str], expected: &str| {
        fs::write(&bad, bytes).unwrap();
        let output = other.run(&[&["bundle", "install", bad.to_str().unwrap(), "mine"], more].concat());
        assert_eq!(output.code, Some(1), "{expected}: {output:?}");
        assert!(output.stderr.contains(expected), "{expected}: {output:?}");
        assert_eq!(other.json(&["venv", "list"]), json!([]));
        assert_eq!(left_in_cache(&other), [] as [PathBuf; 0]);
    };
    // The last file lies before the two empty blocks at the end.
    refuse(&changed(whole.len() - 4 * 512), &[], "is not the expected file: its SHA-256 is ");
    refuse(&changed(whole.len() / 2), &[], "-install_only.tar.gz in ");
    refuse(&whole[..whole.len() / 2], &[], "is not a bundle that can be installed: ");
    refuse(b"", &[], "is not a bundle that can be installed: it is empty");
    refuse(&whole, &["--sha256", &"0".repeat(64)], "is not the expected file");
    let manifest = String::from_utf8_lossy(&whole[512..4096]).into_owned();
    let foreign = manifest.replacen("-gnu\"", "-abc\"", 1);
    if foreign != manifest {
        let mut bytes = whole.clone();
        bytes[512..512 + foreign.len()].copy_from_slice(foreign.as_bytes());
        refuse(&bytes, &[], " is for linux-");
    }
    assert_eq!(other.json(&["runtime", "list"])["runtimes"], json!([]), "nor a runtime");
    // A bundle that cannot be created leaves no file.
    let failed = with(&index, &maker, &["bundle", "create", "none.bundle", "--with", "nosuch"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("nosuch") && !maker.directory().join("none.bundle").exists(), "{failed:?}");
    assert_eq!(left_in_cache(&maker), [] as [PathBuf; 0]);
    let adopted = TestHome::with_runtime();
    let output = adopted.run(&["bundle", "create", "none.bundle"]);
    assert!(output.stderr.contains("there is no installed runtime to put into a bundle"), "{output:?}");
}

fn left_in_cache(home: &TestHome) -> Vec<PathBuf> {
    let entries = fs::read_dir(home.root().join("cache")).into_iter().flatten().flatten();
    let is_ours = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bundle-"));
    entries.map(|entry| entry.path()).filter(|path| is_ours(path)).collect()
}

/// A catalogue with one Python for another platform, and a mirror with bytes in place of its archive.
fn foreign_catalogue(home: &TestHome, packed: &Packed) -> (String, PathBuf) {
    let bytes = b"what runs on another machine";
    let sha256 = "9e81413be26f615f57a8c762ab9b8fa9980678e033c4fecc7ca751f084c0c81a";
    let name = format!("cpython-{}-linux-{}-gnu", packed.version, FOREIGN);
    let mirror = home.directory().join("mirror");
    fs::create_dir(&mirror).unwrap();
    let file = format!("{name}-install_only_stripped.tar.gz");
    fs::write(mirror.join(&file), bytes).unwrap();
    let catalogue = json!({"default": packed.version.series(), "releases": [{
        "name": name, "version": packed.version, "platform": format!("linux-{FOREIGN}-gnu"),
        "url": format!("http://127.0.0.1:9/download/20260101/{file}"), "sha256": sha256,
    }]});
    let path = home.directory().join("foreign.json");
    fs::write(&path, catalogue.to_string()).unwrap();
    (path.to_str().unwrap().to_owned(), mirror)
}

/// An architecture that this machine does not have.
const FOREIGN: &str = if cfg!(target_arch = "aarch64") { "x86_64" } else { "aarch64" };

#[test]
fn bundle_for_another_platform_has_its_wheels_and_is_rejected_here() {
    let Some((maker, packed)) = home() else { return };
    let index = Index::of(&["gamma"]);
    let python = format!("cp3{}", packed.version.minor);
    let tag = |platform: &str| format!("{python}-{python}-{platform}");
    let own = std::env::consts::ARCH;
    let of = |name, requires, tag: &str| index.add(Wheel { name, version: "1.0", requires, tag, ..Wheel::default() });
    of("alpha", &["beta", "gamma"], &tag(&format!("manylinux_2_17_{FOREIGN}")));
    of("alpha", &["beta", "gamma"], &tag(&format!("manylinux_2_17_{own}")));
    of("beta", &[], &format!("cp39-abi3-manylinux2014_{FOREIGN}"));
    of("native", &[], &tag(&format!("manylinux_2_17_{own}")));
    let (catalogue, mirror) = foreign_catalogue(&maker, packed);
    let platform = format!("linux-{FOREIGN}-gnu");
    let make = |tool: &str, package: &str, more: &[&str]| {
        let arguments = ["bundle", "create", "other.bundle", "--platform", &platform, "--with", package];
        let mut command = bare(&maker, tool, &[&arguments, more].concat());
        command.env("BEEP_PYTHON_CATALOGUE", &catalogue).env("BEEP_PYTHON_INSTALL_MIRROR", &mirror);
        CommandOutput::from(command.env("PIP_INDEX_URL", index.url()).output().unwrap())
    };
    let file = maker.directory().join("other.bundle");
    for tool in tools() {
        let made = make(tool, "alpha", &["--json"]);
        assert_eq!(made.code, Some(0), "{tool}: {made:?}");
        let made = parsed(&made);
        assert_eq!((&made["platform"], &made["python"]), (&json!(platform), &json!(packed.version.to_string())));
        let names: Vec<_> = made["wheels"].as_array().unwrap().iter().map(|wheel| wheel["name"].clone()).collect();
        let alpha = format!("alpha-1.0-{}.whl", tag(&format!("manylinux_2_17_{FOREIGN}")));
        let beta = format!("beta-1.0-cp39-abi3-manylinux2014_{FOREIGN}.whl");
        assert_eq!(json!(names), json!([alpha, beta, "gamma-1.0-py3-none-any.whl"]), "{tool}");
        assert_eq!(made["runtime"]["size"], json!(28));

        let other = TestHome::new();
        let refused = other.run(&["bundle", "install", file.to_str().unwrap()]);
        let said = format!("{} is for {platform}, but this machine is linux-{own}-", file.display());
        assert!(refused.code == Some(1) && refused.stderr.contains(&said), "{refused:?}");
        assert!(refused.stderr.contains("hint: "), "{refused:?}");
        assert_eq!(other.json(&["venv", "list"]), json!([]));

        fs::remove_file(&file).unwrap();
        let none = make(tool, "native", &[]);
        assert!(none.code == Some(1) && !file.exists(), "{none:?}");
        let said = format!("cannot be collected for {platform}, which requires ready-made wheels");
        assert!(none.stderr.contains(&said) && none.stderr.contains("native"), "{none:?}");
        let none = make(tool, "alpha", &["--python", "3.8"]);
        assert!(none.stderr.contains(&format!("there is no Python 3.8 for {platform} to download")), "{none:?}");
        assert_eq!(left_in_cache(&maker), [] as [PathBuf; 0]);
    }
}
