//! Providers and engines: what each needs, and the environment that has it.

mod accelerator;
mod declared;
mod ensure;
mod naming;
mod needs;
mod packages;
mod ready;

use std::path::PathBuf;

pub use accelerator::{Accelerator, Detected, detect_accelerator};
pub use packages::{ProviderPackage, ProviderStatus};
pub use ready::environment_variables;

pub(super) use needs::named_file;

use crate::platform::FileError;

/// What is wrong with `providers.toml`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvidersError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It says something that it cannot.
    #[error("{}:{line}: {reason}", path.display())]
    Mistake {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there, and what was expected.
        reason: String,
    },
}
