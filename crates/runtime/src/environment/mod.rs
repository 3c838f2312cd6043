//! Virtual environments: making, checking and removing them, in-process, as PEP 405 asks; their packages, and the
//! environments of providers.

mod activation;
mod admin;
mod bundle;
mod copy;
mod error;
mod host;
mod in_use;
mod layout;
mod manager;
mod name;
mod package;
mod provider;
mod record;
mod repair;
mod status;

pub use admin::{AdminOutcome, MissingPackage};
pub use bundle::{BundleContent, BundleError, BundleFile, BundleInstalled, BundleManifest, BundleOptions};
pub use error::EnvironmentError;
pub use host::RUNTIME_HOST;
pub(crate) use in_use::{Identity, InUse};
pub use manager::{Environment, VenvManager};
pub use name::{check_environment_name, provider_environment_name};
pub use package::{
    Installed, Package, PackageError, PackageProgress, PackageSettings, PackageStage, ProgressSink, Removed,
    Requirements, Synced, UvChoice,
};
pub use provider::{
    Accelerator, Detected, ProviderPackage, ProviderStatus, ProvidersError, detect_accelerator, environment_variables,
};
pub use record::EnvironmentRecord;
pub use repair::Repaired;
pub use status::{EnvironmentState, EnvironmentStatus};
