//! Runs the program with a home in a temporary folder.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) struct TestHome {
    folder: tempfile::TempDir,
}

/// The outcome of a command.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestHome {
    /// An empty home.
    pub(crate) fn new() -> TestHome {
        TestHome { folder: tempfile::tempdir().unwrap() }
    }

    /// A home with a Python of this machine as its runtime.
    pub(crate) fn with_runtime() -> TestHome {
        let home = TestHome::new();
        home.success(&["init", "--python", python()]);
        home
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The working directory of commands, beside the home.
    pub(crate) fn directory(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beep-python"));
        command.args(arguments).current_dir(self.directory()).stdin(Stdio::null());
        command.env("BEEP_PYTHON_HOME", self.root()).env_remove("RUST_BACKTRACE").env_remove("RUST_LOG");
        for variable in ["BEEP_PYTHON_INSTALL_MIRROR", "BEEP_PYTHON_CATALOGUE", "BEEP_PYTHON_LOG", "BEEP_PYTHON_TOKEN"]
        {
            command.env_remove(variable);
        }
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"OTEL_")) {
            command.env_remove(variable);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::from(self.command(arguments).output().unwrap())
    }

    /// Runs a command with this standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> CommandOutput {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        CommandOutput::from(child.wait_with_output().unwrap())
    }

    /// Runs a command that must succeed; returns its standard output.
    pub(crate) fn success(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
        output.stdout
    }

    /// Runs a command with `--json`, whatever its exit status; returns its result.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
    }

    /// Starts a server on a free port; returns the result of `start`.
    pub(crate) fn start(&self, more: &[&str]) -> Value {
        self.json(&[&["start", "http", "--port", "0"], more].concat())
    }

    /// Replaces what differs from run to run.
    pub(crate) fn redact(&self, text: &str, server: &Value) -> String {
        let mut replacements = vec![
            (self.root().display().to_string(), "[HOME]"),
            (self.directory().display().to_string(), "[HERE]"),
            (python().to_owned(), "[PYTHON]"),
            (version().to_owned(), "[VERSION]"),
        ];
        if let (Some(id), Some(pid)) = (server["id"].as_str(), server["pid"].as_u64()) {
            replacements.push((id.to_owned(), "[ID]"));
            replacements.push((port_of(server), "[PORT]"));
            replacements.push((pid.to_string(), "[PID]"));
        }
        replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// Processes started from this home.
    pub(crate) fn processes(&self) -> Vec<String> {
        let root = self.root().display().to_string();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let lines = entries.filter_map(|entry| {
            entry.file_name().to_str()?.parse::<u32>().ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&line).replace('\0', " "))
        });
        lines.filter(|line| line.contains(&root)).collect()
    }

    pub(crate) fn wait_until_no_process_is_left(&self) {
        wait_until("no process is left", || self.processes().is_empty());
    }
}

impl Drop for TestHome {
    fn drop(&mut self) {
        if self.root().exists() {
            self.run(&["stop", "--all", "--grace", "0"]);
        }
    }
}

/// Asks a server on this port over HTTP/1.1; gives its whole answer.
pub(crate) fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The same, with JSON to a server's first endpoint.
pub(crate) fn post(server: &Value, path: &str, body: &Value) -> String {
    let url = server["endpoints"][0]["url"].as_str().unwrap();
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The body of such an answer.
pub(crate) fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

impl CommandOutput {
    pub(crate) fn from(output: Output) -> CommandOutput {
        CommandOutput {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Everything in one text, for a snapshot.
    pub(crate) fn snapshot(&self) -> String {
        let code = self.code.map_or("killed".to_owned(), |code| code.to_string());
        format!("status: {code}\n----- stdout\n{}----- stderr\n{}", self.stdout, self.stderr)
    }
}

/// A process that does not outlive its test.
pub(crate) struct Ended(pub(crate) std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn port_of(server: &Value) -> String {
    server["endpoints"][0]["url"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
}

/// A Python of this machine: the newest that `init --system` finds.
pub(crate) fn python() -> &'static str {
    &found().0
}

/// The version of [`python`].
pub(crate) fn version() -> &'static str {
    &found().1
}

fn found() -> &'static (String, String) {
    static FOUND: OnceLock<(String, String)> = OnceLock::new();
    FOUND.get_or_init(|| {
        let runtime = TestHome::new().json(&["init", "--system"]);
        (runtime["path"].as_str().unwrap().to_owned(), runtime["version"].as_str().unwrap().to_owned())
    })
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn signal(pid: u64, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}
