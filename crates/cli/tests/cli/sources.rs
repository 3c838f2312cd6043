//! Packages from elsewhere than an index: by URL, from folders and repositories, editable; and requirements from pipes.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use super::index::{Index, bare, from, tools};
use super::project::{project, repository};
use super::test_home::{CommandOutput, TestHome};

/// What `direct_url.json` of a package says.
fn origin(home: &TestHome, name: &str, package: &str) -> serde_json::Value {
    let library = home.root().join("environments").join(name).join("lib");
    let python = fs::read_dir(library).unwrap().next().unwrap().unwrap().path();
    let file = python.join(format!("site-packages/{package}-1.0.dist-info/direct_url.json"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn package_of_a_url_is_recognised_however_it_is_written() {
    for tool in tools() {
        let index = Index::of(&["beta"]);
        let home = TestHome::with_runtime();
        let here = |name: &str| home.directory().join(name);
        let shown = |name: &str| here(name).display().to_string();
        project(&here("plain"), "alpha");
        project(&here("with space"), "alpha");
        project(&here("repo"), "alpha");
        project(&here("parts/sub"), "alpha");
        let mut references = vec![
            format!("alpha @ file://{}", shown("plain")),
            format!("alpha @ file://{}/", shown("plain")),
            format!("alpha @ file://localhost{}", shown("plain")),
            format!("alpha @ file://{}", shown("with%20space")),
            "./plain/".to_owned(),
            shown("plain"),
        ];
        if repository(&here("repo")) && repository(&here("parts")) {
            references.extend([
                format!("alpha @ git+file://{}", shown("repo")),
                format!("alpha @ git+file://{}/.git", shown("repo")),
                format!("alpha @ git+file://{}@v1", shown("repo")),
                format!("alpha @ git+file://{}#subdirectory=sub", shown("parts")),
                format!("git+file://{}@v1#subdirectory=sub&egg=alpha", shown("parts")),
            ]);
        }
        for (number, reference) in references.iter().enumerate() {
            let name = format!("e{number}");
            let done = |arguments: &[&str]| {
                let output = from(&index, &home, tool, arguments);
                assert_eq!(output.code, Some(0), "{tool} {reference} {arguments:?}: {output:?}");
                output.stdout
            };
            done(&["venv", "create", &name, "--with", reference]);
            done(&["venv", "install", &name, reference]);
            if number % 3 != 0 {
                continue;
            }
            // A lock and a repair get it from the same place.
            done(&["venv", "lock", &name]);
            done(&["venv", "sync", &name]);
            let library = home.root().join("environments").join(&name).join("lib");
            let python = fs::read_dir(library).unwrap().next().unwrap().unwrap().path();
            fs::remove_file(python.join("site-packages/alpha.py")).unwrap();
            done(&["venv", "repair", &name]);
            assert_eq!(home.json(&["venv", "packages", &name]), json!([{"name": "alpha", "version": "1.0"}]));
            assert_eq!(home.run(&["venv", "status", &name]).code, Some(0));
        }
    }
}

#[test]
fn passwords_of_urls_are_in_no_message() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        let home = TestHome::with_runtime();
        let address = index.url().replace("http://", "http://user:geheim@").replace("/simple", "/files");
        let there = format!("alpha @ {address}/alpha-1.0-py3-none-any.whl");
        let gone = format!("alpha @ {address}/gone-1.0-py3-none-any.whl");
        let providers = format!("[provider.hf]\npackages = [\"{there}\"]\noptional = [\"{gone}\"]\n");
        fs::write(home.root().join("providers.toml"), providers).unwrap();
        let mut said = String::new();
        let commands: [(&[&str], i32); 8] = [
            (&["venv", "create", "mine", "--with", &there], 0),
            (&["venv", "install", "mine", &there], 0),
            (&["venv", "lock", "mine", "-o", "-"], 0),
            (&["venv", "install", "mine", &gone], 1),
            (&["venv", "install", "mine", &format!("{there} nonsense")], 1),
            (&["provider", "ensure", "hf"], 0),
            (&["provider", "packages", "hf"], 0),
            (&["provider", "packages", "hf", "--json"], 0),
        ];
        for (arguments, code) in commands {
            let mut command = bare(&home, tool, arguments);
            command.env("PIP_INDEX_URL", index.url()).env("BEEP_PYTHON_ACCELERATOR", "cpu");
            let output = CommandOutput::from(command.env("BEEP_PYTHON_LOG", "debug").output().unwrap());
            assert_eq!(output.code, Some(code), "{tool} {arguments:?}: {output:?}");
            said += &format!("{output:?}");
        }
        assert!(!said.contains("geheim"), "{tool}: {said}");
    }
}

#[test]
fn editable_package_stays_editable() {
    for tool in tools() {
        let index = Index::of(&["beta"]);
        let home = TestHome::with_runtime();
        let source = project(&home.directory().join("my source"), "alpha");
        let done = |arguments: &[&str]| {
            let output = from(&index, &home, tool, arguments);
            assert_eq!(output.code, Some(0), "{tool} {arguments:?}: {output:?}");
            output.stdout
        };
        let is_editable = |name: &str| {
            let origin = origin(&home, name, "alpha");
            assert_eq!(origin["dir_info"]["editable"], true, "{tool} {name}: {origin}");
            let url = origin["url"].as_str().unwrap();
            assert!(url.ends_with("/my%20source"), "{url}");
        };
        done(&["venv", "create", "mine"]);
        assert_eq!(
            done(&["venv", "install", "mine", "-e", "./my source", "beta"]),
            "Installed into mine: alpha 1.0, beta 1.0\n"
        );
        is_editable("mine");
        // A change of the code takes effect at once.
        fs::write(source.join("alpha.py"), "version = '2.0'\n").unwrap();
        let python = home.root().join("environments/mine/bin/python");
        let print = std::process::Command::new(python).args(["-IBc", "import alpha; print(alpha.version)"]).output();
        assert_eq!(print.unwrap().stdout, b"2.0\n");

        done(&["venv", "lock", "mine", "--output", "team.toml"]);
        done(&["venv", "sync", "mine", "team.toml"]);
        is_editable("mine");
        done(&["venv", "create", "two"]);
        assert_eq!(done(&["venv", "sync", "two", "team.toml"]), "Installed into two: alpha 1.0, beta 1.0\n");
        is_editable("two");
        done(&["venv", "clone", "two", "three"]);
        is_editable("three");
        let library = home.root().join("environments/three/lib");
        let python = fs::read_dir(library).unwrap().next().unwrap().unwrap().path();
        fs::remove_file(python.join("site-packages/__editable__.alpha.pth")).unwrap();
        assert!(done(&["venv", "repair", "three"]).contains("Installed into three: alpha 1.0"));
        is_editable("three");
        // What another change finds interrupted.
        fs::write(home.root().join("environments/three/beep-python.installing.json"), "{\"packages\": []}").unwrap();
        done(&["venv", "install", "three", "beta"]);
        is_editable("three");
        done(&["venv", "uninstall", "three", "alpha"]);
        assert!(!python.join("site-packages/__editable__.alpha.pth").exists());

        for (wrong, reason) in [("./none", "there is no such folder"), ("team.toml", "only a folder can be editable")] {
            let failed = from(&index, &home, tool, &["venv", "install", "mine", "-e", wrong]);
            assert!(failed.code == Some(1) && failed.stderr.contains(reason), "{failed:?}");
        }
    }
}

#[test]
fn requirements_come_from_a_pipe_as_from_a_file() {
    for tool in tools() {
        let index = Index::of(&["alpha", "beta", "gamma"]);
        let home = TestHome::with_runtime();
        project(&home.directory().join("delta"), "delta");
        fs::write(home.directory().join("more.txt"), "gamma\n").unwrap();
        let all = "# a comment\nalpha==1.0\n-r more.txt\n./delta\n";
        fs::write(home.directory().join("all.txt"), all).unwrap();
        // A shell makes the pipes.
        let ways = [
            ("e0", "printf '%s' \"$ALL\" | \"$BEEP\" venv install e0 -r -"),
            ("e1", "printf '%s' \"$ALL\" | \"$BEEP\" venv install e1 -r /dev/stdin"),
            ("e2", "\"$BEEP\" venv install e2 -r /dev/stdin < all.txt"),
            ("e3", "mkfifo pipe; printf '%s' \"$ALL\" > pipe & \"$BEEP\" venv install e3 -r pipe"),
            ("e4", "printf '%s' \"$ALL\" | \"$BEEP\" venv install e4 -r /proc/self/fd/0"),
            ("e5", "\"$BEEP\" venv install e5 -r all.txt"),
        ];
        for (name, script) in ways {
            home.success(&["venv", "create", name]);
            let beep = bare(&home, tool, &[]);
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", script]).current_dir(home.directory()).stdin(Stdio::null());
            for (name, value) in beep.get_envs() {
                match value {
                    Some(value) => shell.env(name, value),
                    None => shell.env_remove(name),
                };
            }
            shell.env("BEEP", beep.get_program()).env("ALL", all).env("PIP_INDEX_URL", index.url());
            let output = CommandOutput::from(shell.output().unwrap());
            assert_eq!(output.code, Some(0), "{tool} {script}: {output:?}");
            assert_eq!(
                output.stdout,
                format!("Installed into {name}: alpha 1.0, delta 1.0, gamma 1.0\n"),
                "{output:?}"
            );
            fs::remove_file(Path::new(home.directory()).join("pipe")).unwrap_or_default();
        }
        // A lock too.
        let lock = from(&index, &home, tool, &["venv", "lock", "e0", "--output", "-"]).stdout;
        for (name, text) in [("two", lock.as_str()), ("three", "alpha==1.0\n")] {
            home.success(&["venv", "create", name]);
            let mut command = bare(&home, tool, &["venv", "sync", name, "-"]);
            command
                .env("PIP_INDEX_URL", index.url())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            let output = CommandOutput::from(child.wait_with_output().unwrap());
            assert_eq!(output.code, Some(0), "{tool} {name}: {output:?}");
        }
        assert_eq!(home.json(&["venv", "packages", "two"]), home.json(&["venv", "packages", "e0"]));
        assert_eq!(home.json(&["venv", "packages", "three"]), json!([{"name": "alpha", "version": "1.0"}]));
    }
}

#[test]
fn folders_with_characters_of_urls_and_markers_are_installed() {
    for tool in tools() {
        let index = Index::of(&[]);
        let home = TestHome::with_runtime();
        let done = |arguments: &[&str]| {
            let output = from(&index, &home, tool, arguments);
            assert_eq!(output.code, Some(0), "{tool} {arguments:?}: {output:?}");
            output.stdout
        };
        // uv itself misreads `#` where no name stands before the path.
        let hash = if tool == "uv" { vec![] } else { vec!["c#"] };
        for (number, folder) in ["50%20?", "semi;colon", "it's [b]@"].iter().chain(&hash).enumerate() {
            let path = home.directory().join(folder).join("proj");
            project(&path, "alpha");
            let name = format!("e{number}");
            done(&["venv", "create", &name]);
            let installed = done(&["venv", "install", &name, &format!("./{folder}/proj")]);
            assert_eq!(installed, format!("Installed into {name}: alpha 1.0\n"), "{tool} {folder}");
            done(&["venv", "install", &name, "-e", path.to_str().unwrap()]);
            // What a lock says of it is understood too.
            done(&["venv", "lock", &name]);
            done(&["venv", "uninstall", &name, "alpha"]);
            done(&["venv", "sync", &name]);
            assert_eq!(origin(&home, &name, "alpha")["dir_info"]["editable"], true);
        }
        project(&home.directory().join("d#/proj"), "alpha");
        done(&["venv", "create", "named", "--with", "alpha @ ./d#/proj"]);
        if tool == "uv" {
            let refused = from(&index, &home, tool, &["venv", "install", "named", "./d#/proj"]);
            assert!(refused.code == Some(1) && refused.stderr.contains("hint: uv misreads"), "{refused:?}");
        }
    }
}

#[test]
fn nothing_to_do_says_so_also_where_no_package_is_known_by_name() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        let home = TestHome::with_runtime();
        let utf16: Vec<u8> = "\u{feff}alpha\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(home.directory().join("wide.txt"), utf16).unwrap();
        from(&index, &home, tool, &["venv", "create", "mine", "--with", "alpha"]);
        let again = from(&index, &home, tool, &["venv", "install", "mine", "-r", "wide.txt"]);
        if again.code == Some(0) {
            assert_eq!(again.stdout, "Nothing to do, mine has what was asked for\n", "{tool}: {again:?}");
        }
        fs::write(home.directory().join("own.txt"), "--no-index\nalpha\n").unwrap();
        let again = from(&index, &home, tool, &["venv", "install", "mine", "-r", "own.txt"]);
        assert_eq!(again.stdout, "Nothing to do, mine has what was asked for\n", "{tool}: {again:?}");
    }
}
