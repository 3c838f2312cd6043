//! Installing a bundle, without a network.

use std::path::{Path, PathBuf};

use super::error::BundleError;
use super::manifest::BundleManifest;
use super::pack;
use crate::environment::environment::Environment;
use crate::environment::error::EnvironmentError;
use crate::environment::manager::VenvManager;
use crate::environment::name::check_environment_name;
use crate::environment::package::installed::Package;
use crate::environment::package::journal::lock_by_name;
use crate::environment::package::requirement::Requirements;
use crate::environment::record::EnvironmentRecord;
use crate::interpreter::{Platform, Progress, PythonRuntimeManager, Source, VersionRequest};
use crate::platform::{FileLock, failed_to, spawn_blocking};

/// The outcome of installing a bundle.
#[derive(Clone, Debug)]
pub struct BundleInstalled {
    /// The environment.
    pub environment: Environment,
    /// The packages in it.
    pub packages: Vec<Package>,
    /// The id of its runtime.
    pub runtime: String,
    /// Whether this call installed the runtime.
    pub new_runtime: bool,
}

impl VenvManager {
    /// Reads the manifest of a bundle.
    pub fn read_bundle(&self, file: &Path) -> Result<BundleManifest, BundleError> {
        pack::unpack(file, None)
    }

    /// Creates the environment of a bundle, named `name` or as the bundle says, and installs its runtime if it is
    /// missing. Downloads nothing. Verifies the hash of every file in the bundle, and that of the bundle if `sha256` is
    /// given. A failure leaves no environment; a runtime that was installed stays.
    pub async fn install_bundle(
        &self,
        file: &Path,
        name: Option<&str>,
        sha256: Option<&str>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<BundleInstalled, BundleError> {
        name.map(check_environment_name).transpose()?;
        let file = std::path::absolute(file).map_err(failed_to("find", file))?;
        let cache = self.home().cache()?;
        let work = tempfile::Builder::new().prefix("bundle-").tempdir_in(&cache).map_err(failed_to("write", &cache))?;
        progress(Progress::Verifying);
        let manifest = {
            let (file, folder, sha256) = (file.clone(), work.path().to_owned(), sha256.map(str::to_owned));
            spawn_blocking(move || unpack(&file, &folder, sha256.as_deref())).await?
        };

        let runtimes = PythonRuntimeManager::new(self.home().clone());
        let request = VersionRequest::Exact(manifest.python);
        let source = Source::Archive {
            path: work.path().join(&manifest.runtime.name),
            sha256: Some(manifest.runtime.sha256.clone()),
        };
        let (runtime, new_runtime) = match runtimes.find(&request)? {
            Some(runtime) if runtime.is_managed() => (runtime, false),
            _ => {
                let installed = runtimes.install(&request, &source, progress).await?;
                (installed.runtime, installed.new)
            }
        };
        let (manager, folder) = (self.clone(), work.path().to_owned());
        let name = name.unwrap_or(&manifest.name).to_owned();
        spawn_blocking(move || {
            let id = runtime.id.clone();
            let interpreter = runtime.into_interpreter()?;
            let mut record = EnvironmentRecord::new(&name, &interpreter);
            (record.provider, record.model) = (manifest.provider.clone(), manifest.model.clone());
            let lock = lock_by_name(&manager, &name)?;
            let environment = manager.make(record, &interpreter)?;
            let packages = manager.fill(&lock, &environment, &manifest, folder).inspect_err(|_| {
                // Either the whole bundle is installed, or nothing.
                let _ = manager.remove(&name);
            })?;
            Ok(BundleInstalled { environment, packages, runtime: id, new_runtime })
        })
        .await
    }

    /// Installs the bundle's wheels from `folder`, as its lock says.
    fn fill(
        &self,
        lock: &FileLock,
        environment: &Environment,
        manifest: &BundleManifest,
        folder: PathBuf,
    ) -> Result<Vec<Package>, BundleError> {
        if !manifest.wheels.is_empty() {
            let wanted = Requirements::default().and_file(folder.join(&manifest.lock.name))?;
            let offline = self.clone().with_other_packages(|settings| settings.only_from = Some(folder));
            let failed = |source| EnvironmentError::Packages { name: environment.name.clone(), source };
            offline.install_holding(lock, environment, &wanted, false).map_err(failed)?;
        }
        Ok(self.packages(environment))
    }
}

fn unpack(file: &Path, folder: &Path, sha256: Option<&str>) -> Result<BundleManifest, BundleError> {
    if let Some(expected) = sha256 {
        let actual = pack::describe(file)?.sha256;
        if !actual.eq_ignore_ascii_case(expected) {
            let what = file.display().to_string();
            return Err(BundleError::WrongHash { what, expected: expected.to_ascii_lowercase(), actual });
        }
    }
    let manifest = pack::unpack(file, None)?;
    let host = Platform::host();
    if manifest.platform != host {
        let (bundle, host) = (manifest.platform.to_string(), host.to_string());
        return Err(BundleError::OtherPlatform { path: file.to_owned(), bundle, host });
    }
    pack::unpack(file, Some(folder))
}
