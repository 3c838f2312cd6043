//! Virtual environments: making, checking and removing them, in-process, as PEP 405 asks.

mod admin;
mod error;
mod layout;
mod manager;
mod name;
mod packages;
mod record;
mod service;
mod status;

pub use admin::{AdminOutcome, MissingPackage};
pub use error::EnvironmentError;
pub use manager::{Environment, VenvManager};
pub use name::{check_environment_name, provider_environment_name};
pub use packages::Package;
pub use record::EnvironmentRecord;
pub use service::{EnvironmentService, provider_name};
pub use status::{EnvironmentState, EnvironmentStatus};
