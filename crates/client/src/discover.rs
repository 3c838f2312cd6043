//! The running servers of this user, by their records in the home.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use beep_python_protocol::{Place, ServerRecord, ServerState};

use crate::any_transport::AnyBackend;
use crate::connect::connect;
use crate::error::Error;

/// The backends that this program can use, fastest first.
const BACKENDS: &[&str] = if cfg!(feature = "rpc") { &["pipe", "http", "rpc"] } else { &["pipe", "http"] };

/// A running server.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningServer {
    /// Its record: its endpoints, its environment, its Python, its process.
    pub record: ServerRecord,
}

/// The running servers of this user, in the order of their start, by their records in `$BEEP_PYTHON_HOME`, or else in
/// `~/.beep-python`.
///
/// Records that outlived their server are skipped: a record counts only while the process that wrote it is running. So are servers
/// of other machines and containers that share the home.
/// Servers that are stopping, those that belong to a command and end with it, and records that cannot be read are skipped, too.
///
/// # Errors
/// [`Error::File`] when the folder of records cannot be read, or belongs to another user.
///
/// ```no_run
/// use beep_python_client::{Error, discover};
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
    // Without HOME it comes from the password database.
    let own = env::home_dir().filter(|home| !home.as_os_str().is_empty()).map(|home| home.join(".beep-python"));
    let home = set("BEEP_PYTHON_HOME").or(own);
    let unset = || Error::File {
        path: "~/.beep-python".into(),
        source: io::Error::new(io::ErrorKind::NotFound, "neither BEEP_PYTHON_HOME nor HOME is set"),
    };
    discover_in(&home.ok_or_else(unset)?)
}

/// The running servers whose records are in the home at `home`.
///
/// # Errors
/// As [`discover`].
pub fn discover_in(home: &Path) -> Result<Vec<RunningServer>, Error> {
    let folder = home.join("servers");
    let failed = |source| Error::File { path: folder.clone(), source };
    match fs::metadata(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
        // The writer of the records decides where code and tokens go. A home may be prepared by root, for group 0.
        Ok(metadata) if ![0, rustix::process::geteuid().as_raw()].contains(&metadata.uid()) => {
            return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user")));
        }
        Ok(metadata) if metadata.mode() & 0o002 != 0 || (metadata.mode() & 0o020 != 0 && metadata.gid() != 0) => {
            return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, "others may write to it")));
        }
        Ok(_) => {}
    }
    let here = Place::here(|path| fs::read_to_string(path).ok(), |path| fs::read_link(path).ok());
    let runs = |record: &ServerRecord| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", record.pid)).ok();
        !record.temporary && record.state(&here, stat.as_deref()) == ServerState::Running
    };
    let entries = fs::read_dir(&folder).map_err(failed)?;
    let mut records: Vec<_> = entries.flatten().filter_map(|entry| read(&entry.path())).filter(runs).collect();
    records.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
    Ok(records.into_iter().map(|record| RunningServer { record }).collect())
}

fn read(path: &Path) -> Option<ServerRecord> {
    // Files that are still being written have names of another kind.
    let name = path.file_name()?.to_str()?;
    (name.ends_with(".json") && !name.starts_with('.')).then_some(())?;
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The token of the variables `BEEP_PYTHON_TOKEN`, or else `BEEP_PYTHON_TOKEN_FILE`; none where neither is set.
///
/// # Errors
/// [`Error::File`] when the file cannot be read.
pub fn token_in_env() -> Result<Option<String>, Error> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(token) = set("BEEP_PYTHON_TOKEN") {
        return Ok(Some(token.to_string_lossy().trim().to_owned()));
    }
    set("BEEP_PYTHON_TOKEN_FILE").map(|path| read_token(Path::new(&path))).transpose()
}

fn read_token(path: &Path) -> Result<String, Error> {
    let token = fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    Ok(token.trim().to_owned())
}

impl RunningServer {
    /// A client at the server's fastest endpoint: its pipe, else HTTP, else gRPC. It has the server's token, if that can be
    /// read.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when the server has no endpoint that this program can use.
    pub fn connect(&self) -> Result<AnyBackend, Error> {
        let endpoint = BACKENDS.iter().find_map(|backend| self.record.endpoint(backend));
        let endpoint = endpoint.ok_or_else(|| Error::Endpoint {
            endpoint: self.record.id.clone(),
            reason: "the server has no endpoint that this program can use".to_owned(),
        })?;
        self.connect_to(&endpoint.url)
    }

    /// A client at one of the server's endpoints. It has the server's token, if that can be read: the server's own user
    /// rarely needs it, but not every machine lets a server see the user of a connection.
    ///
    /// # Errors
    /// As [`connect`](crate::connect).
    pub fn connect_to(&self, url: &str) -> Result<AnyBackend, Error> {
        let backend = connect(&self.known_by_certificate(url)?)?;
        match self.token() {
            Ok(token) => backend.with_token(&token),
            Err(_) => Ok(backend),
        }
    }

    /// The endpoint with the fingerprint of the certificate that the server shows, if it does: the file is that of its own user.
    fn known_by_certificate(&self, url: &str) -> Result<String, Error> {
        #[cfg(feature = "tls")]
        if let Some(path) = self.record.certificate.as_ref().filter(|_| url.contains("s://")) {
            let failed = |source| Error::File { path: path.clone(), source };
            return Ok(format!("{url}?fingerprint={}", crate::tls::fingerprint_in(path).map_err(failed)?));
        }
        Ok(url.to_owned())
    }

    /// The token that other users must send, from a file that only the server's user can read. A server that was given its
    /// token by `BEEP_PYTHON_TOKEN` has no such file: its token is in that variable here, too.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read, or the variable is not set.
    pub fn token(&self) -> Result<String, Error> {
        match &self.record.token_file {
            Some(path) => read_token(path),
            None => token_in_env()?.ok_or_else(|| Error::File {
                path: "BEEP_PYTHON_TOKEN".into(),
                source: io::Error::new(
                    io::ErrorKind::NotFound,
                    "the server was given its token by this variable, which is not set here",
                ),
            }),
        }
    }
}
