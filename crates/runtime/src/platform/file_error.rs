//! The error of operations on files and folders.

use std::io;
use std::path::{Path, PathBuf};

/// An operation on a file or folder failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FileError {
    /// The operation, as a verb: `read`, `write`, `remove`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// Adds the operation and path to an [`io::Error`]: `fs::read(path).map_err(failed_to("read", path))`.
pub fn failed_to(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError { action, path: path.as_ref().to_owned(), source }
}
