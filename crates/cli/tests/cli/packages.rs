//! Packages: installed, removed and repaired with each available tool, from an index on loopback.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::index::{Index, Wheel, bare, from, make, tools};
use super::test_home::{CommandOutput, TestHome, python};

fn parsed(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn site_packages(home: &TestHome, name: &str) -> PathBuf {
    let library = home.root().join("environments").join(name).join("lib");
    let python = fs::read_dir(library).unwrap().next().unwrap().unwrap().path();
    python.join("site-packages")
}

/// The version of a module, as the environment's Python prints it.
fn imported(home: &TestHome, name: &str, module: &str) -> String {
    let python = home.root().join("environments").join(name).join("bin/python");
    let code = format!("import {module}; print({module}.version)");
    // No bytecode: it would be reused for another version of the same size from the same second.
    let output = Command::new(python).args(["-I", "-B", "-c", &code]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn uninstall_removes_exactly_the_files_of_a_package() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        index.add(Wheel { name: "beta", version: "2.0", requires: &["alpha"], ..Wheel::default() });
        let home = TestHome::with_runtime();
        let installed = from(&index, &home, tool, &["venv", "create", "mine", "--with", "beta", "--json"]);
        assert_eq!(installed.code, Some(0), "{installed:?}");
        assert_eq!(imported(&home, "mine", "alpha"), "1.0");
        let mine = site_packages(&home, "mine");
        let python = home.root().join("environments/mine/bin/python");
        let compiled = Command::new(python).args(["-I", "-m", "compileall", "-q"]).arg(&mine).status().unwrap();
        assert!(compiled.success() && mine.join("__pycache__").is_dir());
        // Paths outside of the environment in a RECORD are ignored.
        let outside = home.directory().join("precious");
        fs::write(&outside, "x").unwrap();
        let record = mine.join("alpha-1.0.dist-info/RECORD");
        let lines = fs::read_to_string(&record).unwrap();
        fs::write(&record, format!("{lines}{},,\n../../../../../../precious,,\n", outside.display())).unwrap();

        let removed = home.run(&["venv", "uninstall", "mine", "Alpha", "gamma"]);
        assert_eq!(removed.code, Some(0), "{removed:?}");
        assert_eq!(removed.stdout, "Removed from mine: alpha 1.0\n");
        assert_eq!(removed.stderr, "notice: gamma was not installed\nnotice: beta requires alpha\n");
        assert!(outside.exists());
        let left: Vec<String> =
            fs::read_dir(&mine).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        assert!(!left.iter().any(|name| name.starts_with("alpha")), "{left:?}");
        assert!(left.contains(&"beta.py".to_owned()), "{left:?}");
        let bin = home.root().join("environments/mine/bin");
        assert!(!bin.join("alpha").exists() && bin.join("beta").exists());
        let compiled = fs::read_dir(mine.join("__pycache__")).map(|all| all.flatten().collect::<Vec<_>>());
        let compiled = compiled.unwrap_or_default().into_iter().map(|entry| entry.file_name().into_string().unwrap());
        assert_eq!(compiled.filter(|name| name.starts_with("alpha")).collect::<Vec<_>>(), [""; 0]);
        assert_eq!(home.json(&["venv", "packages", "mine"]), json!([{"name": "beta", "version": "2.0"}]));
        let again = home.run(&["venv", "uninstall", "mine", "alpha"]);
        assert_eq!((again.code, again.stdout.as_str()), (Some(0), "Nothing to do, mine has none of them\n"));
        let wrong = home.run(&["venv", "uninstall", "mine", "beta==2.0"]);
        assert_eq!(wrong.code, Some(1));
        assert!(wrong.stderr.contains("only a name is accepted here"), "{wrong:?}");
    }
}

#[test]
fn damage_is_detected_and_repaired() {
    for tool in tools() {
        let index = Index::of(&["alpha", "beta"]);
        let home = TestHome::with_runtime();
        assert_eq!(
            from(&index, &home, tool, &["venv", "create", "mine", "--with", "alpha", "--with", "beta"]).code,
            Some(0)
        );
        let (path, site) = (home.root().join("environments/mine"), site_packages(&home, "mine"));
        let state = || home.json(&["venv", "status", "mine"])["state"].as_str().unwrap().to_owned();
        assert_eq!(state(), "healthy");

        // A file of a package is missing.
        fs::remove_file(site.join("alpha.py")).unwrap();
        let status = home.run(&["venv", "status", "mine"]);
        assert_eq!(status.code, Some(1));
        assert!(status.stdout.contains("packages damaged") && status.stdout.contains("alpha 1.0"), "{status:?}");
        let repaired = from(&index, &home, tool, &["venv", "repair", "mine"]);
        assert_eq!((repaired.code, state().as_str()), (Some(0), "healthy"), "{repaired:?}");
        assert!(repaired.stdout.starts_with("Repaired mine, which was: packages damaged"), "{repaired:?}");
        assert_eq!(imported(&home, "mine", "alpha"), "1.0");
        assert_eq!(from(&index, &home, tool, &["venv", "repair", "mine"]).stdout, "Nothing was wrong with mine\n");

        // A change was interrupted by a kill.
        fs::write(path.join("beep-python.installing.json"), "").unwrap();
        assert_eq!(state(), "packages damaged");
        let repaired = from(&index, &home, tool, &["venv", "repair", "mine"]);
        assert!(repaired.stdout.contains("was interrupted; repeat it after the repair"), "{repaired:?}");
        assert_eq!(state(), "healthy");

        // The Python is missing.
        fs::remove_file(path.join("bin/python")).unwrap();
        std::os::unix::fs::symlink("/nonexistent/python", path.join("bin/python")).unwrap();
        assert_eq!(state(), "does not run");
        assert_eq!(from(&index, &home, tool, &["venv", "repair", "mine"]).code, Some(0));
        assert_eq!((state().as_str(), imported(&home, "mine", "beta").as_str()), ("healthy", "1.0"));

        // The record is damaged or missing.
        for text in ["", "{\"name\": ", "[]"] {
            fs::write(path.join("beep-python.json"), text).unwrap();
            assert_eq!(home.json(&["venv", "list"])[0]["state"], "healthy");
            assert!(fs::read_to_string(path.join("beep-python.json")).unwrap().contains("\"interpreter\""));
        }
        fs::remove_file(path.join("beep-python.json")).unwrap();
        assert_eq!(state(), "healthy");

        // A package's metadata is missing, and so is the package in the index.
        index.remove("alpha-1.0-py3-none-any.whl");
        fs::remove_file(site.join("alpha-1.0.dist-info/METADATA")).unwrap();
        let failed = from(&index, &home, tool, &["venv", "repair", "mine"]);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.stderr.contains("alpha"), "{failed:?}");
        assert_eq!(state(), "packages damaged", "it is not forgotten");
        index.add(Wheel { name: "alpha", version: "1.0", ..Wheel::default() });
        let repaired = from(&index, &home, tool, &["venv", "repair", "mine"]);
        assert_eq!((repaired.code, imported(&home, "mine", "alpha").as_str()), (Some(0), "1.0"), "{repaired:?}");
    }
}

#[test]
fn failure_has_the_reason_of_the_tool_and_names_the_package() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        index.add(Wheel { name: "needy", version: "1.0", requires: &["nosuch>3"], ..Wheel::default() });
        let home = TestHome::with_runtime();
        home.success(&["venv", "create", "mine"]);
        for (wanted, package, output) in
            [("nosuch", "nosuch", "nosuch"), ("alpha>=2", "alpha", "alpha"), ("needy", "needy", "nosuch")]
        {
            let failed = from(&index, &home, tool, &["venv", "install", "mine", wanted]);
            assert_eq!(failed.code, Some(1), "{tool} {wanted}: {failed:?}");
            let said = format!("error: {tool} could not install {package}\ncaused by: ");
            assert!(failed.stderr.starts_with(&said), "{failed:?}");
            assert!(failed.stderr.contains(output) && !failed.stderr.contains("cause: "), "{failed:?}");
        }
        let mut command = bare(&home, tool, &["venv", "install", "mine", "alpha"]);
        command.env("PIP_INDEX_URL", "http://127.0.0.1:9/simple").env("PIP_RETRIES", "1");
        let down = CommandOutput::from(command.output().unwrap());
        assert_eq!(down.code, Some(1), "{down:?}");
        assert!(down.stderr.contains("127.0.0.1:9") || down.stderr.contains("onnection"), "{down:?}");
        assert_eq!(home.json(&["venv", "packages", "mine"]), json!([]));
        assert_eq!(home.json(&["venv", "status", "mine"])["state"], "healthy");
    }
}

#[test]
fn long_steps_are_reported_beside_the_result() {
    for tool in tools() {
        let index = Index::serve();
        index.add(Wheel { name: "alpha", version: "1.0", ballast: 3 << 20, ..Wheel::default() });
        let home = TestHome::with_runtime();
        let made = from(&index, &home, tool, &["venv", "create", "mine", "--with", "alpha", "--json"]);
        assert_eq!(parsed(&made)["changed"], json!([{"name": "alpha", "version": "1.0"}]));
        assert!(made.stderr.contains("downloading alpha"), "{tool}: {made:?}");
    }
}

#[test]
fn lock_recreates_the_environment_and_checks_hashes() {
    for tool in tools() {
        let index = Index::of(&["alpha", "beta", "gamma"]);
        index.add(Wheel { name: "delta", version: "1.0", requires: &["alpha"], ..Wheel::default() });
        let home = TestHome::with_runtime();
        let done = |arguments: &[&str]| {
            let output = from(&index, &home, tool, arguments);
            assert_eq!(output.code, Some(0), "{tool} {arguments:?}: {output:?}");
            output.stdout
        };
        done(&["venv", "create", "one", "--with", "delta", "--with", "beta"]);
        let output = done(&["venv", "lock", "one", "--output", "team.toml"]);
        assert!(output.starts_with("Locked 3 packages of one: "), "{output}");
        let text = fs::read_to_string(home.directory().join("team.toml")).unwrap();
        assert!(text.contains("lock-version = \"1.0\"") && text.matches("sha256").count() >= 3, "{text}");
        assert_eq!(done(&["venv", "lock", "one", "--output", "-"]), text);

        // Newer versions and other packages go back to the lock.
        index.add(Wheel { name: "beta", version: "2.0", ..Wheel::default() });
        done(&["venv", "create", "two", "--with", "beta", "--with", "gamma"]);
        assert_eq!(imported(&home, "two", "beta"), "2.0");
        let synced = from(&index, &home, tool, &["venv", "sync", "two", "team.toml", "--json"]);
        assert_eq!(parsed(&synced)["removed"], json!([{"name": "gamma", "version": "1.0"}]), "{synced:?}");
        assert_eq!(home.json(&["venv", "packages", "two"]), home.json(&["venv", "packages", "one"]));
        assert_eq!(imported(&home, "two", "beta"), "1.0");
        assert_eq!(done(&["venv", "sync", "two", "team.toml"]), "Nothing to do, two matches the lock\n");

        // An environment keeps its own lock.
        done(&["venv", "lock", "two"]);
        done(&["venv", "install", "two", "gamma"]);
        assert_eq!(done(&["venv", "sync", "two"]), "Removed from two: gamma 1.0\n");

        // Another file of the same name and version is refused, and nothing changes.
        index.add(Wheel { name: "beta", version: "1.0", ballast: 1000, ..Wheel::default() });
        done(&["venv", "create", "three", "--with", "gamma"]);
        let refused = from(&index, &home, tool, &["venv", "sync", "three", "team.toml"]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.to_lowercase().contains("hash"), "{refused:?}");
        assert_eq!(home.json(&["venv", "packages", "three"]), json!([{"name": "gamma", "version": "1.0"}]));
        assert_eq!(home.json(&["venv", "status", "three"])["state"], "healthy");

        for (text, reason) in [("gamma\n", "gamma is not an exact requirement"), ("# none\n", "it names no package")] {
            fs::write(home.directory().join("loose.txt"), text).unwrap();
            let refused = from(&index, &home, tool, &["venv", "sync", "three", "loose.txt"]);
            assert!(refused.stderr.contains(reason), "{refused:?}");
        }
        fs::write(home.directory().join("odd.toml"), "lock-version = \"9.0\"\n").unwrap();
        let odd = from(&index, &home, tool, &["venv", "sync", "three", "odd.toml"]);
        assert!(odd.stderr.contains("odd.toml is not a usable lock: its lock-version"), "{odd:?}");
    }
}

#[test]
fn copy_is_independent_of_its_original() {
    let index = Index::of(&["alpha", "beta"]);
    let home = TestHome::with_runtime();
    let made = from(&index, &home, "pip", &["venv", "create", "hf-cpu", "some/model", "--with", "alpha"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let original = "hf-cpu";
    assert_eq!(imported(&home, original, "alpha"), "1.0");
    let copied = home.json(&["venv", "clone", original, "copy"]);
    home.success(&["venv", "delete", original, "--yes"]);
    assert_eq!(imported(&home, "copy", "alpha"), "1.0");
    let status = home.json(&["venv", "status", "copy"]);
    assert_eq!((&status["state"], &status["provider"]), (&json!("healthy"), &Value::Null));
    // Commands of packages run with the copy's Python.
    let command = std::path::Path::new(copied["path"].as_str().unwrap()).join("bin/alpha");
    let output = Command::new(command).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1.0\n");
    // Its RECORDs are valid: repair finds nothing to do, and uninstall removes the command.
    assert_eq!(from(&index, &home, "pip", &["venv", "repair", "copy"]).stdout, "Nothing was wrong with copy\n");
    home.success(&["venv", "uninstall", "copy", "alpha"]);
    assert!(!home.root().join("environments/copy/bin/alpha").exists());
    for (from, to, output) in
        [("copy", "copy", "exists already"), ("copy", "../x", "cannot name"), ("none", "x", "no environment")]
    {
        let refused = home.run(&["venv", "clone", from, to]);
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains(output), "{refused:?}");
    }
}

#[test]
fn settings_of_one_tool_apply_to_the_other() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        let home = TestHome::with_runtime();
        let here = |name: &str| home.directory().join(name).display().to_string();
        let url = index.url();
        make(&home.directory().join("wheels"), Wheel { name: "alpha", version: "1.0", ..Wheel::default() });
        fs::write(home.directory().join("pip.conf"), format!("[global]\nindex-url = {url}\n")).unwrap();
        fs::write(
            home.directory().join("links.conf"),
            format!("[global]\nno-index = true\n[install]\nfind-links =\n  {}\n", here("wheels")),
        )
        .unwrap();
        fs::write(home.directory().join("uv.toml"), format!("[[index]]\nurl = \"{url}\"\ndefault = true\n")).unwrap();
        fs::write(
            home.directory().join("links.toml"),
            format!("no-index = true\n[pip]\nfind-links = [\"{}\"]\n", here("wheels")),
        )
        .unwrap();
        let proxied = url.replace("/simple", "");
        let ways: [&[(&str, String)]; 8] = [
            &[("PIP_CONFIG_FILE", here("pip.conf"))],
            &[("PIP_CONFIG_FILE", here("links.conf"))],
            &[("UV_CONFIG_FILE", here("uv.toml")), ("UV_NO_CONFIG", String::new())],
            &[("UV_CONFIG_FILE", here("links.toml")), ("UV_NO_CONFIG", String::new())],
            &[("UV_DEFAULT_INDEX", url.clone())],
            &[("UV_DEFAULT_INDEX", url.replace("/simple", "/nothing")), ("UV_FIND_LINKS", here("wheels"))],
            // The host does not exist: only the proxy can answer for it.
            &[
                ("PIP_INDEX_URL", "http://packages.invalid/simple".into()),
                ("PIP_PROXY", proxied.clone()),
                ("PIP_TRUSTED_HOST", "packages.invalid".into()),
            ],
            &[
                ("UV_DEFAULT_INDEX", "http://packages.invalid/simple".into()),
                ("http_proxy", proxied),
                ("UV_INSECURE_HOST", "packages.invalid".into()),
            ],
        ];
        for (number, way) in ways.iter().enumerate() {
            let name = format!("e{number}");
            let mut command = bare(&home, tool, &["venv", "create", &name, "--with", "alpha"]);
            for (variable, value) in *way {
                match value.is_empty() {
                    true => command.env_remove(variable),
                    false => command.env(variable, value),
                };
            }
            let output = CommandOutput::from(command.output().unwrap());
            assert_eq!(output.code, Some(0), "{tool} {way:?}: {output:?}");
            assert_eq!(imported(&home, &name, "alpha"), "1.0", "{tool} {way:?}");
        }
    }
}

/// Runs a shell script in a mount namespace; `None` if that is not allowed.
fn with_mounts(home: &TestHome, tool: &str, index: &Index, script: &str) -> Option<CommandOutput> {
    if !rustix::process::geteuid().is_root()
        || !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|s| s.success())
    {
        eprintln!("SKIPPED: only root can mount a small or read-only file system");
        return None;
    }
    let program = bare(home, tool, &[]);
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(program.get_program()).arg(home.root()).arg(python());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(CommandOutput::from(command.env("PIP_INDEX_URL", index.url()).output().unwrap()))
}

#[test]
fn full_disk_is_reported_and_its_space_freed() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        index.add(Wheel { name: "large", version: "1.0", ballast: 20 << 20, requires: &["alpha"], ..Wheel::default() });
        let home = TestHome::new();
        fs::create_dir(home.root()).unwrap();
        let script = r#"
            beep=$1; home=$2; used() { df -k --output=used "$home" | tail -n 1; }
            mount -t tmpfs -o size=12m tmpfs "$home" || exit 77
            "$beep" init --python "$3" && "$beep" venv create mine || exit 78
            before=$(used)
            "$beep" venv install mine large; echo "install $?"
            after=$(used); echo "kept $((after - before))"
            "$beep" venv packages mine; "$beep" venv status mine >/dev/null; echo "status $?"
            "$beep" venv install mine alpha; echo "install $?"
            "$beep" venv create whole --with large; echo "create $?"
            head -c 20000000 /dev/zero >"$home/ballast" 2>/dev/null
            "$beep" venv create other; echo "create $?"
            rm "$home/ballast"; "$beep" venv list --json | grep -c '"name"'; ls -A "$home/environments""#;
        let Some(output) = with_mounts(&home, tool, &index, script) else { return };
        let text = &output.stdout;
        assert!(text.contains("install 1\n") && text.contains("status 0\n"), "{tool}: {output:?}");
        let kept: i64 = text.split("kept ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        assert!(kept < 512, "{tool}: {kept} kB are not given back: {output:?}");
        assert!(output.stderr.contains("No space left on device"), "{tool}: {output:?}");
        assert!(output.stderr.contains("hint: free some disk space"), "{tool}: {output:?}");
        assert!(text.contains("mine has no packages.\n"), "{tool}: {output:?}");
        assert!(text.contains("Installed into mine: alpha 1.0\ninstall 0\n"), "{tool}: {output:?}");
        assert_eq!(text.matches("create 1\n").count(), 2, "{tool}: {output:?}");
        assert!(text.ends_with("mine\n"), "nothing but what was there: {tool}: {output:?}");
    }
}

#[test]
fn read_only_home_can_be_read() {
    let index = Index::of(&["alpha"]);
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let script = r#"
        beep=$1; home=$2
        mount --bind "$home" "$home" && mount -o remount,bind,ro "$home" || exit 77
        for command in "list" "packages mine" "status mine" "create other" "install mine alpha" "delete mine --yes" "uninstall mine alpha" "clone mine x"; do
            "$beep" venv $command >/dev/null; echo "$command: $?"
        done"#;
    let Some(output) = with_mounts(&home, "pip", &index, script) else { return };
    let expected = "list: 0\npackages mine: 0\nstatus mine: 0\ncreate other: 1\ninstall mine alpha: 1\ndelete mine --yes: 1\n\
                    uninstall mine alpha: 1\nclone mine x: 1\n";
    assert_eq!(output.stdout, expected, "{output:?}");
    assert_eq!(output.stderr.matches("Read-only file system").count(), 5, "{output:?}");
    assert_eq!(home.json(&["venv", "status", "mine"])["state"], "healthy");
}
