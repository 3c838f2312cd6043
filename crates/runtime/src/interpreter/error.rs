//! What goes wrong with interpreters and runtimes.

use std::path::PathBuf;

use super::{Version, VersionRequest};
use crate::platform::{CommandError, FileError, HomeError};

/// Why an interpreter or a runtime cannot be found, asked, installed or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Work on a file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The words do not say which Python is wanted.
    #[error(
        "\"{request}\" does not say which Python: it takes a version such as 3.12 or 3.12.7, a range such as >=3.11, or the path of one"
    )]
    InvalidRequest {
        /// The words.
        request: String,
    },
    /// There is no Python at the path.
    #[error("there is no Python at {}", path.display())]
    NoPythonThere {
        /// The path.
        path: PathBuf,
    },
    /// The file at the path may not be executed.
    #[error("{} is not executable", path.display())]
    NotExecutable {
        /// The path.
        path: PathBuf,
    },
    /// The Python could not be run.
    #[error("the Python at {} does not run", path.display())]
    ProbeFailed {
        /// The executable.
        path: PathBuf,
        /// Why.
        source: CommandError,
    },
    /// What ran did not answer as a Python does.
    #[error("{} does not answer as a Python does; it said \"{output}\"", path.display())]
    ProbeUnreadable {
        /// The executable.
        path: PathBuf,
        /// The beginning of what it wrote.
        output: String,
        /// Why it could not be read.
        source: serde_json::Error,
    },
    /// Another implementation than CPython.
    #[error("{} is {implementation}, and only CPython is supported", path.display())]
    NotCPython {
        /// The executable.
        path: PathBuf,
        /// What it is.
        implementation: String,
    },
    /// An old version.
    #[error("{} is Python {version}, and the oldest that is supported is 3.9", path.display())]
    TooOld {
        /// The executable.
        path: PathBuf,
        /// Its version.
        version: Version,
    },
    /// The catalogue that was named could not be read.
    #[error("cannot read the catalogue of Python versions at {location}")]
    CatalogueUnreachable {
        /// Path or URL.
        location: String,
        /// Why.
        source: Box<RuntimeError>,
    },
    /// The catalogue is not one.
    #[error("the catalogue of Python versions at {location} is not valid: {reason}")]
    CatalogueInvalid {
        /// Path or URL.
        location: String,
        /// What is wrong in it.
        reason: String,
    },
    /// The catalogue has no such version.
    #[error("there is no Python {request} for {platform} to download; there are {}", listed(available))]
    NotInCatalogue {
        /// What was asked for.
        request: VersionRequest,
        /// For which platform.
        platform: String,
        /// The newest of each minor version that there is for it.
        available: Vec<Version>,
        /// The one that comes nearest.
        nearest: Option<Version>,
    },
    /// The address of a mirror, catalogue or archive is none.
    #[error("{location:?} is not an address to download from: it takes http://, https://, file:// or a path")]
    InvalidLocation {
        /// What was given.
        location: String,
    },
    /// The server could not be reached, or the connection was lost.
    #[error("cannot download {url}")]
    Download {
        /// The address.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The server answered, but not with the file.
    #[error("cannot download {url}: the server answered {status}")]
    DownloadRefused {
        /// The address.
        url: String,
        /// The status line: `404 Not Found`.
        status: String,
    },
    /// The server sent less than it had announced, again and again.
    #[error("cannot download {url}: it ended after {received} of {expected} bytes")]
    DownloadIncomplete {
        /// The address.
        url: String,
        /// How many bytes there are.
        received: u64,
        /// How many there should be.
        expected: u64,
    },
    /// The file is not the one that was promised.
    #[error("{what} is not what was promised: its SHA-256 is {actual}, and should be {expected}")]
    WrongHash {
        /// The file or its address.
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
    /// The archive holds what it must not.
    #[error("refusing to unpack {}: {reason}", path.display())]
    UnsafeArchive {
        /// The archive.
        path: PathBuf,
        /// Which entry, and what is wrong with it.
        reason: String,
    },
    /// What the installation tells of itself could not be made true of its place.
    #[error("cannot prepare the installation in {} for building packages", path.display())]
    Relocate {
        /// Where it was unpacked.
        path: PathBuf,
        /// Why.
        source: CommandError,
    },
    /// The runtime is another version than was promised.
    #[error("{origin} holds Python {actual}, and should hold {promised}")]
    WrongVersion {
        /// The archive or address.
        origin: String,
        /// What was promised or asked for.
        promised: String,
        /// What it is.
        actual: String,
    },
    /// No runtime of this name is in the home.
    #[error("there is no runtime \"{id}\"{}", known_ids(known))]
    UnknownRuntime {
        /// The name.
        id: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The runtime is there and does not run.
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
    /// No Python of the machine is what is wanted.
    #[error("no {} was found on this machine{}", wanted(request), found_instead(found))]
    NoneOnMachine {
        /// What was wanted; `None` is any from 3.9 up.
        request: Option<VersionRequest>,
        /// The versions that were found.
        found: Vec<Version>,
    },
    /// Nothing could be downloaded and the machine has none.
    #[error(
        "no Python could be downloaded, and no {} was found on this machine{}",
        wanted(request),
        found_instead(found)
    )]
    Nothing {
        /// What was wanted; `None` is any from 3.9 up.
        request: Option<VersionRequest>,
        /// The versions that were found.
        found: Vec<Version>,
        /// Why nothing could be downloaded.
        source: Box<RuntimeError>,
    },
}

impl RuntimeError {
    /// Whether this says only that nothing could be fetched, and not that what was fetched is bad.
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
