//! Environments that lack something, or were moved: noticed, and repaired without loss.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use super::index::{Index, Wheel, bare, from, tools};
use super::project::project;
use super::test_home::{CommandOutput, TestHome, python};

fn site_packages(home: &TestHome, name: &str) -> PathBuf {
    let library = home.root().join("environments").join(name).join("lib");
    fs::read_dir(library).unwrap().next().unwrap().unwrap().path().join("site-packages")
}

#[test]
fn missing_dependency_is_noticed_and_repaired() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        index.add(Wheel {
            name: "beta",
            version: "1.0",
            requires: &["alpha", "none; extra == 'x'"],
            ..Wheel::default()
        });
        index.add(Wheel { name: "old", version: "1.0", requires: &["alpha>=7"], ..Wheel::default() });
        let home = TestHome::with_runtime();
        from(&index, &home, tool, &["venv", "create", "mine", "--with", "beta"]);
        assert_eq!(home.run(&["venv", "status", "mine"]).code, Some(0));
        home.success(&["venv", "uninstall", "mine", "alpha"]);
        let status = home.run(&["venv", "status", "mine"]);
        let lacks = "beta 1.0 requires alpha, which is not installed";
        assert!(status.code == Some(1) && status.stdout.contains(lacks), "{status:?}");
        assert_eq!(home.json(&["venv", "status", "mine"])["unmet"], json!([lacks]));
        assert!(home.run(&["config"]).stdout.contains(lacks));
        assert_eq!(home.json(&["venv", "list"])[0]["state"], "incomplete");
        // A lock without it is synced as it is, and that is said.
        let locked = from(&index, &home, tool, &["venv", "lock", "mine"]);
        assert_eq!(locked.code, Some(0), "{locked:?}");
        let synced = from(&index, &home, tool, &["venv", "sync", "mine"]);
        assert!(synced.code == Some(0) && synced.stderr.contains(&format!("notice: {lacks}")), "{synced:?}");

        let repaired = from(&index, &home, tool, &["venv", "repair", "mine"]);
        assert_eq!((repaired.code, &*repaired.stdout), (Some(0), "Installed into mine: alpha 1.0\n"), "{repaired:?}");
        assert_eq!(home.run(&["venv", "status", "mine"]).code, Some(0));
    }
}

#[test]
fn repair_keeps_what_it_cannot_replace() {
    for tool in tools() {
        let index = Index::of(&["alpha", "beta", "gamma", "delta"]);
        let home = TestHome::with_runtime();
        let done = |arguments: &[&str]| from(&index, &home, tool, arguments);
        done(&["venv", "create", "mine", "--with", "alpha", "--with", "beta", "--with", "gamma"]);
        let site = site_packages(&home, "mine");
        // alpha and beta are damaged, and alpha is nowhere any more.
        index.remove("alpha-1.0-py3-none-any.whl");
        let _ = fs::remove_dir_all(home.directory().join("uv-cache"));
        fs::remove_file(home.root().join("environments/mine/bin/alpha")).unwrap();
        fs::remove_file(site.join("beta.py")).unwrap();
        let repaired = done(&["venv", "repair", "mine"]);
        assert_eq!(repaired.code, Some(1), "{tool}: {repaired:?}");
        assert!(repaired.stdout.contains("Installed into mine: beta 1.0"), "{repaired:?}");
        let owes = "notice: alpha 1.0 is damaged, and cannot be installed again: ";
        assert!(repaired.stderr.contains(owes), "{repaired:?}");
        assert!(site.join("alpha.py").exists() && site.join("alpha-1.0.dist-info/METADATA").exists());
        assert!(home.run(&["venv", "status", "mine"]).stdout.contains("files are missing of alpha 1.0"));

        // It blocks nothing.
        let installed = done(&["venv", "install", "mine", "delta"]);
        assert_eq!(
            (installed.code, &*installed.stdout),
            (Some(0), "Installed into mine: delta 1.0\n"),
            "{installed:?}"
        );
        assert!(installed.stderr.contains(owes), "{installed:?}");
        // It can be given up.
        assert_eq!(done(&["venv", "uninstall", "mine", "alpha"]).stdout, "Removed from mine: alpha 1.0\n");
        assert_eq!(home.json(&["venv", "status", "mine"])["state"], "healthy");
        assert!(!site.join("alpha.py").exists());
        assert_eq!(done(&["venv", "repair", "mine"]).stdout, "Nothing was wrong with mine\n");
    }
}

#[test]
fn lost_package_is_owed_until_it_is_had_or_given_up() {
    for tool in tools() {
        let index = Index::of(&["beta"]);
        let home = TestHome::with_runtime();
        let done = |arguments: &[&str]| from(&index, &home, tool, arguments);
        done(&["venv", "create", "mine", "--with", "beta"]);
        // As a change that was killed leaves it.
        let journal = home.root().join("environments/mine/beep-python.installing.json");
        let owes = r#"{"packages": [{"name": "alpha", "version": "1.0"}, {"name": "beta", "version": "1.0"}]}"#;
        fs::write(&journal, owes).unwrap();
        for _ in 0..2 {
            assert_eq!(done(&["venv", "repair", "mine"]).code, Some(1));
            assert!(journal.exists(), "it is not forgotten");
        }
        assert_eq!(home.json(&["venv", "status", "mine"])["state"], "packages damaged");
        assert_eq!(done(&["venv", "uninstall", "mine", "alpha"]).stdout, "Removed from mine: alpha 1.0\n");
        assert!(!journal.exists());
        assert_eq!(home.json(&["venv", "status", "mine"])["state"], "healthy");

        fs::write(&journal, owes).unwrap();
        index.add(Wheel { name: "alpha", version: "1.0", ..Wheel::default() });
        let repaired = done(&["venv", "repair", "mine"]);
        assert_eq!(repaired.code, Some(0), "{repaired:?}");
        assert!(site_packages(&home, "mine").join("alpha.py").exists() && !journal.exists());
    }
}

#[test]
fn another_python_comes_with_all_packages_or_not_at_all() {
    for tool in tools() {
        let index = Index::of(&["alpha", "beta"]);
        let home = TestHome::with_runtime();
        let done = |arguments: &[&str]| from(&index, &home, tool, arguments);
        let made = done(&["venv", "create", "mine", "--python", "3.12", "--with", "alpha", "--with", "beta"]);
        if made.code != Some(0) || home.run(&["venv", "create", "x", "--python", "3.11"]).code != Some(0) {
            eprintln!("SKIPPED: there are no Pythons 3.11 and 3.12");
            return;
        }
        done(&["venv", "lock", "mine"]);
        index.remove("alpha-1.0-py3-none-any.whl");
        let _ = fs::remove_dir_all(home.directory().join("uv-cache"));
        let refused = done(&["venv", "repair", "mine", "--python", "3.11"]);
        assert!(refused.code == Some(1) && refused.stderr.contains("alpha"), "{tool}: {refused:?}");
        let status = home.json(&["venv", "status", "mine"]);
        assert_eq!(status["state"], "healthy");
        assert!(status["pythonVersion"].as_str().unwrap().starts_with("3.12"), "{status}");
        assert!(site_packages(&home, "mine").join("alpha.py").exists());

        index.add(Wheel { name: "alpha", version: "1.0", ..Wheel::default() });
        let repaired = done(&["venv", "repair", "mine", "--python", "3.11"]);
        assert_eq!(repaired.code, Some(0), "{tool}: {repaired:?}");
        let path = home.root().join("environments/mine");
        let script = Command::new(path.join("bin/alpha")).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&script.stdout), "1.0\n", "{script:?}");
        assert!(path.join("pylock.toml").exists() && path.join("lib/python3.11").exists());
        assert_eq!(home.run(&["venv", "status", "mine"]).code, Some(0));
    }
}

/// A command with another home.
fn at(root: &std::path::Path, home: &TestHome, arguments: &[&str]) -> CommandOutput {
    CommandOutput::from(home.command(arguments).env("BEEP_PYTHON_HOME", root).output().unwrap())
}

#[test]
fn moved_environment_is_noticed_and_repaired() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        let home = TestHome::with_runtime();
        from(&index, &home, tool, &["venv", "create", "mine", "--with", "alpha"]);
        // An editable package that lies in the environment.
        let mine = home.root().join("environments/mine");
        project(&mine.join("src/beta"), "beta");
        let installed =
            from(&index, &home, tool, &["venv", "install", "mine", "-e", mine.join("src/beta").to_str().unwrap()]);
        assert_eq!(installed.code, Some(0), "{installed:?}");

        // Renamed; then with all of the home.
        fs::rename(&mine, home.root().join("environments/other")).unwrap();
        let moved = home.directory().join("moved home");
        let renamed = at(&home.root(), &home, &["venv", "status", "other"]);
        assert!(renamed.code == Some(1) && renamed.stdout.contains("moved"), "{renamed:?}");
        assert!(at(&home.root(), &home, &["config"]).stdout.contains("venv repair other"));
        assert_eq!(at(&home.root(), &home, &["venv", "clone", "other", "x"]).code, Some(1));
        fs::rename(home.root(), &moved).unwrap();
        assert_eq!(at(&moved, &home, &["venv", "status", "other"]).code, Some(1));
        let repaired = at(&moved, &home, &["venv", "repair", "other"]);
        assert_eq!(repaired.code, Some(0), "{repaired:?}");
        assert!(repaired.stdout.starts_with("Repaired other, which was: moved ("), "{repaired:?}");
        assert_eq!(at(&moved, &home, &["venv", "status", "other"]).code, Some(0));
        assert_eq!(at(&moved, &home, &["venv", "repair", "other"]).stdout, "Nothing was wrong with other\n");

        let path = moved.join("environments/other");
        let script = Command::new(path.join("bin/alpha")).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&script.stdout), "1.0\n", "{script:?}");
        let activated = "\"$0\"; . \"$1/bin/activate\"; echo \"$VIRTUAL_ENV\"; command -v alpha";
        let shell = Command::new("sh").args(["-c", activated, "true"]).arg(&path).output().unwrap();
        let expected = format!("{0}\n{0}/bin/alpha\n", path.display());
        assert_eq!(String::from_utf8_lossy(&shell.stdout), expected, "{shell:?}");
        let python = Command::new(path.join("bin/python")).args(["-IBc", "import beta; print(beta.__file__)"]).output();
        let file = path.join("src/beta/beta.py");
        assert_eq!(String::from_utf8_lossy(&python.unwrap().stdout).trim(), file.to_str().unwrap());
        fs::rename(&moved, home.root()).unwrap();
    }
}

#[test]
fn a_link_to_the_home_is_no_move() {
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let link = home.directory().join("link");
    symlink(home.root(), &link).unwrap();
    assert_eq!(at(&link, &home, &["venv", "status", "mine"]).code, Some(0));
}

#[test]
fn what_sitecustomize_prints_is_no_damage() {
    let index = Index::of(&["alpha"]);
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let noise = "import atexit, sys\nprint('hello')\nprint('no end of line', end='')\natexit.register(print, 'bye')\n";
    fs::write(site_packages(&home, "mine").join("sitecustomize.py"), noise).unwrap();
    let status = home.run(&["venv", "status", "mine"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    assert_eq!(home.success(&["venv", "repair", "mine"]), "Nothing was wrong with mine\n");
    // uv itself cannot work in such an environment.
    let installed = from(&index, &home, "pip", &["venv", "install", "mine", "alpha"]);
    assert_eq!(installed.stdout, "Installed into mine: alpha 1.0\n", "{installed:?}");
}

/// Damages a file.
type Damage = Box<dyn Fn(&PathBuf)>;

/// The ways in which the list of a package's files is lost.
fn damaged_records() -> Vec<(&'static str, Damage)> {
    let half = |list: &PathBuf| {
        let text = fs::read(list).unwrap();
        fs::write(list, &text[..text.len() / 2]).unwrap();
    };
    vec![
        ("missing", Box::new(|list| fs::remove_file(list).unwrap())),
        ("incomplete", Box::new(|list| fs::write(list, "").unwrap())),
        ("incomplete", Box::new(half)),
        ("incomplete", Box::new(|list| fs::write(list, b"\xff\xfe\0garbage").unwrap())),
    ]
}

#[test]
fn package_without_its_list_of_files_is_not_claimed_to_be_removed_but_repaired() {
    for tool in tools() {
        let index = Index::of(&["alpha", "beta"]);
        let home = TestHome::with_runtime();
        let done = |arguments: &[&str]| from(&index, &home, tool, arguments);
        for (reason, damage) in damaged_records() {
            done(&["venv", "create", "mine", "--with", "alpha", "--with", "beta"]);
            let site = site_packages(&home, "mine");
            damage(&site.join("alpha-1.0.dist-info/RECORD"));
            let status = home.run(&["venv", "status", "mine"]);
            let says = reason;
            assert!(status.code == Some(1) && status.stdout.contains(says), "{tool} {reason}: {status:?}");
            assert!(status.stdout.contains("of alpha 1.0"), "{status:?}");

            let removed = done(&["venv", "uninstall", "mine", "alpha", "beta"]);
            assert_eq!((removed.code, &*removed.stdout), (Some(1), ""), "{tool} {reason}: {removed:?}");
            let error = "alpha 1.0 cannot be removed from mine: the RECORD is ";
            assert!(removed.stderr.contains(error) && removed.stderr.contains(reason), "{removed:?}");
            assert!(removed.stderr.contains("beep-python venv repair mine"), "{removed:?}");
            assert!(site.join("alpha.py").exists() && site.join("beta.py").exists(), "nothing is half removed");

            let repaired = done(&["venv", "repair", "mine"]);
            assert_eq!(repaired.code, Some(0), "{tool} {reason}: {repaired:?}");
            assert!(repaired.stdout.contains("Installed into mine: alpha 1.0\n"), "{repaired:?}");
            assert_eq!(home.json(&["venv", "status", "mine"])["state"], "healthy");
            let removed = done(&["venv", "uninstall", "mine", "alpha", "beta"]);
            assert_eq!(removed.code, Some(0), "{removed:?}");
            assert!(!site.join("alpha.py").exists() && !site.join("beta.py").exists());
            home.success(&["venv", "delete", "mine", "--yes"]);
        }
    }
}

#[test]
fn what_was_changed_in_place_is_noticed_and_had_again() {
    for tool in tools() {
        let index = Index::of(&["alpha", "beta"]);
        let home = TestHome::with_runtime();
        let done = |arguments: &[&str]| from(&index, &home, tool, arguments);
        done(&["venv", "create", "mine", "--with", "alpha", "--with", "beta"]);
        let site = site_packages(&home, "mine");
        let module = site.join("alpha.py");
        let whole = fs::read_to_string(&module).unwrap();
        // With uv, each of these changes the file in uv's cache too, since it is the same file.
        let changes = [("", true), ("version = '1.0'\n", true), (&*whole.replace("1.0", "9.9"), false)];
        for (changed, is_seen_by_size) in changes {
            fs::write(&module, changed).unwrap();
            let status = home.run(&["venv", "status", "mine"]);
            let says = status.stdout.contains("files differ from the RECORD of alpha 1.0");
            assert_eq!((status.code == Some(1), says), (is_seen_by_size, is_seen_by_size), "{tool}: {status:?}");
            let repaired = done(&["venv", "repair", "mine"]);
            assert_eq!(repaired.code, Some(0), "{tool} {changed:?}: {repaired:?}");
            assert!(repaired.stdout.ends_with("Installed into mine: alpha 1.0\n"), "{tool}: {repaired:?}");
            assert_eq!(fs::read_to_string(&module).unwrap(), whole, "{tool} {changed:?}");
            assert_eq!(done(&["venv", "repair", "mine"]).stdout, "Nothing was wrong with mine\n");
            // Also for those that are made from the cache.
            done(&["venv", "create", "other", "--with", "alpha"]);
            assert_eq!(fs::read_to_string(site_packages(&home, "other").join("alpha.py")).unwrap(), whole, "{tool}");
            home.success(&["venv", "delete", "other", "--yes"]);
        }
        // What Python compiles, and what nobody listed, is no damage.
        fs::create_dir_all(site.join("__pycache__")).unwrap();
        fs::write(site.join("__pycache__/alpha.cpython-399.pyc"), "x").unwrap();
        fs::write(site.join("own.py"), "x").unwrap();
        assert_eq!(done(&["venv", "repair", "mine"]).stdout, "Nothing was wrong with mine\n");
    }
}

#[test]
fn repair_that_cannot_fetch_leaves_the_cache_as_it_is() {
    if !tools().contains(&"uv") {
        eprintln!("SKIPPED: there is no uv");
        return;
    }
    let index = Index::of(&["alpha"]);
    index.add(Wheel { name: "alpha", version: "2.0", ..Wheel::default() });
    let home = TestHome::with_runtime();
    let done = |arguments: &[&str]| from(&index, &home, "uv", arguments);
    assert_eq!(done(&["venv", "create", "two", "--with", "alpha==2.0"]).code, Some(0));
    assert_eq!(done(&["venv", "create", "mine", "--with", "alpha==1.0"]).code, Some(0));
    // In place: in the cache too.
    fs::write(site_packages(&home, "mine").join("alpha-1.0.dist-info/METADATA"), "").unwrap();
    index.refuse(Some(503));
    let repaired = done(&["venv", "repair", "mine"]);
    assert_eq!(repaired.code, Some(1), "{repaired:?}");
    // What the cache has of other versions can still be had.
    let mut offline = bare(&home, "uv", &["venv", "create", "again", "--with", "alpha==2.0"]);
    let offline =
        CommandOutput::from(offline.env("PIP_INDEX_URL", index.url()).env("UV_OFFLINE", "1").output().unwrap());
    assert_eq!(offline.code, Some(0), "{offline:?}");
    index.refuse(None);
    let repaired = done(&["venv", "repair", "mine"]);
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    assert_eq!(done(&["venv", "create", "fresh", "--with", "alpha==1.0"]).code, Some(0), "from a cache that is whole");
}

#[test]
fn python_that_runs_no_more_is_found_out_and_replaced() {
    // A Python of its own: the executable, and links to the rest of another one.
    let home = TestHome::new();
    let of = |what: &str| {
        let output =
            Command::new(python()).args(["-IS", "-c", &format!("import os, sys; print({what})")]).output().unwrap();
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    };
    let (prefix, own) = (of("sys.base_prefix"), home.directory().join("own"));
    let name = of("'python%d.%d' % sys.version_info[:2]");
    fs::create_dir_all(own.join("bin")).unwrap();
    symlink(prefix.join("lib"), own.join("lib")).unwrap();
    let executable = own.join("bin").join(&name);
    fs::copy(of("os.path.realpath(sys.executable)"), &executable).unwrap();
    if home.run(&["init", "--python", executable.to_str().unwrap()]).code != Some(0) {
        eprintln!("SKIPPED: this Python cannot be copied");
        return;
    }
    home.success(&["venv", "create", "mine"]);
    // Broken, with the size, the times and the inode of before, as when a library that it needs is gone.
    let times = fs::metadata(&executable).unwrap().modified().unwrap();
    let mut bytes = fs::read(&executable).unwrap();
    bytes[4..].fill(0);
    fs::write(&executable, &bytes).unwrap();
    fs::File::options().write(true).open(&executable).unwrap().set_modified(times).unwrap();

    let config = home.run(&["config"]);
    assert!(config.code == Some(1) && !config.stdout.contains("runs, is the default"), "{config:?}");
    assert!(config.stdout.contains("beep-python venv repair mine"), "{config:?}");
    // What was known of it is forgotten.
    let refused = home.run(&["venv", "create", "other"]);
    assert!(refused.code == Some(1) && refused.stderr.contains(executable.to_str().unwrap()), "{refused:?}");
    assert!(!home.root().join("environments/other").exists());
    // By another one of the same series.
    let repaired = home.run(&["venv", "repair", "mine"]);
    assert_eq!(repaired.code, Some(0), "{repaired:?}");
    assert_eq!(home.run(&["venv", "status", "mine"]).code, Some(0));
}
