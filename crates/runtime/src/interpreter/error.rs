//! Errors of interpreters and runtimes.

use std::path::PathBuf;

use beep_python_protocol::quoted;

use super::request::{InvalidRequest, VersionRequest};
use super::version::Version;
use crate::platform::{CommandError, FileError, HomeError};

/// Why an operation on an interpreter or a runtime failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// An operation on a file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The text does not name a Python.
    #[error(transparent)]
    InvalidRequest(#[from] InvalidRequest),
    /// There is no Python at the path.
    #[error("there is no Python at {}", path.display())]
    NoPythonThere {
        /// The path.
        path: PathBuf,
    },
    /// The file at the path is not executable.
    #[error("{} is not executable", path.display())]
    NotExecutable {
        /// The path.
        path: PathBuf,
    },
    /// The Python does not run.
    #[error("the Python at {} does not run", path.display())]
    ProbeFailed {
        /// The executable.
        path: PathBuf,
        /// Why.
        source: CommandError,
    },
    /// The program does not answer as a Python does.
    #[error("{} does not answer as a Python does: it wrote \"{output}\"", path.display())]
    ProbeUnreadable {
        /// The executable.
        path: PathBuf,
        /// The beginning of its output.
        output: String,
        /// Why the output cannot be parsed.
        source: serde_json::Error,
    },
    /// The interpreter is not CPython.
    #[error("{} is {implementation}, but only CPython is supported", path.display())]
    NotCPython {
        /// The executable.
        path: PathBuf,
        /// Its implementation.
        implementation: String,
    },
    /// The version is too old.
    #[error("{} is Python {version}, but the oldest supported version is 3.9", path.display())]
    TooOld {
        /// The executable.
        path: PathBuf,
        /// Its version.
        version: Version,
    },
    /// The configured catalogue cannot be read.
    #[error("cannot read the catalogue of Python versions at {location}")]
    CatalogueUnreachable {
        /// Path or URL.
        location: String,
        /// Why.
        source: Box<RuntimeError>,
    },
    /// The catalogue is invalid.
    #[error("the catalogue of Python versions at {location} is not valid: {reason}")]
    CatalogueInvalid {
        /// Path or URL.
        location: String,
        /// What is wrong in it.
        reason: String,
    },
    /// The catalogue has no matching build.
    #[error("there is no Python {request} for {platform} to download; there are {}", listed(available))]
    NotInCatalogue {
        /// The request.
        request: VersionRequest,
        /// The platform.
        platform: String,
        /// The newest available version of each minor version.
        available: Vec<Version>,
        /// The nearest available version.
        nearest: Option<Version>,
    },
    /// The location of a mirror, catalogue or archive is invalid.
    #[error("{} is not an address to download from: it takes http://, https://, file:// or a path", quoted(location))]
    InvalidLocation {
        /// The location.
        location: String,
    },
    /// The server could not be reached, or the connection was lost.
    #[error("cannot download {url}")]
    Download {
        /// The URL, without credentials.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The server refused the download.
    #[error("cannot download {url}: the server answered {status}")]
    DownloadRefused {
        /// The URL, without credentials.
        url: String,
        /// The status line: `404 Not Found`.
        status: String,
    },
    /// The server sent less than announced, in every attempt.
    #[error("cannot download {url}: it ended after {received} of {expected} bytes")]
    DownloadIncomplete {
        /// The URL, without credentials.
        url: String,
        /// The received bytes.
        received: u64,
        /// The announced bytes.
        expected: u64,
    },
    /// The file's hash is wrong.
    #[error("{what} is not the expected file: its SHA-256 is {actual} instead of {expected}")]
    WrongHash {
        /// The file or its URL.
        what: String,
        /// In hexadecimal digits.
        expected: String,
        /// In hexadecimal digits.
        actual: String,
    },
    /// The archive cannot be unpacked.
    #[error("cannot unpack {}", path.display())]
    Unpack {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The archive is unsafe to unpack.
    #[error("refusing to unpack {}: {reason}", path.display())]
    UnsafeArchive {
        /// The archive.
        path: PathBuf,
        /// Which entry, and what is wrong with it.
        reason: String,
    },
    /// The installation could not be adapted to its final path.
    #[error("cannot prepare the installation in {} for building packages", path.display())]
    Relocate {
        /// The folder it was unpacked in.
        path: PathBuf,
        /// Why.
        source: CommandError,
    },
    /// The installed Python is not the expected one.
    #[error("{origin} holds Python {actual} instead of {promised}")]
    WrongVersion {
        /// The archive or URL.
        origin: String,
        /// The expected or requested version.
        promised: String,
        /// The actual version.
        actual: String,
    },
    /// The home has no runtime of this name.
    #[error("there is no runtime \"{id}\"{}", known_ids(known))]
    UnknownRuntime {
        /// The name.
        id: String,
        /// The existing runtimes.
        known: Vec<String>,
    },
    /// The runtime exists but does not run.
    #[error("the runtime \"{id}\" cannot be used: {reason}")]
    BrokenRuntime {
        /// The runtime.
        id: String,
        /// Why.
        reason: String,
    },
    /// The runtime's record cannot be read.
    #[error("the record of the runtime \"{id}\" cannot be read: {reason}")]
    BrokenRecord {
        /// The runtime.
        id: String,
        /// Why.
        reason: String,
    },
    /// No Python of the machine matches.
    #[error("no {} was found on this machine{}", wanted(request), found_instead(found))]
    NoneOnMachine {
        /// The request; `None` is any version from 3.9 up.
        request: Option<VersionRequest>,
        /// The versions on this machine.
        found: Vec<Version>,
    },
    /// Nothing could be downloaded, and no Python of the machine matches.
    #[error(
        "no Python could be downloaded, and no {} was found on this machine{}",
        wanted(request),
        found_instead(found)
    )]
    Nothing {
        /// The request; `None` is any version from 3.9 up.
        request: Option<VersionRequest>,
        /// The versions on this machine.
        found: Vec<Version>,
        /// Why the download failed.
        source: Box<RuntimeError>,
    },
}

impl RuntimeError {
    /// Whether it means only that nothing could be downloaded, not that a download was bad.
    pub fn is_unobtainable(&self) -> bool {
        matches!(
            self,
            RuntimeError::Download { .. }
                | RuntimeError::DownloadRefused { .. }
                | RuntimeError::DownloadIncomplete { .. }
                | RuntimeError::CatalogueUnreachable { .. }
                | RuntimeError::NotInCatalogue { .. }
        )
    }
}

fn listed(versions: &[Version]) -> String {
    if versions.is_empty() {
        return "none".into();
    }
    versions.iter().map(Version::to_string).collect::<Vec<_>>().join(", ")
}

fn known_ids(known: &[String]) -> String {
    if known.is_empty() { "; none is installed".into() } else { format!("; there are {}", known.join(", ")) }
}

fn wanted(request: &Option<VersionRequest>) -> String {
    request.as_ref().map_or("CPython from 3.9 up".into(), |request| format!("CPython {request}"))
}

fn found_instead(found: &[Version]) -> String {
    if found.is_empty() { String::new() } else { format!(" (found: {})", listed(found)) }
}
