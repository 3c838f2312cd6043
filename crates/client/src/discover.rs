//! Servers of this user that run, by the records that they keep in the home.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use beep_python_protocol::{ServerRecord, ServerState};

use crate::any_transport::AnyBackend;
use crate::connect::connect;
use crate::error::Error;

/// The backends of a server that this program can use, the fastest first.
const BACKENDS: &[&str] = if cfg!(feature = "rpc") { &["pipe", "http", "rpc"] } else { &["pipe", "http"] };

/// A server that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningServer {
    /// What it says of itself: its endpoints, its environment, its Python, its process.
    pub record: ServerRecord,
}

/// The running servers of this user, in the order in which they were started, by the records in `$BEEP_PYTHON_HOME`, else
/// `~/.beep-python`. Where none was ever started there are none.
///
/// A record that outlived its server is passed over: it counts only while the process of its pid is the one that it was
/// written by. So are servers that are about to stop, and records that cannot be understood.
///
/// # Errors
/// [`Error::File`] when the folder of records cannot be read, or belongs to another user.
///
/// ```no_run
/// use beep_python_client::{Error, PythonHostBackend, discover};
///
/// # async fn example() -> Result<(), Error> {
/// for server in discover()? {
///     let python = server.connect()?;
///     println!("{}: {}", server.record.id, python.evaluate::<String>("__import__('sys').version").await?);
/// }
/// # Ok(())
/// # }
/// ```
pub fn discover() -> Result<Vec<RunningServer>, Error> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = set("BEEP_PYTHON_HOME").or_else(|| set("HOME").map(|home| home.join(".beep-python")));
    let unset = || Error::File {
        path: "~/.beep-python".into(),
        source: io::Error::new(io::ErrorKind::NotFound, "neither BEEP_PYTHON_HOME nor HOME is set"),
    };
    discover_in(&home.ok_or_else(unset)?)
}

/// The same for the home at `home`.
///
/// # Errors
/// As [`discover`].
pub fn discover_in(home: &Path) -> Result<Vec<RunningServer>, Error> {
    let folder = home.join("servers");
    let failed = |source| Error::File { path: folder.clone(), source };
    match fs::metadata(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
        // Whoever writes records decides where code and token go.
        Ok(metadata) if metadata.uid() != rustix::process::geteuid().as_raw() => {
            return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user")));
        }
        Ok(_) => {}
    }
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let runs = |record: &ServerRecord| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", record.pid)).ok();
        record.state(boot_id.as_deref(), stat.as_deref()) == ServerState::Running
    };
    let entries = fs::read_dir(&folder).map_err(failed)?;
    let mut records: Vec<_> = entries.flatten().filter_map(|entry| read(&entry.path())).filter(runs).collect();
    records.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
    Ok(records.into_iter().map(|record| RunningServer { record }).collect())
}

fn read(path: &Path) -> Option<ServerRecord> {
    // What is half written has a name of another kind.
    let name = path.file_name()?.to_str()?;
    (name.ends_with(".json") && !name.starts_with('.')).then_some(())?;
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

impl RunningServer {
    /// A backend at the server's fastest endpoint: its pipe, else HTTP, else gRPC; with its token where that can be read.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when it has no endpoint that this program can use.
    pub fn connect(&self) -> Result<AnyBackend, Error> {
        let endpoint = BACKENDS.iter().find_map(|backend| self.record.endpoint(backend));
        let endpoint = endpoint.ok_or_else(|| Error::Endpoint {
            endpoint: self.record.id.clone(),
            reason: "the server has no endpoint that this program can use".to_owned(),
        })?;
        self.connect_to(&endpoint.url)
    }

    /// A backend at one of the server's endpoints, with its token where that can be read. The user whose server it is
    /// needs none, as a rule, but not every machine lets a server see whose a connection is.
    ///
    /// # Errors
    /// As [`connect`](crate::connect).
    pub fn connect_to(&self, url: &str) -> Result<AnyBackend, Error> {
        let backend = connect(url)?;
        match self.token() {
            Ok(token) => backend.with_token(&token),
            Err(_) => Ok(backend),
        }
    }

    /// The token that other users must show, from the file that its user alone can read.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read.
    pub fn token(&self) -> Result<String, Error> {
        let path = &self.record.token_file;
        let token = fs::read_to_string(path).map_err(|source| Error::File { path: path.clone(), source })?;
        Ok(token.trim().to_owned())
    }
}
