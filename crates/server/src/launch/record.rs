//! Records of servers: who runs where, for whoever asks later.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use beep_python_runtime::platform::{FileError, Home, HomeError, failed_to, replace_file};
use serde::{Deserialize, Serialize};

use super::process::{boot_id, start_time};
use crate::pipe::remove_left_over;

/// What is known of a server: `servers/<id>.json` in the home, written by the server when it is ready and removed when
/// it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerRecord {
    /// Its name: six hexadecimal digits, the first a letter.
    pub id: String,
    /// Its process.
    pub pid: u32,
    /// When that process started, in clock ticks since boot; tells it from a later one of the same pid.
    pub start_time: u64,
    /// The run of the machine that it belongs to.
    pub boot_id: String,
    /// Where it can be reached.
    pub endpoints: Vec<Endpoint>,
    /// The environment that it runs code in, by name, or by path where it has none.
    pub environment: String,
    /// The folder of that environment.
    pub environment_path: PathBuf,
    /// The version of its Python, for example `3.12.1`.
    pub python_version: String,
    /// When it was ready, in seconds since 1970.
    pub started_at: u64,
    /// The file that it logs to; none in the foreground.
    pub log: Option<PathBuf>,
    /// The file that holds the token which other users must show.
    pub token_file: PathBuf,
    /// The version of the program.
    pub version: String,
    /// The folder that it was started in, which is the working directory of the code it runs.
    pub directory: PathBuf,
    /// The arguments that it was started with, for starting it again.
    pub arguments: Vec<String>,
    /// Whether it was told to stop and is finishing its calls.
    pub stopping: bool,
    /// Settings worth showing: workers, timeout.
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// One place where a server can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `http`, `pipe` or `rpc`.
    pub backend: String,
    /// For example `http://127.0.0.1:5678`, or `unix:/home/me/.beep-python/run/NAME.sock` for a pipe.
    pub url: String,
}

impl Endpoint {
    /// The TCP port, where it has one.
    pub fn port(&self) -> Option<u16> {
        if self.socket().is_some() {
            return None;
        }
        self.url.trim_end_matches('/').rsplit_once(':')?.1.parse().ok()
    }
}

impl Endpoint {
    /// The Unix socket, where it is one.
    pub fn socket(&self) -> Option<&Path> {
        self.url.strip_prefix("unix:").map(Path::new)
    }

    /// The name of the pipe, where it is one: what .NET clients connect to.
    pub fn pipe_name(&self) -> Option<&str> {
        self.socket()?.file_stem()?.to_str()
    }
}

/// What a server knows of itself; the system adds the rest.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "as in ServerRecord")]
pub struct NewRecord {
    pub id: String,
    pub endpoints: Vec<Endpoint>,
    pub environment: String,
    pub environment_path: PathBuf,
    pub python_version: String,
    pub log: Option<PathBuf>,
    pub token_file: PathBuf,
    pub arguments: Vec<String>,
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// How a server is, by its record and by what the system shows of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServerState {
    /// It runs.
    Running,
    /// It was told to stop and is finishing its calls.
    Stopping,
    /// It is gone without having said so: it was killed, or it crashed.
    Ended,
    /// It is gone, and its pid belongs to another process by now.
    PidReused,
    /// It is gone since the machine was restarted.
    Rebooted,
}

impl ServerState {
    /// Whether there is a process.
    pub fn is_alive(self) -> bool {
        matches!(self, ServerState::Running | ServerState::Stopping)
    }
}

/// Why records cannot be worked with, or a server cannot be stopped.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The folder of records cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A record cannot be read, written or removed.
    #[error(transparent)]
    File(#[from] FileError),
    /// What the system tells of this process cannot be read.
    #[error("cannot learn from /proc when this process started")]
    OwnProcess(#[source] io::Error),
    /// A record holds something else.
    #[error("the server record {} cannot be understood", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no such server.
    #[error("there is no server {wanted:?}")]
    NotFound {
        /// What was asked for.
        wanted: String,
    },
    /// More than one server could be meant.
    #[error("{wanted:?} could mean any of the servers {}", ids.join(", "))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// The servers.
        ids: Vec<String>,
    },
    /// The server's process cannot be signalled.
    #[error("cannot stop server {id}, process {pid}")]
    Signal {
        /// The server.
        id: String,
        /// Its process.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// The server's process does not end, even though it was killed.
    #[error("server {id}, process {pid}, was killed and still does not end: it hangs in the kernel")]
    Unkillable {
        /// The server.
        id: String,
        /// Its process.
        pid: u32,
    },
}

impl ServerRecord {
    /// The record of a server that runs in this process, in the folder it is in now.
    pub fn of_this_process(new: NewRecord) -> Result<ServerRecord, RecordError> {
        let pid = std::process::id();
        let started = start_time(pid).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
        Ok(ServerRecord {
            id: new.id,
            pid,
            start_time: started.map_err(RecordError::OwnProcess)?,
            boot_id: boot_id().map_err(RecordError::OwnProcess)?,
            endpoints: new.endpoints,
            environment: new.environment,
            environment_path: new.environment_path,
            python_version: new.python_version,
            started_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            log: new.log,
            token_file: new.token_file,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            arguments: new.arguments,
            stopping: false,
            settings: new.settings,
        })
    }

    /// Writes the record into the home in one step.
    pub fn write(&self, home: &Home) -> Result<(), RecordError> {
        let bytes = serde_json::to_vec_pretty(self).expect("a record is plain data");
        Ok(replace_file(path_of(home, &self.id)?, &bytes)?)
    }

    /// Writes the record anew, now saying that the server is stopping.
    pub fn write_stopping(&mut self, home: &Home) -> Result<(), RecordError> {
        self.stopping = true;
        self.write(home)
    }

    /// Removes the record, and the files of a pipe that a server which was killed has left; what is gone is fine.
    pub fn remove(&self, home: &Home) -> Result<(), RecordError> {
        self.endpoints.iter().filter_map(Endpoint::socket).for_each(remove_left_over);
        let path = path_of(home, &self.id)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed_to("remove", path)(error).into()),
            _ => Ok(()),
        }
    }

    /// How the server is now.
    pub fn state(&self) -> ServerState {
        if boot_id().is_ok_and(|now| now != self.boot_id) {
            return ServerState::Rebooted;
        }
        match start_time(self.pid) {
            Some(time) if time == self.start_time && self.stopping => ServerState::Stopping,
            Some(time) if time == self.start_time => ServerState::Running,
            Some(_) => ServerState::PidReused,
            None => ServerState::Ended,
        }
    }

    /// The endpoint of a backend, for example `http`.
    pub fn endpoint(&self, backend: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.backend == backend)
    }
}

/// All servers that have a record, in the order in which they were started. Records that cannot be understood are left
/// out; see [`unreadable_records`].
pub fn records(home: &Home) -> Result<Vec<(ServerRecord, ServerState)>, RecordError> {
    let mut records: Vec<ServerRecord> = record_files(home)?.iter().filter_map(|path| read(path).ok()).collect();
    records.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
    Ok(records
        .into_iter()
        .map(|record| {
            let state = record.state();
            (record, state)
        })
        .collect())
}

/// The records that cannot be read or understood, and why.
pub fn unreadable_records(home: &Home) -> Result<Vec<RecordError>, RecordError> {
    let unreadable = record_files(home)?.into_iter().filter_map(|path| read(&path).err()).filter(|error| {
        // A server may have ended since the folder was listed.
        !matches!(error, RecordError::File(file) if file.source.kind() == io::ErrorKind::NotFound)
    });
    Ok(unreadable.collect())
}

/// The record of the server `id`, if there is one that can be understood.
pub fn read_record(home: &Home, id: &str) -> Option<ServerRecord> {
    read(&path_of(home, id).ok()?).ok()
}

/// The server that `wanted` means: its id, the port, URL or pipe name of an endpoint, or a beginning of its id that no other has.
///
/// Living servers come first: a port means the one that has it now.
pub fn find(home: &Home, wanted: &str) -> Result<(ServerRecord, ServerState), RecordError> {
    let records = records(home)?;
    let port = wanted.parse::<u16>().ok();
    let url = wanted.trim_end_matches('/');
    let ways: [&dyn Fn(&ServerRecord) -> bool; 3] = [
        &|record| record.id == wanted,
        &|record| {
            let pipe = Some(url.strip_prefix("pipe:").unwrap_or(url));
            record.endpoints.iter().any(|endpoint| {
                endpoint.url == url || port.is_some() && endpoint.port() == port || endpoint.pipe_name() == pipe
            })
        },
        &|record| !wanted.is_empty() && record.id.starts_with(wanted),
    ];
    for way in ways {
        for alive in [true, false] {
            let meant: Vec<_> =
                records.iter().filter(|(record, state)| state.is_alive() == alive && way(record)).collect();
            match meant.as_slice() {
                [] => continue,
                [one] => return Ok((*one).clone()),
                many => {
                    let ids = many.iter().map(|(record, _)| record.id.clone()).collect();
                    return Err(RecordError::Ambiguous { wanted: wanted.into(), ids });
                }
            }
        }
    }
    Err(RecordError::NotFound { wanted: wanted.into() })
}

pub(super) fn path_of(home: &Home, id: &str) -> Result<PathBuf, RecordError> {
    Ok(home.servers()?.join(format!("{id}.json")))
}

fn record_files(home: &Home) -> Result<Vec<PathBuf>, RecordError> {
    let folder = home.servers()?;
    let entries = fs::read_dir(&folder).map_err(failed_to("read", &folder))?;
    let is_record = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".json") && !name.starts_with('.')
    };
    Ok(entries.flatten().map(|entry| entry.path()).filter(is_record).collect())
}

fn read(path: &Path) -> Result<ServerRecord, RecordError> {
    let bytes = fs::read(path).map_err(failed_to("read", path))?;
    serde_json::from_slice(&bytes).map_err(|source| RecordError::Malformed { path: path.into(), source })
}
