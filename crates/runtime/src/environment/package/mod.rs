//! Packages of an environment: what is installed, what is required, and the tool that installs it, uv or pip.

mod aside;
pub(super) mod check;
pub(super) mod damage;
pub(super) mod dependencies;
pub(super) mod error;
mod files;
mod freeze;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod index;
pub(super) mod install;
pub(super) mod installed;
pub(super) mod journal;
pub(super) mod location;
mod lock;
pub(super) mod options;
mod origin;
pub(super) mod pep508;
mod pip;
pub(super) mod progress;
mod pylock;
pub(super) mod remove;
pub(super) mod requirement;
mod requirements_file;
mod resolve_wheels;
pub(super) mod scratch;
pub(super) mod settings;
pub(super) mod sync;
pub(super) mod target;
mod tool;
pub(super) mod tool_cause;
pub(super) mod tool_error;
mod tool_output;
mod uv;
mod uv_settings;
