//! What goes wrong with bundles.

use std::path::PathBuf;

use crate::environment::{EnvironmentError, PackageError};
use crate::interpreter::{RuntimeError, VersionRequest};
use crate::platform::{FileError, HomeError};

/// Why a bundle cannot be made or installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Work on a file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The runtime cannot be packed or installed.
    #[error("the bundle's runtime cannot be used")]
    Runtime(#[from] RuntimeError),
    /// The environment cannot be made.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The packages cannot be collected.
    #[error("the packages of the bundle cannot be collected")]
    Packages(#[from] PackageError),
    /// No installed runtime is what is asked for. One that was adopted from the machine is not ours to pack.
    #[error("there is no installed runtime{} to put into a bundle", asked(request.as_ref()))]
    NoRuntime {
        /// What was asked for; `None` is the default runtime.
        request: Option<VersionRequest>,
    },
    /// There are no wheels of the packages for another platform.
    #[error("the packages of the bundle cannot be collected for {platform}, for which only ready-made wheels will do")]
    NoWheels {
        /// The platform.
        platform: String,
        /// Why; it names the package.
        source: PackageError,
    },
    /// The file is not a bundle, or not a whole one.
    #[error("{} is not a bundle that can be installed: {reason}", path.display())]
    NotABundle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Something in the bundle, or all of it, is not what it should be.
    #[error("{what} is not what was promised: its SHA-256 is {actual}, and should be {expected}")]
    WrongHash {
        /// The file, or the entry of it.
        what: String,
        /// In hexadecimal digits.
        expected: String,
        /// In hexadecimal digits.
        actual: String,
    },
    /// The bundle is for other machines.
    #[error("{} was made for {bundle}, and this machine is {host}", path.display())]
    OtherPlatform {
        /// The file.
        path: PathBuf,
        /// What it was made for.
        bundle: String,
        /// What this machine is.
        host: String,
    },
}

fn asked(request: Option<&VersionRequest>) -> String {
    request.map(|request| format!(" {request}")).unwrap_or_default()
}
