//! Bundles: a runtime, wheels and their lock in one file, from which a machine without a network creates the same
//! environment.
//!
//! A bundle is a tar archive. Its first entry is `bundle.json`, the [`BundleManifest`](manifest::BundleManifest), which
//! names every other entry with its SHA-256: the runtime as an `install_only` archive, the wheels, and
//! `requirements.txt` with the exact version and hash of each wheel.

pub(super) mod create;
mod cross_platform;
pub(super) mod error;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
pub(super) mod install;
pub(super) mod manifest;
mod pack;
