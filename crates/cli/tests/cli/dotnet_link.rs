//! The link by which .NET clients find a pipe is an addition: without it everything else works.

use std::fs;

use rustix::process::Signal;

use super::test_home::{CommandOutput, TestHome, python, signal};

/// Folders for temporary files in which no link can be made.
fn unfit(home: &TestHome) -> Vec<String> {
    let file = home.directory().join("file");
    fs::write(&file, "").unwrap();
    let long = home.directory().join("x".repeat(100));
    fs::create_dir(&long).unwrap();
    let paths = [home.directory().join("missing"), file, long];
    paths.iter().map(|path| path.display().to_string()).chain(["/proc".to_owned()]).collect()
}

#[test]
fn server_starts_without_it_and_says_how_dotnet_finds_the_pipe() {
    let home = TestHome::with_runtime();
    for folder in unfit(&home) {
        let name = format!("link-{}", std::process::id());
        let mut start = home.command(&["start", "http", "pipe", "--port", "0", "--pipe-name", &name]);
        let output = CommandOutput::from(start.env("TMPDIR", &folder).output().unwrap());
        assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{folder}: {output:?}");
        let socket = home.root().join(format!("run/{name}.sock"));
        let shown = format!(".NET: new NamedPipeClientStream(\".\", \"{}\")", socket.display());
        assert!(output.stdout.contains(&shown), "{folder}: {output:?}");
        assert!(home.success(&["logs"]).contains("there is no link for .NET clients"));
        assert_eq!(home.success(&["eval", "6 * 7"]), "42\n");
        home.success(&["stop"]);
        assert!(!socket.exists(), "{folder}");
    }
}

#[test]
fn quickstart_needs_no_folder_for_temporary_files() {
    let home = TestHome::new();
    let mut quickstart = home.command(&["quickstart", "--python", python()]);
    let output = CommandOutput::from(quickstart.env("TMPDIR", home.directory().join("missing")).output().unwrap());
    assert!(output.code == Some(0) && output.stdout.contains("over pipe"), "{output:?}");
}

#[test]
fn links_of_servers_that_were_killed_are_removed_by_the_next() {
    let home = TestHome::with_runtime();
    let temporary = home.directory().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let start = || {
        let mut start = home.command(&["--json", "start", "pipe"]);
        let output = CommandOutput::from(start.env("TMPDIR", &temporary).output().unwrap());
        serde_json::from_str::<serde_json::Value>(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let link_to = |name: &str, target: &str| std::os::unix::fs::symlink(target, temporary.join(name)).unwrap();
    link_to("CoreFxPipe_gone", temporary.join("gone.sock").to_str().unwrap());
    link_to("CoreFxPipe_unseen", "/nowhere/run/unseen.sock");
    link_to("CoreFxPipe_other", "/nowhere/another.sock");
    link_to("other", "/nowhere/run/other.sock");
    fs::write(temporary.join("CoreFxPipe_file"), "").unwrap();
    let killed = start();
    signal(killed["pid"].as_u64().unwrap(), Signal::KILL);
    home.wait_until_no_process_is_left();
    let living = start();
    start();
    let mut left: Vec<_> = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.retain(|name| !name.to_string_lossy().starts_with("CoreFxPipe_beep-python-"));
    left.sort();
    assert_eq!(left, ["CoreFxPipe_file", "CoreFxPipe_other", "CoreFxPipe_unseen", "other"]);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 6, "and those of two servers");
    home.success(&["stop", living["id"].as_str().unwrap()]);
}
