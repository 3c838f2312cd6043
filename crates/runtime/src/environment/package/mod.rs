//! Packages of an environment: what is there, what is wanted, and the tool that installs it, uv or pip.

mod check;
mod error;
mod index;
mod install;
mod installed;
mod pip;
mod requirement;
mod settings;
mod tool;
mod uv;

pub use error::PackageError;
pub use install::Installed;
pub use installed::Package;
pub use requirement::Requirements;
pub use settings::{PackageSettings, UvChoice};

pub(super) use install::Journal;
pub(super) use installed::installed;
