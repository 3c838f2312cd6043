//! What people and programs read: warnings, causes, failures as JSON, tables, usage.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::index::{Index, Wheel, bare, from, tools};
use super::terminal::Terminal;
use super::test_home::{CommandOutput, TestHome, port_of, signal};

#[test]
fn warnings_of_the_tool_are_shown() {
    for tool in tools() {
        let index = Index::of(&["alpha", "beta"]);
        index.yank("beta-1.0-py3-none-any.whl", "broken on purpose");
        let home = TestHome::with_runtime();
        let made =
            from(&index, &home, tool, &["venv", "create", "mine", "--with", "alpha[nosuch]", "--with", "beta==1.0"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        let warnings: Vec<&str> = made.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
        let told = |words: &[&str]| warnings.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(
            told(&["alpha", "extra", "nosuch"]) && told(&["beta", "yanked", "broken on purpose"]),
            "{tool}: {made:?}"
        );
        assert_eq!(warnings.len(), 2, "{tool}: {made:?}");
    }
}

/// A folder with a package whose build fails.
fn broken_package(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let backend = "import sys\ndef build_wheel(*rest):\n    print('compiling')\n    print('cc: no such file', file=sys.stderr)\n    \
                   raise RuntimeError('the real cause')\n";
    fs::write(folder.join("backend.py"), backend).unwrap();
    let project = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    fs::write(folder.join("pyproject.toml"), project).unwrap();
}

#[test]
fn causes_of_failures_are_found() {
    for tool in tools() {
        let index = Index::of(&["gamma"]);
        for (name, requires) in [("alpha", "gamma<2"), ("beta", "gamma>=2")] {
            index.add(Wheel { name, version: "1.0", requires: &[requires], ..Wheel::default() });
        }
        index.add(Wheel { name: "gamma", version: "2.0", ..Wheel::default() });
        let home = TestHome::with_runtime();
        home.success(&["venv", "create", "mine"]);
        broken_package(&home.directory().join("broken"));
        let refused = |arguments: &[&str], status: Option<u16>, url: &str| {
            index.refuse(status);
            let mut command = bare(&home, tool, &[&["venv", "install", "mine"], arguments].concat());
            let output = CommandOutput::from(command.env("PIP_INDEX_URL", url).output().unwrap());
            assert!(
                output.code == Some(1) && output.stderr.contains(&format!("error: {tool} could not install")),
                "{output:?}"
            );
            let causes = output.stderr.lines().filter(|line| line.starts_with("caused by: ")).count();
            assert!(causes > 0, "{tool}: {output:?}");
            output.stderr
        };
        let url = index.url();
        let conflict = refused(&["alpha", "beta"], None, &url);
        assert!(conflict.contains("gamma<2") && conflict.contains("gamma>=2"), "{tool}: {conflict}");
        let build = refused(&["./broken"], None, &url);
        assert!(
            build.contains("\n    RuntimeError: the real cause\n") && build.contains("cc: no such file"),
            "{tool}: {build}"
        );
        for status in [401, 403] {
            let with_password = url.replace("//", "//someone:secret@");
            let denied = refused(&["alpha"], Some(status), &with_password);
            assert!(
                denied.contains(&status.to_string()) && denied.contains("\nhint: check the address"),
                "{tool}: {denied}"
            );
            assert!(!denied.contains("secret"), "{tool}: {denied}");
        }
        let down = refused(&["alpha"], None, "http://127.0.0.1:9/simple");
        assert!(down.contains("Connection refused") && down.contains("\nhint: check the network"), "{tool}: {down}");
        let versions = refused(&["gamma>=9"], None, &url);
        assert!(versions.contains("2.0"), "the versions that there are: {tool}: {versions}");
        assert_eq!(home.json(&["venv", "packages", "mine"]), json!([]));
    }
}

#[test]
fn failures_under_json_are_objects() {
    let home = TestHome::with_runtime();
    let failed = |arguments: &[&str], code: i32| {
        let output = home.run(arguments);
        assert_eq!((output.code, &*output.stdout), (Some(code), ""), "{arguments:?}: {output:?}");
        let last = output.stderr.lines().last().unwrap_or_default();
        serde_json::from_str::<Value>(last).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
    };
    let missing = failed(&["venv", "packages", "none", "--json"], 1);
    assert_eq!((&missing["error"], &missing["causes"]), (&json!("there is no environment \"none\""), &json!([])));
    assert!(missing["hint"].as_str().unwrap().starts_with("`beep-python venv create none`"), "{missing}");
    let unreadable = failed(&["--json", "venv", "sync", "none.txt", "none"], 1);
    assert!(unreadable["error"].is_string(), "{unreadable}");
    // Wrong usage too, seen by clap or by the command.
    for (arguments, said) in [
        (&["venv", "packages", "--json"][..], "the following required arguments were not provided:"),
        (&["--json", "nonsense"], "unrecognized subcommand 'nonsense'"),
        (&["start", "pipe", "--port", "5", "--json"], "--port needs the backend 'http'"),
    ] {
        let wrong = failed(arguments, 2);
        assert!(wrong["error"].as_str().unwrap().starts_with(said), "{wrong}");
        assert!(wrong["hint"].as_str().unwrap().contains("Usage: beep-python"), "{wrong}");
    }
    // Behind `--` it is no option.
    let code = home.run(&["eval", "--nosuch", "--", "--json"]);
    assert!(code.code == Some(2) && code.stderr.starts_with("error: unexpected argument"), "{code:?}");
}

#[test]
fn tables_never_cut_a_word() {
    let home = TestHome::with_runtime();
    let name = "an-environment-with-quite-a-long-name-that-people-copy";
    home.success(&["venv", "create", name]);
    let path = home.root().join("environments").join(name).display().to_string();
    for columns in [30, 60, 90, 120] {
        let program = home.command(&[]);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("stty cols {columns}; exec \"$0\" venv list")]).arg(program.get_program());
        shell.env("BEEP_PYTHON_HOME", home.root()).current_dir(home.directory());
        let terminal = Terminal::run(shell);
        // What the terminal itself breaks goes on in its next line.
        let whole = |word: &str, screen: &vt100::Screen| screen.contents().replace('\n', "").contains(word);
        terminal.wait_until("the table is whole", |screen| whole(name, screen) && whole(&path, screen));
        assert!(terminal.end().success());
    }
}

#[test]
fn usage_is_that_of_the_command_meant() {
    let home = TestHome::new();
    let wrong = |arguments: &[&str], words: &[&str]| {
        let output = home.run(arguments);
        assert_eq!(output.code, Some(2), "{output:?}");
        words.iter().for_each(|word| assert!(output.stderr.contains(word), "{word}: {output:?}"));
    };
    wrong(
        &["start", "pipe", "--port", "5"],
        &["--port needs the backend 'http'", "Usage: beep-python start [OPTIONS] <BACKENDS>..."],
    );
    wrong(&["venv", "install", "mine", "--nosuch"], &["'--nosuch'", "Usage: beep-python venv install"]);
    wrong(&["venv", "delet", "x"], &["'delete'"]);
    for (word, meant) in
        [("pip", "venv install"), ("uninstall", "venv uninstall"), ("rm", "venv delete"), ("ps", "status")]
    {
        wrong(&[word, "x"], &[&format!("'{meant}'")]);
    }
}

#[test]
fn port_means_that_of_the_only_backend_that_has_one() {
    let home = TestHome::with_runtime();
    let server = home.json(&["start", "rpc", "pipe", "--port", "0"]);
    let urls: Vec<&str> = server["endpoints"].as_array().unwrap().iter().map(|e| e["url"].as_str().unwrap()).collect();
    assert!(urls.iter().all(|url| !url.ends_with(":50051")), "{urls:?}");
    let both = home.json(&["start", "http", "rpc", "--port", "0", "--rpc-port", "0"]);
    assert_ne!(port_of(&both), "5678");
    for arguments in [&["start", "rpc", "--port", "0", "--rpc-port", "0"][..], &["start", "pipe", "--port", "0"]] {
        assert_eq!(home.run(arguments).code, Some(2));
    }
}

#[test]
fn output_that_a_stopped_eval_did_not_read_is_a_failure() {
    let home = TestHome::with_runtime();
    let made = Command::new("mkfifo").args(["go", "ended"]).current_dir(home.directory()).status().unwrap();
    assert!(made.success());
    let code = "print('ready', flush=True)\nopen('go').read()\nfor _ in range(150):\n    print('x' * (1 << 20))\n\
                open('ended', 'w').close()";
    let mut child = home.command(&["eval", code]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut ready = [0; 6];
    output.read_exact(&mut ready).unwrap();
    signal(child.id().into(), Signal::STOP);
    fs::write(home.directory().join("go"), "").unwrap();
    // Opened once the code has printed everything.
    fs::read(home.directory().join("ended")).unwrap();
    signal(child.id().into(), Signal::CONT);
    let read = std::io::copy(&mut output, &mut std::io::sink()).unwrap();
    let ended = CommandOutput::from(child.wait_with_output().unwrap());
    assert!(read < 150 << 20, "the server keeps no more than its limit");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(" bytes of the output are left out"), "{ended:?}");
}

#[test]
fn folder_need_not_be_named_in_utf8() {
    let home = TestHome::with_runtime();
    let folder = home.directory().join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&folder).unwrap();
    let run = |arguments: &[&str]| {
        let output = CommandOutput::from(home.command(arguments).current_dir(&folder).output().unwrap());
        assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
        output.stdout
    };
    assert_eq!(run(&["eval", "__import__('os').getcwdb()[-4:]"]), "b'caf\\xe9'\n");
    let started: Value = serde_json::from_str(&run(&["start", "http", "--port", "0", "--json"])).unwrap();
    let id = started["id"].as_str().unwrap();
    run(&["status", "--json"]);
    // Which goes back to its folder.
    home.success(&["restart", id]);
    assert_eq!(home.success(&["eval", "--server", id, "__import__('os').getcwdb()[-4:]"]), "b'caf\\xe9'\n");
    run(&["stop"]);
    run(&["venv", "create", "mine", "--json"]);
    run(&["venv", "lock", "mine", "-o", "here.toml", "--json"]);
    assert!(folder.join("here.toml").exists());
}
