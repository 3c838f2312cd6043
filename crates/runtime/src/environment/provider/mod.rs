//! Providers and engines: what each requires, and the environment that has it.

pub(super) mod accelerator;
mod ensure;
pub(super) mod error;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod naming;
pub(super) mod provider_status;
mod providers_toml;
pub(super) mod registry;
pub(super) mod requirements;
