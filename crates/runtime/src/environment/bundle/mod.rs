//! Bundles: a runtime, wheels and their lock in one file, of which a machine without a network makes the same environment.
//!
//! A bundle is an archive in the format of tar. Its first entry is `bundle.json`, the [`BundleManifest`], which names every
//! other one with its SHA-256: the runtime as an archive of the shape `install_only`, the wheels, and `requirements.txt`
//! with the exact version and hash of each.

mod create;
mod cross_platform;
mod error;
mod install;
mod manifest;
mod pack;

pub use create::{BundleContent, BundleOptions};
pub use error::BundleError;
pub use install::BundleInstalled;
pub use manifest::{BundleFile, BundleManifest};

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BundleError> + Send + 'static,
) -> Result<T, BundleError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
