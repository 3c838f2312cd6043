//! Providers and engines: what each needs, and the environment that has it.

mod accelerator;
mod ensure;
mod naming;
mod provider_status;
mod providers_toml;
mod registry;
mod requirements;

use std::path::PathBuf;

pub use accelerator::{Accelerator, Detected, detect_accelerator};
pub use provider_status::{ProviderPackage, ProviderStatus};
pub use registry::environment_variables;

pub(super) use requirements::named_file;

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
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there, and what was expected.
        reason: String,
    },
}
