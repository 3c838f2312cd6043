//! What goes wrong with packages.

use std::path::PathBuf;
use std::process::ExitStatus;

use crate::interpreter::RuntimeError;
use crate::platform::{CommandError, FileError, HomeError};

/// Why packages cannot be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Work on a file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The environment's Python cannot be used.
    #[error("the environment's Python cannot be used")]
    Interpreter(#[from] RuntimeError),
    /// What was asked for is not a package, a version of one, or where one is.
    #[error("{text:?} is not a requirement: {reason}")]
    NotARequirement {
        /// What was asked for.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The uv that was named cannot be used.
    #[error("the uv at {} cannot be used: {reason}", path.display())]
    NoUvThere {
        /// Where it should be.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is neither uv nor pip.
    #[error("there is no tool to install packages: uv could not be had ({uv}), and {} has no pip", python.display())]
    NoTool {
        /// Why there is no uv.
        uv: String,
        /// The Python that has no pip.
        python: PathBuf,
    },
    /// The tool says that it cannot be done. Nothing was installed, unless the reason is that the disk or the network
    /// failed it in the middle; what is half there is then mended by the next try.
    #[error("{tool} could not {action} {}: {reason}", package.as_deref().unwrap_or("the packages"))]
    Refused {
        /// `uv` or `pip`.
        tool: &'static str,
        /// What it was to do: `install` or `lock`.
        action: &'static str,
        /// The package that it is about, where that is known.
        package: Option<String>,
        /// Why, in the tool's own words.
        reason: String,
        /// How the tool ended.
        status: ExitStatus,
        /// The last of what the tool wrote to standard error.
        stderr_tail: String,
    },
    /// The tool did not run, or not to its end.
    #[error("{tool} could not install the packages")]
    Tool {
        /// `uv` or `pip`.
        tool: &'static str,
        /// What happened.
        source: CommandError,
    },
    /// The tool says that it is done, and it is not.
    #[error("{tool} installed the packages, and {requirement} is still not satisfied in {}", path.display())]
    StillMissing {
        /// `uv` or `pip`.
        tool: &'static str,
        /// The first requirement that is not satisfied.
        requirement: String,
        /// The environment's folder.
        path: PathBuf,
    },
    /// What is installed cannot be locked.
    #[error("the packages of {} cannot be locked: {reason}", path.display())]
    NotLocked {
        /// The environment's folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is no lock, or none that can be followed.
    #[error("{} is not a lock that can be followed: {reason}", path.display())]
    NotALock {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
