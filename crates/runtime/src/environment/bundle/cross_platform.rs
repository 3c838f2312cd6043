//! Creating a bundle for another platform, whose runtime cannot run here.

use std::path::Path;

use super::create::{BundleOptions, packed_wheels, publish};
use super::error::BundleError;
use super::manifest::{BundleManifest, FORMAT};
use super::pack;
use crate::environment::error::EnvironmentError;
use crate::environment::manager::VenvManager;
use crate::environment::package::target::Target;
use crate::interpreter::{Interpreter, Platform, Progress, PythonRuntimeManager, VersionRequest};
use crate::platform::{Home, failed_to, spawn_blocking};

impl VenvManager {
    /// Creates the bundle `file` for another platform. The runtime is downloaded and packed as it is; every package
    /// needs a ready-made wheel for that platform.
    ///
    /// uv resolves the packages if it is available. pip alone evaluates markers such as `platform_machine == "x86_64"`
    /// for this machine.
    pub async fn create_bundle_for(
        &self,
        platform: &Platform,
        file: &Path,
        options: &BundleOptions,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<BundleManifest, BundleError> {
        let file = std::path::absolute(file).map_err(failed_to("find", file))?;
        let plan = self.plan(options)?;
        let cache = self.home().cache()?;
        let work = tempfile::Builder::new().prefix("bundle-").tempdir_in(&cache).map_err(failed_to("write", &cache))?;
        let files = work.path().join("files");
        std::fs::create_dir(&files).map_err(failed_to("create", &files))?;
        let runtimes = PythonRuntimeManager::new(self.home().clone());
        let (entry, archive) = runtimes.fetch_archive(plan.request.as_ref(), platform, &files, progress).await?;

        let (manager, name) = (self.clone(), options.name.clone());
        spawn_blocking(move || {
            let inner = Home::open(work.path().join("home"))?;
            let inner = VenvManager::with_package_settings(inner, manager.package_settings().clone())
                .with_progress(manager.progress().clone());
            let series = entry.version.series();
            let environment = inner.create("bundle", &local(&runtimes, &series)?)?;
            let target =
                Target { platform: &entry.platform, version: entry.version, free_threaded: entry.free_threaded };
            let collected = inner.resolve_wheels_for(&environment, &target, &plan.packages, &files);
            collected.map_err(|source| BundleError::NoWheels { platform: entry.platform.to_string(), source })?;
            let (lock, wheels) = packed_wheels(&files)?;
            let manifest = BundleManifest {
                format: FORMAT,
                made_by: env!("CARGO_PKG_VERSION").into(),
                platform: entry.platform,
                python: entry.version,
                name: plan.named(name),
                provider: plan.provider,
                model: plan.model,
                runtime: pack::describe(&archive)?,
                lock,
                wheels,
            };
            publish(&manifest, &files, &file)?;
            Ok(manifest)
        })
        .await
    }
}

/// A Python of this machine to run pip with. Preferably of the same series, since pip evaluates markers with it.
fn local(runtimes: &PythonRuntimeManager, series: &str) -> Result<Interpreter, BundleError> {
    let same: Option<VersionRequest> = series.parse().ok();
    let found = match runtimes.interpreter(same.as_ref())? {
        None => runtimes.interpreter(None)?,
        found => found,
    };
    let missing = || EnvironmentError::NoRuntime { name: "bundle".into(), request: same };
    Ok(found.ok_or_else(missing)?)
}
