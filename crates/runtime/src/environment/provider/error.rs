//! Errors in `providers.toml`.

use std::path::PathBuf;

use crate::platform::FileError;

/// Why `providers.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvidersError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file has a mistake.
    #[error("{}:{line}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there, and what was expected.
        reason: String,
    },
}
