//! Virtual environments: making, checking and removing them, in-process, as PEP 405 asks; their packages, and the
//! environments of providers.

mod activation;
mod admin;
mod bundle;
mod copy;
mod default_environment;
mod error;
mod layout;
mod manager;
mod name;
mod package;
mod provider;
mod record;
mod repair;
mod status;
mod usage_lock;

pub use admin::{AdminOutcome, MissingPackage};
pub use bundle::{BundleContent, BundleError, BundleFile, BundleInstalled, BundleManifest, BundleOptions};
pub use default_environment::DEFAULT_ENVIRONMENT;
pub use error::EnvironmentError;
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
pub(crate) use usage_lock::{EnvironmentIdentity, UsageLock};
