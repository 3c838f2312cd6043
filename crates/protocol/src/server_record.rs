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
    /// Where that process runs.
    #[serde(flatten)]
    pub place: Place,
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
    /// The file with the token that other users must send; absent where the server was given one by its starter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The file of the certificate that it shows over TLS; absent where it speaks none. Clients of its user know it by that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// The version of the program.
    pub version: String,
    /// The folder that it was started in: the working directory of its code.
    #[serde(with = "crate::path_text")]
    pub directory: PathBuf,
    /// The arguments that it was started with, for a restart.
    pub arguments: Vec<String>,
    /// Whether it belongs to the command that started it, as `eval` does, and ends with that.
    #[serde(default)]
    pub temporary: bool,
    /// Whether it is stopping and finishing its calls.
    pub stopping: bool,
    /// Settings worth showing: workers, timeout.
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// Where a process runs: what its id and start time count in. What is not known is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Place {
    /// The name of the machine or container, for people.
    pub host: Option<String>,
    /// The machine, as `/etc/machine-id` has it.
    pub machine_id: Option<String>,
    /// The boot of the kernel.
    pub boot_id: Option<String>,
    /// The namespace of process ids, as `/proc/self/ns/pid` leads to it.
    pub pid_namespace: Option<String>,
}

impl Place {
    /// The place of this process, by what `read` finds in files and `link` in links.
    pub fn here(read: impl Fn(&str) -> Option<String>, link: impl Fn(&str) -> Option<PathBuf>) -> Place {
        let line = |path| read(path).map(|text| text.trim().to_owned()).filter(|line| !line.is_empty());
        Place {
            host: line("/proc/sys/kernel/hostname"),
            machine_id: line("/etc/machine-id").filter(|id| id != "uninitialized"),
            boot_id: line("/proc/sys/kernel/random/boot_id"),
            pid_namespace: link("/proc/self/ns/pid").map(|found| found.to_string_lossy().into_owned()),
        }
    }
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
    /// It belongs to another machine or container, or may: whether it runs cannot be told from here.
    Elsewhere,
}

impl ServerState {
    /// Whether there is a process.
    pub fn is_alive(self) -> bool {
        matches!(self, ServerState::Running | ServerState::Stopping)
    }

    /// Whether there may be a process, here or elsewhere.
    pub fn may_be_alive(self) -> bool {
        self.is_alive() || self == ServerState::Elsewhere
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

    /// The state of the server as seen from `here`, where `stat` is the content of `/proc/PID/stat`, if there is a process of
    /// its pid.
    ///
    /// A home may be shared between machines and containers, so a process that is not found here may run there.
    pub fn state(&self, here: &Place, stat: Option<&str>) -> ServerState {
        let is_same = |one: &Option<String>, other: &Option<String>| Some(one.as_ref()? == other.as_ref()?);
        let place = &self.place;
        match is_same(&place.boot_id, &here.boot_id) {
            Some(true) if is_same(&place.pid_namespace, &here.pid_namespace) == Some(true) => {}
            Some(false) if is_same(&place.machine_id, &here.machine_id) == Some(true) => return ServerState::Rebooted,
            _ => return ServerState::Elsewhere,
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
        let text = r#"{"id":"abcdef","pid":42,"startTime":77,"host":"h","machineId":"m","bootId":"b","pidNamespace":"pid:[1]","endpoints":[
            {"backend":"http","url":"http://127.0.0.1:5678"},{"backend":"pipe","url":"unix:/run/x.sock"}],
            "environment":"e","environmentPath":"/e","pythonVersion":"3.12.1","startedAt":1,"log":null,
            "tokenFile":"/token","version":"0.1.0","directory":"/","arguments":[],"stopping":false,"settings":{},
            "later":"unknown keys are ignored"}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_record_and_the_system_tell_how_a_server_is() {
        let mut record = record();
        let here = record.place.clone();
        assert_eq!(record.state(&here, Some(STAT)), ServerState::Running);
        assert_eq!(record.state(&here, None), ServerState::Ended);
        assert_eq!(record.state(&here, Some(&STAT.replace(") S ", ") Z "))), ServerState::Ended, "a zombie");
        assert_eq!(record.state(&here, Some(&STAT.replace(" 77 ", " 78 "))), ServerState::PidReused);
        record.stopping = true;
        assert_eq!(record.state(&here, Some(STAT)), ServerState::Stopping);
    }

    #[test]
    fn what_is_not_of_this_place_is_judged_only_where_that_is_certain() {
        let record = record();
        let here = &record.place;
        let place = |machine_id: Option<&str>, boot_id: Option<&str>, pid_namespace: Option<&str>| {
            let [machine_id, boot_id, pid_namespace] =
                [machine_id, boot_id, pid_namespace].map(|id| id.map(str::to_owned));
            Place { machine_id, boot_id, pid_namespace, ..here.clone() }
        };
        let own = Some("pid:[1]");
        for (here, state) in [
            (place(Some("m"), Some("c"), own), ServerState::Rebooted),
            (place(Some("m"), Some("c"), None), ServerState::Rebooted),
            (place(Some("n"), Some("c"), own), ServerState::Elsewhere),
            (place(None, Some("c"), own), ServerState::Elsewhere),
            (place(Some("m"), None, own), ServerState::Elsewhere),
            (place(Some("m"), Some("b"), Some("pid:[2]")), ServerState::Elsewhere),
            (place(Some("m"), Some("b"), None), ServerState::Elsewhere),
            // Images of containers may have any machine id; the kernel is the same.
            (place(Some("n"), Some("b"), own), ServerState::Running),
        ] {
            assert_eq!(record.state(&here, Some(STAT)), state, "{here:?}");
        }
        let unknown = ServerRecord { place: Place::default(), ..record.clone() };
        assert_eq!(unknown.state(here, Some(STAT)), ServerState::Elsewhere);
        assert!(ServerState::Elsewhere.may_be_alive() && !ServerState::Elsewhere.is_alive());
    }

    #[test]
    fn this_place_is_what_the_system_shows() {
        let read = |path: &str| Some(format!("{path}\n"));
        let link = |path: &str| Some(PathBuf::from(path));
        let here = Place::here(read, link);
        assert_eq!(here.machine_id.as_deref(), Some("/etc/machine-id"));
        assert_eq!(here.pid_namespace.as_deref(), Some("/proc/self/ns/pid"));
        assert_eq!(Place::here(|_| None, |_| None), Place::default());
        assert_eq!(Place::here(|_| Some("uninitialized".to_owned()), link).machine_id, None);
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
