//! Creating a bundle.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::BundleError;
use super::manifest::{BundleFile, BundleManifest, FORMAT};
use super::pack;
use crate::environment::manager::VenvManager;
use crate::environment::name::check_environment_name;
use crate::environment::package::requirement::Requirements;
use crate::interpreter::{PythonRuntimeManager, Runtime, RuntimeState, VersionRequest};
use crate::platform::{Home, failed_to};

/// The lock's name in the bundle.
const LOCK: &str = "requirements.txt";

/// Options of a bundle.
#[derive(Clone, Debug, Default)]
pub struct BundleOptions {
    /// The runtime, which must be installed; `None` is the one that the provider requires, else the default.
    pub python: Option<VersionRequest>,
    /// The packages.
    pub content: BundleContent,
    /// The environment's name; `None` is that of the provider's environment, else `bundle`.
    pub name: Option<String>,
}

/// The packages of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleContent {
    /// These packages and their dependencies.
    Packages(Requirements),
    /// The requirements of a provider, or of one of its models, on this machine.
    Provider {
        /// Its name.
        name: String,
        /// The model.
        model: Option<String>,
    },
}

impl Default for BundleContent {
    fn default() -> BundleContent {
        BundleContent::Packages(Requirements::default())
    }
}

impl VenvManager {
    /// Creates the bundle `file`: a runtime of this home, the wheel of every package, and their lock. An existing
    /// `file` is replaced at the very end, and stays when something fails.
    pub fn create_bundle(&self, file: &Path, options: &BundleOptions) -> Result<BundleManifest, BundleError> {
        let file = std::path::absolute(file).map_err(failed_to("find", file))?;
        let plan = self.plan(options)?;
        let runtime = self.runtime_to_pack(plan.request.clone())?;
        let interpreter = runtime.clone().into_interpreter()?;

        let cache = self.home().cache()?;
        let work = tempfile::Builder::new().prefix("bundle-").tempdir_in(&cache).map_err(failed_to("write", &cache))?;
        let at = |name: &str| work.path().join(name);
        // A home of its own, so that wheels are collected for the runtime alone, not for an existing environment.
        let inner = VenvManager::with_package_settings(Home::open(at("home"))?, self.package_settings().clone())
            .with_progress(self.progress().clone());
        let environment = inner.create("bundle", &interpreter)?;
        let files = at("files");
        inner.resolve_wheels(&environment, &plan.packages, &files)?;

        let (lock, wheels) = packed_wheels(&files)?;
        let archive = files.join(format!("{}-install_only.tar.gz", runtime.id));
        pack::pack_runtime(&self.home().runtimes()?.join(&runtime.id), &archive)?;

        let manifest = BundleManifest {
            format: FORMAT,
            made_by: env!("CARGO_PKG_VERSION").into(),
            platform: interpreter.platform,
            python: interpreter.version,
            name: plan.named(options.name.clone()),
            provider: plan.provider,
            model: plan.model,
            runtime: pack::describe(&archive)?,
            lock,
            wheels,
        };
        publish(&manifest, &files, &file)?;
        Ok(manifest)
    }

    /// Works out what the options mean.
    pub(super) fn plan(&self, options: &BundleOptions) -> Result<Plan, BundleError> {
        if let Some(name) = &options.name {
            check_environment_name(name)?;
        }
        let mut plan = match &options.content {
            BundleContent::Packages(packages) => Plan { packages: packages.clone(), ..Plan::default() },
            BundleContent::Provider { name, model } => {
                let requirements = self.provider_requirements(name, model.as_deref())?;
                let (provider, model, environment) = (Some(name.clone()), model.clone(), Some(requirements.name));
                Plan { packages: requirements.packages, request: requirements.python, provider, model, environment }
            }
        };
        plan.request = options.python.clone().or(plan.request);
        Ok(plan)
    }

    fn runtime_to_pack(&self, request: Option<VersionRequest>) -> Result<Runtime, BundleError> {
        let runtimes = PythonRuntimeManager::new(self.home().clone());
        let found = match &request {
            None => runtimes.default_runtime()?,
            Some(request) => runtimes.find(request)?,
        };
        let usable = |runtime: &Runtime| runtime.is_managed() && runtime.state == RuntimeState::Ready;
        found.filter(usable).ok_or(BundleError::NoRuntime { request })
    }
}

/// What to put into a bundle.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) packages: Requirements,
    pub(super) request: Option<VersionRequest>,
    pub(super) provider: Option<String>,
    pub(super) model: Option<String>,
    /// The name of the provider's environment.
    environment: Option<String>,
}

impl Plan {
    /// The environment's name, given or not.
    pub(super) fn named(&self, name: Option<String>) -> String {
        name.or_else(|| self.environment.clone()).unwrap_or_else(|| "bundle".into())
    }
}

/// Describes the wheels in a folder, and writes their lock beside them.
pub(super) fn packed_wheels(files: &Path) -> Result<(BundleFile, Vec<BundleFile>), BundleError> {
    let mut wheels = Vec::new();
    let entries = fs::read_dir(files).map_err(failed_to("read", files))?;
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.extension() == Some("whl".as_ref())) {
        wheels.push(pack::describe(&path)?);
    }
    wheels.sort_by(|a, b| a.name.cmp(&b.name));
    let path = files.join(LOCK);
    fs::write(&path, lock(&wheels)).map_err(failed_to("write", &path))?;
    Ok((pack::describe(&path)?, wheels))
}

/// Writes the bundle beside `file`, and then moves it there.
pub(super) fn publish(manifest: &BundleManifest, files: &Path, file: &Path) -> Result<(), BundleError> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let new: PathBuf = tempfile::Builder::new()
        .prefix(".bundle-")
        .tempfile_in(folder)
        .map_err(failed_to("write", file))?
        .into_temp_path()
        .keep()
        .map_err(|error| failed_to("write", file)(error.error))?;
    let written = pack::write(manifest, files, &new)
        .and_then(|()| fs::rename(&new, file).map_err(|error| failed_to("write", file)(error).into()));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

/// The lock: name, version and hash of each wheel.
fn lock(wheels: &[BundleFile]) -> String {
    let line = |wheel: &BundleFile| {
        // The file name of a wheel: `NAME-VERSION-…`.
        let mut parts = wheel.name.split('-');
        let (name, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        format!("{name}=={version} --hash=sha256:{}\n", wheel.sha256)
    };
    wheels.iter().map(line).collect()
}
