//! Errors of packages.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use beep_python_protocol::quoted;

use super::tool_cause::ToolCause;
use crate::interpreter::RuntimeError;
use crate::platform::{CommandError, FileError, HomeError};

/// Why an operation on packages failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// An operation on a file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The environment's Python cannot be used.
    #[error("the environment's Python cannot be used")]
    Interpreter(#[from] RuntimeError),
    /// The text is not a requirement: a package, a version of one, or a location of one.
    #[error("{} is not a requirement: {reason}", quoted(text))]
    NotARequirement {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The configured uv cannot be used.
    #[error("the uv at {} cannot be used: {reason}", path.display())]
    NoUvThere {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is neither uv nor pip.
    #[error("there is no tool to install packages: uv is not available ({uv}), and {} has no pip", python.display())]
    NoTool {
        /// Why uv is not available.
        uv: String,
        /// The Python without pip.
        python: PathBuf,
    },
    /// pip has no such option, and stands in for uv.
    #[error("{option} needs uv, and the packages are installed by pip")]
    OnlyUv {
        /// The option.
        option: &'static str,
    },
    /// The tool refused. Nothing was installed, unless the disk or the network failed in the middle; the next attempt
    /// repairs what is half installed.
    #[error("{tool} could not {action} {}", package.as_deref().unwrap_or("the packages"))]
    Refused {
        /// `uv` or `pip`.
        tool: &'static str,
        /// The action: `install`, `lock` or `collect`.
        action: &'static str,
        /// The package that the reason is about, if known.
        package: Option<String>,
        /// The reason, in the tool's own words.
        source: ToolCause,
        /// The tool's exit status.
        status: ExitStatus,
        /// The last lines of the tool's standard error.
        stderr_tail: String,
    },
    /// The tool did not run to its end.
    #[error("{tool} could not install the packages")]
    Tool {
        /// `uv` or `pip`.
        tool: &'static str,
        /// What happened.
        source: CommandError,
    },
    /// The tool reported success, but a requirement is not satisfied.
    #[error("{tool} installed the packages, but {requirement} is still not satisfied in {}", path.display())]
    StillMissing {
        /// `uv` or `pip`.
        tool: &'static str,
        /// The first requirement that is not satisfied.
        requirement: String,
        /// The environment's folder.
        path: PathBuf,
    },
    /// Another process changes the packages, for longer than this call may wait.
    #[error("the packages of {} are being changed by {}, and were not free within {} s", path.display(), by(holders), timeout.as_secs())]
    Busy {
        /// The environment's folder.
        path: PathBuf,
        /// The processes, as far as the system shows them: `process 1234 (beep-python venv install mine numpy)`.
        holders: Vec<String>,
        /// How long the call waited.
        timeout: Duration,
    },
    /// A damaged or lost package cannot be had again.
    #[error("{package} is damaged, and cannot be installed again: {reason}")]
    Unavailable {
        /// Its name and version: `numpy 2.1.0`.
        package: String,
        /// Why.
        reason: String,
    },
    /// A package without a usable list of its files cannot be removed. Nothing was removed.
    #[error("{package} cannot be removed from {environment}: {reason}")]
    NotRemovable {
        /// Its name and version: `numpy 2.1.0`.
        package: String,
        /// The environment's name.
        environment: String,
        /// Its `dist-info` folder.
        folder: PathBuf,
        /// What is wrong with the list.
        reason: String,
        /// Whether it is an environment of the home, which can be repaired.
        repairable: bool,
    },
    /// The installed packages cannot be locked.
    #[error("the packages of {} cannot be locked: {reason}", path.display())]
    NotLocked {
        /// The environment's folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is not a valid lock.
    #[error("{} is not a usable lock: {reason}", path.display())]
    NotALock {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

fn by(holders: &[String]) -> String {
    if holders.is_empty() { "another process".into() } else { holders.join(" and ") }
}
