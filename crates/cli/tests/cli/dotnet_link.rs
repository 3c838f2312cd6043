//! The link by which .NET clients find a pipe is an addition: without it everything else works.

use std::fs;

use super::test_home::{CommandOutput, TestHome, python};

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
