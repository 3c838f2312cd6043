//! Packages of an environment: what is there, what is wanted, and the tool that installs it, uv or pip.

mod check;
mod error;
mod index;
mod install;
mod installed;
mod lock;
mod pip;
mod progress;
mod pylock;
mod remove;
mod requirement;
mod resolve_wheels;
mod scratch;
mod settings;
mod target;
mod tool;
mod tool_output;
mod uv;
mod uv_settings;

pub use error::PackageError;
pub use install::Installed;
pub use installed::Package;
pub use lock::Synced;
pub use progress::{PackageProgress, PackageStage, ProgressSink};
pub use remove::Removed;
pub use requirement::Requirements;
pub use settings::{PackageSettings, UvChoice};

pub(super) use install::{Journal, lock_path};
pub(super) use installed::{Damaged, damaged, installed};
pub(super) use scratch::Scratch;
pub(super) use target::Target;
