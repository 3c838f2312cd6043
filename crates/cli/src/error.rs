//! Errors of the command line itself.

use std::path::PathBuf;

use beep_python_runtime::interpreter::{Version, VersionRequest};

#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("there is no Python runtime yet")]
    NoRuntime,
    #[error("no Python {request} is installed or was found on this machine{}", instead(known))]
    NoSuchRuntime { request: VersionRequest, known: Vec<String> },
    #[error("the environment \"{name}\" has {}, and Python {request} was asked for", actual_python(*actual))]
    OtherPython { name: String, actual: Option<Version>, request: VersionRequest },
    #[error("{} is an environment outside of the home, which is not {action} here", path.display())]
    OutsideHome { path: PathBuf, action: &'static str },
    #[error("no server is running")]
    NoServer,
    #[error("more than one server is running: {}", .0.join(", "))]
    WhichServer(Vec<String>),
    #[error("server {0} has no endpoint")]
    NoEndpoint(String),
    #[error("server {0} speaks no HTTP, which browsers need")]
    NoHttp(String),
    #[error("server {0} runs in the foreground: its output is in the terminal that started it")]
    NoLog(String),
    #[error("deleting {} needs a confirmation", .0)]
    Unconfirmed(String),
    #[error("cannot read the code from {}", .0)]
    UnreadableCode(&'static str, #[source] std::io::Error),
    #[error("the runtime \"{id}\" is used by the environments {}", environments.join(", "))]
    RuntimeInUse { id: String, environments: Vec<String> },
    #[error("server {server} has no session \"{session}\"")]
    NoSession { session: String, server: String },
    #[error("server {0} was given its token by BEEP_PYTHON_TOKEN, which is not set here")]
    TokenNotHere(String),
    #[error("`{0}` needs a terminal")]
    NoTerminal(&'static str),
    /// Options that exclude each other, where the parser cannot know; reported as it reports its own errors.
    #[error("{0}")]
    ArgumentConflict(String),
    #[error("{0} bytes of the output are left out: they were not read while the code printed more")]
    OutputLost(u64),
    #[error("the variable {0}")]
    WrongVariable(String),
    #[error("the program exceeded its time limit of {0:?}")]
    TimeLimit(std::time::Duration),
    #[error("interrupted")]
    Interrupted,
    #[error("`{command}` was ended by signal {signal}")]
    Killed { command: String, signal: i32 },
}

/// What is behind an error, the nearest cause first. Left out are errors that only repeat the one they wrap, and those of network
/// libraries that say no more than the ones behind them.
pub(crate) fn causes(error: &anyhow::Error) -> Vec<String> {
    const EMPTY: [&str; 4] = ["error sending request", "client error (Connect)", "dns error", "tcp connect error"];
    let all: Vec<String> = error.chain().map(ToString::to_string).collect();
    let pairs = all.iter().zip(all.iter().skip(1)).enumerate();
    let is_last = |at: usize| at + 2 == all.len();
    let said =
        pairs.filter(|(at, (before, cause))| before != cause && (is_last(*at) || !EMPTY.contains(&cause.as_str())));
    said.map(|(_, (_, cause))| cause.clone()).collect()
}

fn actual_python(version: Option<Version>) -> String {
    version.map_or_else(|| "another Python".to_owned(), |version| format!("Python {version}"))
}

fn instead(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!(" (there are {})", known.join(", ")) }
}
