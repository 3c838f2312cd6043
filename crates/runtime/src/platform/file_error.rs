//! The one error for work on a file or folder.

use std::io;
use std::path::{Path, PathBuf};

/// Something could not be done to a file or folder.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct FileError {
    /// What was to be done, as a verb: `read`, `write`, `remove`.
    pub action: &'static str,
    /// To what.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

/// Gives an [`io::Error`] its file: `fs::read(path).map_err(failed_to("read", path))`.
pub fn failed_to(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError { action, path: path.as_ref().to_owned(), source }
}
