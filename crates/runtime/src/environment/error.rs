//! What goes wrong with environments.

use std::path::PathBuf;

use super::{PackageError, ProvidersError};
use crate::interpreter::{RuntimeError, Version, VersionRequest};
use crate::platform::{CommandError, FileError, HomeError};

/// Why an environment cannot be made, opened or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Work on a file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The name cannot be an environment's.
    #[error("{name:?} cannot name an environment: {reason}")]
    InvalidName {
        /// The name, cut when very long.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is one of this name already.
    #[error("the environment \"{name}\" exists already, at {}", path.display())]
    AlreadyExists {
        /// The name.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// There is none of this name.
    #[error("there is no environment \"{name}\"")]
    NotFound {
        /// The name.
        name: String,
    },
    /// The folder was not made by us, or its record is lost.
    #[error("{} was not made by beep-python ({reason}): refusing to touch it", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Why we think so.
        reason: String,
    },
    /// The folder is not a virtual environment.
    #[error("{} is not a virtual environment: {reason}", path.display())]
    NotAnEnvironment {
        /// The folder.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// The Python it is to be made with cannot be used.
    #[error("the environment's Python cannot be used")]
    Interpreter(#[from] RuntimeError),
    /// The environment's own Python does not run.
    #[error("the Python of the environment at {} does not run", path.display())]
    Unrunnable {
        /// The environment's folder.
        path: PathBuf,
        /// Why.
        source: CommandError,
    },
    /// The environment's own Python runs, but not as that of this environment.
    #[error("the Python of the environment at {} says that its {what} is {actual}, and it should be {expected}", path.display())]
    NotIsolated {
        /// The environment's folder.
        path: PathBuf,
        /// `sys.prefix` or `sys.base_prefix`, or the version.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// Servers run in it.
    #[error("the environment \"{name}\" is in use by {}", processes(pids))]
    InUse {
        /// The environment's name.
        name: String,
        /// Their processes, as far as they can be told.
        pids: Vec<u32>,
    },
    /// It cannot be copied as it is.
    #[error("the environment \"{name}\" is not whole: {reason}")]
    NotWhole {
        /// The environment's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What the providers need cannot be read.
    #[error(transparent)]
    Providers(#[from] ProvidersError),
    /// Its packages cannot be installed.
    #[error("the packages of the environment \"{name}\" cannot be installed")]
    Packages {
        /// The environment's name.
        name: String,
        /// Why.
        source: PackageError,
    },
    /// There is no Python to make it with.
    #[error("there is no Python runtime{} to make the environment \"{name}\" with", asked(request.as_ref()))]
    NoRuntime {
        /// The environment's name.
        name: String,
        /// Which Python was asked for, if any was.
        request: Option<VersionRequest>,
    },
    /// It is there, and with another Python than the provider needs.
    #[error("the environment \"{name}\" has Python {actual}, and its provider needs {wanted}")]
    OtherPython {
        /// The environment's name.
        name: String,
        /// Which Python is needed.
        wanted: VersionRequest,
        /// Which it has.
        actual: Version,
    },
}

fn processes(pids: &[u32]) -> String {
    match pids {
        [] => "a server".into(),
        [pid] => format!("the process {pid}"),
        pids => format!("the processes {}", pids.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
    }
}

fn asked(request: Option<&VersionRequest>) -> String {
    request.map(|request| format!(" {request}")).unwrap_or_default()
}
