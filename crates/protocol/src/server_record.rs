//! Records of servers: one JSON file each in the home's folder `servers/`. A server writes its record when it is ready and
//! removes it when it ends. The record tells clients the server's endpoints, and commands its process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The record of a server: `servers/<id>.json` in the home.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerRecord {
    /// Its name: six hexadecimal digits, the first a letter.
    pub id: String,
    /// Its process.
    pub pid: u32,
    /// When that process started, in clock ticks since boot; a later process of the same pid has another time.
    pub start_time: u64,
    /// The boot of the machine that it belongs to.
    pub boot_id: String,
    /// Its endpoints.
    pub endpoints: Vec<ServerEndpoint>,
    /// The environment that it runs code in, by name, or by path if it has no name.
    pub environment: String,
    /// The folder of that environment.
    pub environment_path: PathBuf,
    /// The version of its Python, for example `3.12.1`.
    pub python_version: String,
    /// When it was ready, in seconds since 1970.
    pub started_at: u64,
    /// The file that it logs to; absent in the foreground.
    pub log: Option<PathBuf>,
    /// The file with the token that other users must send.
    pub token_file: PathBuf,
    /// The version of the program.
    pub version: String,
    /// The folder that it was started in: the working directory of its code.
    #[serde(with = "crate::path_text")]
    pub directory: PathBuf,
    /// The arguments that it was started with, for a restart.
    pub arguments: Vec<String>,
    /// Whether it is stopping and finishing its calls.
    pub stopping: bool,
    /// Settings worth showing: workers, timeout.
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// An address of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerEndpoint {
    /// `http`, `pipe` or `rpc`.
    pub backend: String,
    /// For example `http://127.0.0.1:5678`, or `unix:/home/me/.beep-python/run/NAME.sock` for a pipe.
    pub url: String,
}

/// The state of a server, by its record and its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServerState {
    /// It runs.
    Running,
    /// It is stopping and finishing its calls.
    Stopping,
    /// It is gone but its record is not: it was killed, or it crashed.
    Ended,
    /// It is gone, and another process has its pid.
    PidReused,
    /// It is gone because the machine was restarted.
    Rebooted,
}

impl ServerState {
    /// Whether there is a process.
    pub fn is_alive(self) -> bool {
        matches!(self, ServerState::Running | ServerState::Stopping)
    }
}

impl ServerEndpoint {
    /// The TCP port, if it has one.
    pub fn port(&self) -> Option<u16> {
        if self.socket().is_some() {
            return None;
        }
        self.url.trim_end_matches('/').rsplit_once(':')?.1.parse().ok()
    }

    /// The Unix socket, if it is one.
    pub fn socket(&self) -> Option<&Path> {
        self.url.strip_prefix("unix:").map(Path::new)
    }

    /// The name of the pipe for .NET clients, if it is one.
    pub fn pipe_name(&self) -> Option<&str> {
        self.socket()?.file_stem()?.to_str()
    }
}

impl ServerRecord {
    /// The endpoint of a backend, for example `http`.
    pub fn endpoint(&self, backend: &str) -> Option<&ServerEndpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.backend == backend)
    }

    /// The state of the server, from the content of `/proc/sys/kernel/random/boot_id`, if that can be read, and of
    /// `/proc/PID/stat`, if there is a process of its pid.
    pub fn state(&self, boot_id: Option<&str>, stat: Option<&str>) -> ServerState {
        if boot_id.is_some_and(|now| now.trim() != self.boot_id) {
            return ServerState::Rebooted;
        }
        match stat.and_then(start_time) {
            Some(time) if time == self.start_time && self.stopping => ServerState::Stopping,
            Some(time) if time == self.start_time => ServerState::Running,
            Some(_) => ServerState::PidReused,
            None => ServerState::Ended,
        }
    }
}

/// When a process started, in clock ticks since boot, by its `/proc/PID/stat`. None when it has ended, though its parent
/// may not have waited for it yet.
pub fn start_time(stat: &str) -> Option<u64> {
    // The second field is the command's name in brackets, which may hold blanks and brackets itself.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then_some(())?;
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (a) R 1 (b) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 77 1000 10 18446744073709551615";

    fn record() -> ServerRecord {
        let text = r#"{"id":"abcdef","pid":42,"startTime":77,"bootId":"b","endpoints":[
            {"backend":"http","url":"http://127.0.0.1:5678"},{"backend":"pipe","url":"unix:/run/x.sock"}],
            "environment":"e","environmentPath":"/e","pythonVersion":"3.12.1","startedAt":1,"log":null,
            "tokenFile":"/token","version":"0.1.0","directory":"/","arguments":[],"stopping":false,"settings":{},
            "later":"unknown keys are ignored"}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_record_and_the_system_tell_how_a_server_is() {
        let mut record = record();
        assert_eq!(record.state(Some("b\n"), Some(STAT)), ServerState::Running);
        assert_eq!(record.state(None, Some(STAT)), ServerState::Running);
        assert_eq!(record.state(Some("c"), Some(STAT)), ServerState::Rebooted);
        assert_eq!(record.state(Some("b"), None), ServerState::Ended);
        assert_eq!(record.state(Some("b"), Some(&STAT.replace(") S ", ") Z "))), ServerState::Ended, "a zombie");
        assert_eq!(record.state(Some("b"), Some(&STAT.replace(" 77 ", " 78 "))), ServerState::PidReused);
        record.stopping = true;
        assert_eq!(record.state(Some("b"), Some(STAT)), ServerState::Stopping);
    }

    #[test]
    fn an_endpoint_is_a_port_or_a_pipe() {
        let record = record();
        let (http, pipe) = (record.endpoint("http").unwrap(), record.endpoint("pipe").unwrap());
        assert_eq!((http.port(), http.socket(), http.pipe_name()), (Some(5678), None, None));
        assert_eq!((pipe.port(), pipe.socket(), pipe.pipe_name()), (None, Some(Path::new("/run/x.sock")), Some("x")));
        assert_eq!(record.endpoint("rpc"), None);
    }
}
