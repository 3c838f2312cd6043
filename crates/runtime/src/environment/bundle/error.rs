//! Errors of bundles.

use std::path::PathBuf;

use crate::environment::error::EnvironmentError;
use crate::environment::package::error::PackageError;
use crate::interpreter::{RuntimeError, VersionRequest};
use crate::platform::{FileError, HomeError};

/// Why an operation on a bundle failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// An operation on a file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The runtime cannot be packed or installed.
    #[error("the bundle's runtime cannot be used")]
    Runtime(#[from] RuntimeError),
    /// The environment cannot be created.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The packages cannot be collected.
    #[error("the packages of the bundle cannot be collected")]
    Packages(#[from] PackageError),
    /// No installed runtime matches. An adopted one cannot be packed.
    #[error("there is no installed runtime{} to put into a bundle", asked(request.as_ref()))]
    NoRuntime {
        /// The requested Python; `None` is the default runtime.
        request: Option<VersionRequest>,
    },
    /// Some packages have no wheels for the other platform.
    #[error("the packages of the bundle cannot be collected for {platform}, which requires ready-made wheels")]
    NoWheels {
        /// The platform.
        platform: String,
        /// The reason, which names the package.
        source: PackageError,
    },
    /// The file is not a bundle, or is damaged.
    #[error("{} is not a bundle that can be installed: {reason}", path.display())]
    NotABundle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The hash of the bundle, or of a file in it, is wrong.
    #[error("{what} is not the expected file: its SHA-256 is {actual} instead of {expected}")]
    WrongHash {
        /// The file, or the entry in it.
        what: String,
        /// In hexadecimal digits.
        expected: String,
        /// In hexadecimal digits.
        actual: String,
    },
    /// The bundle is for another platform.
    #[error("{} is for {bundle}, but this machine is {host}", path.display())]
    OtherPlatform {
        /// The file.
        path: PathBuf,
        /// The bundle's platform.
        bundle: String,
        /// This machine's platform.
        host: String,
    },
}

fn asked(request: Option<&VersionRequest>) -> String {
    request.map(|request| format!(" {request}")).unwrap_or_default()
}
