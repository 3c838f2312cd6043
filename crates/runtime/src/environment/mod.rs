//! Virtual environments (PEP 405), created, checked, repaired and deleted in this process; their packages, the
//! environments of providers, and bundles.

mod activated_variables;
mod activation;
mod admin;
mod bundle;
mod copy;
mod create;
mod default_environment;
mod delete;
mod environment;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod last_used;
mod layout;
mod manager;
mod name;
mod package;
mod program;
mod provider;
mod record;
mod relocate;
mod repair;
mod status;
mod usage_lock;

pub(crate) use activated_variables::set_activated_variables;
pub use admin::{AdminOutcome, MissingPackage};
pub use bundle::create::{BundleContent, BundleOptions};
pub use bundle::error::BundleError;
pub use bundle::install::BundleInstalled;
pub use bundle::manifest::{BundleFile, BundleManifest};
pub use default_environment::DEFAULT_ENVIRONMENT;
pub use environment::Environment;
pub use error::EnvironmentError;
pub use manager::VenvManager;
pub use name::{check_environment_name, provider_environment_name};
pub use package::dependencies::{Dependency, PackageDependencies};
pub use package::error::PackageError;
pub use package::install::{Installed, OwedPackage};
pub use package::installed::Package;
pub use package::options::InstallOptions;
pub use package::progress::{PackageProgress, PackageStage, ProgressSink};
pub use package::remove::Removed;
pub use package::requirement::Requirements;
pub use package::settings::{PackageSettings, UvChoice, lock_timeout_in_env};
pub use package::sync::Synced;
pub use package::tool_cause::ToolCause;
pub use provider::accelerator::{Accelerator, Detected, accelerator_in_env, detect_accelerator};
pub use provider::error::ProvidersError;
pub use provider::provider_status::{ProviderPackage, ProviderStatus};
pub use record::EnvironmentRecord;
pub use repair::Repaired;
pub use status::{EnvironmentState, EnvironmentStatus};
pub(crate) use usage_lock::{EnvironmentIdentity, UsageLock};
