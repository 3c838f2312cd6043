//! Packages of an environment: what is installed, what is required, and the tool that installs it, uv or pip.

mod check;
pub(super) mod dependencies;
pub(super) mod error;
mod freeze;
mod index;
pub(super) mod install;
pub(super) mod installed;
pub(super) mod journal;
mod lock;
pub(super) mod options;
mod pip;
pub(super) mod progress;
mod pylock;
pub(super) mod remove;
pub(super) mod requirement;
mod resolve_wheels;
pub(super) mod scratch;
pub(super) mod settings;
pub(super) mod sync;
pub(super) mod target;
mod tool;
pub(super) mod tool_cause;
mod tool_error;
mod tool_output;
mod uv;
mod uv_settings;
