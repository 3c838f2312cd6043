//! Errors of environments.

use std::io;
use std::path::PathBuf;

use super::package::error::PackageError;
use super::provider::error::ProvidersError;
use beep_python_protocol::quoted;

use crate::interpreter::{RuntimeError, Version, VersionRequest};
use crate::platform::{CommandError, FileError, HomeError};

/// Why an operation on an environment failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// An operation on a file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The name is not valid for an environment.
    #[error("{} cannot name an environment: {reason}", quoted(name))]
    InvalidName {
        /// The name, truncated when very long.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The name is taken.
    #[error("the environment \"{name}\" exists already, at {}", path.display())]
    AlreadyExists {
        /// The name.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// No environment has this name.
    #[error("there is no environment \"{name}\"")]
    NotFound {
        /// The name.
        name: String,
    },
    /// The name is a provider's, and it has more than one.
    #[error("the provider \"{provider}\" has several environments: {}", names.join(", "))]
    SeveralOfProvider {
        /// The provider.
        provider: String,
        /// The names of its environments.
        names: Vec<String>,
    },
    /// beep-python did not create the folder, or its record is lost.
    #[error("{} was not created by beep-python ({reason}): refusing to touch it", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Why the folder counts as foreign.
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
    /// The Python to create it with cannot be used.
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
    /// The environment's own Python runs, but reports other paths or another version.
    #[error("the Python of the environment at {} reports the {what} {actual} instead of {expected}", path.display())]
    NotIsolated {
        /// The environment's folder.
        path: PathBuf,
        /// `sys.prefix` or `sys.base_prefix`, or the version.
        what: &'static str,
        /// The expected value.
        expected: String,
        /// The reported value.
        actual: String,
    },
    /// Processes run sessions in it.
    #[error("the environment \"{name}\" is in use by {}", processes(pids))]
    InUse {
        /// The environment's name.
        name: String,
        /// Those processes, as far as the system shows them.
        pids: Vec<u32>,
    },
    /// The system does not tell whether a process runs in it.
    #[error("nobody can tell whether the environment \"{name}\" is in use, so it is kept")]
    UseUnknown {
        /// The environment's name.
        name: String,
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is too damaged to be copied.
    #[error("the environment \"{name}\" is damaged: {reason}")]
    Damaged {
        /// The environment's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `providers.toml` cannot be read.
    #[error(transparent)]
    Providers(#[from] ProvidersError),
    /// `providers.toml` has no such provider or engine.
    #[error("providers.toml has no {kind} \"{name}\"{}", nearest.as_ref().map(|near| format!("; \"{near}\" is probably meant")).unwrap_or_default())]
    Undeclared {
        /// `provider` or `engine`.
        kind: &'static str,
        /// The name.
        name: String,
        /// A name in the file that resembles it.
        nearest: Option<String>,
    },
    /// Its packages cannot be installed.
    #[error("the packages of the environment \"{name}\" cannot be installed")]
    Packages {
        /// The environment's name.
        name: String,
        /// Why.
        source: PackageError,
    },
    /// There is no Python to create it with.
    #[error("there is no Python runtime{} to create the environment \"{name}\" with", asked(request.as_ref()))]
    NoRuntime {
        /// The environment's name.
        name: String,
        /// The requested Python, if one was requested.
        request: Option<VersionRequest>,
    },
    /// It exists with another Python than its provider requires.
    #[error("the environment \"{name}\" has Python {actual}, but its provider requires {wanted}")]
    OtherPython {
        /// The environment's name.
        name: String,
        /// The required Python.
        wanted: VersionRequest,
        /// Its Python.
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
