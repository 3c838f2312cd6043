//! Records of servers: which runs where.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use beep_python_protocol::{ServerEndpoint as Endpoint, ServerRecord, ServerState, pipe_name, quoted, start_time};
use beep_python_runtime::platform::{FileError, Home, HomeError, failed_to, replace_file};

use crate::launch::process::{here, stat_of};
use crate::unix_socket::socket::remove_left_over;

/// What a server knows about itself; the system adds the rest.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "as in ServerRecord")]
pub struct NewRecord {
    pub id: String,
    pub endpoints: Vec<Endpoint>,
    pub environment: String,
    pub environment_path: PathBuf,
    pub python_version: String,
    pub log: Option<PathBuf>,
    pub token_file: Option<PathBuf>,
    /// The file of the certificate that it shows over TLS.
    pub certificate: Option<PathBuf>,
    pub arguments: Vec<String>,
    pub settings: BTreeMap<String, serde_json::Value>,
    pub temporary: bool,
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
    /// `/proc` has no start time for this process.
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
    #[error("there is no server {}", quoted(wanted))]
    NotFound {
        /// What was asked for.
        wanted: String,
    },
    /// More than one server could be meant.
    #[error("{} could mean any of the servers {}", quoted(wanted), ids.join(", "))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// The servers.
        ids: Vec<String>,
    },
    /// It may run on another machine or in another container.
    #[error("server {id} was started {}: it cannot be reached from here", on(host.as_deref()))]
    Elsewhere {
        /// The server.
        id: String,
        /// The name of that machine.
        host: Option<String>,
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

fn on(host: Option<&str>) -> String {
    host.map_or_else(|| "elsewhere".to_owned(), |host| format!("elsewhere, on {host}"))
}

/// The record of a server that runs in this process, in the folder it is in now.
pub fn record_of_this_process(new: NewRecord) -> Result<ServerRecord, RecordError> {
    let pid = std::process::id();
    // Not by the pid: `/proc` may be that of another namespace.
    let stat = fs::read_to_string("/proc/self/stat").map_err(RecordError::OwnProcess)?;
    let started = start_time(&stat).ok_or_else(|| io::ErrorKind::InvalidData.into());
    Ok(ServerRecord {
        id: new.id,
        pid,
        start_time: started.map_err(RecordError::OwnProcess)?,
        place: here(),
        endpoints: new.endpoints,
        environment: new.environment,
        environment_path: new.environment_path,
        python_version: new.python_version,
        started_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        log: new.log,
        token_file: new.token_file,
        certificate: new.certificate,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        arguments: new.arguments,
        temporary: new.temporary,
        stopping: false,
        settings: new.settings,
    })
}

/// Writes a record into the home in one step.
pub fn write_record(home: &Home, record: &ServerRecord) -> Result<(), RecordError> {
    let bytes = serde_json::to_vec_pretty(record).expect("a record is plain data");
    Ok(replace_file(path_of(home, &record.id)?, &bytes)?)
}

/// Removes a record, and the files of a pipe that a server which was killed has left; missing files are fine.
pub fn remove_record(home: &Home, record: &ServerRecord) -> Result<(), RecordError> {
    record.endpoints.iter().filter_map(Endpoint::socket).for_each(remove_left_over);
    let path = path_of(home, &record.id)?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed_to("remove", path)(error).into()),
        _ => Ok(()),
    }
}

/// How the server is now.
pub fn state_of(record: &ServerRecord) -> ServerState {
    record.state(&here(), stat_of(record.pid).as_deref())
}

/// All servers that have a record, in the order in which they were started. Records that cannot be understood are left
/// out; see [`unreadable_records`].
pub fn records(home: &Home) -> Result<Vec<(ServerRecord, ServerState)>, RecordError> {
    let mut records: Vec<ServerRecord> = record_files(home)?.iter().filter_map(|path| read(path).ok()).collect();
    records.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
    Ok(records
        .into_iter()
        .map(|record| {
            let state = state_of(&record);
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

/// Finds a server by its id, the port, URL or pipe name of an endpoint, or a unique prefix of its id.
///
/// Running servers come first: a port means the one that has it now.
pub fn find(home: &Home, wanted: &str) -> Result<(ServerRecord, ServerState), RecordError> {
    let records = records(home)?;
    let port = wanted.parse::<u16>().ok();
    let url = wanted.trim_end_matches('/');
    let ways: [&dyn Fn(&ServerRecord) -> bool; 3] = [
        &|record| record.id == wanted,
        &|record| {
            let pipe = Some(pipe_name(url.strip_prefix("pipe:").unwrap_or(url)));
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
    let folder = match home.servers() {
        Err(error) if error.is_missing_in_read_only() => return Ok(Vec::new()),
        folder => folder?,
    };
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
