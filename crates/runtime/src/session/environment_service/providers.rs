//! Operations on providers and runtimes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use beep_python_protocol::{ErrorCode, Problem};

use super::service::{EnvironmentService, Failure, environment_error, spawn_blocking};
use crate::environment::{Detected, PackageProgress, PackageStage, ProviderStatus};
use crate::interpreter::{Progress, PythonRuntimeManager, Runtime, Source, VersionRequest};

impl EnvironmentService {
    /// Ensures an engine's environment with its packages. Returns its path.
    pub async fn ensure_engine(&self, engine: String) -> Result<PathBuf, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || Ok(venvs.ensure_engine_environment(&engine)?.path)).await
    }

    /// The status of every provider and engine in `providers.toml`.
    pub async fn providers(&self) -> Result<Vec<ProviderStatus>, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || Ok(venvs.providers()?)).await
    }

    /// The status of a provider.
    pub async fn provider_status(&self, provider: String, model: Option<String>) -> Result<ProviderStatus, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || Ok(venvs.provider_status(&provider, model.as_deref())?)).await
    }

    /// The path of a provider's environment, if it exists.
    pub async fn registered(&self, provider: String, model: Option<String>) -> Result<Option<PathBuf>, Problem> {
        let venvs = self.venvs();
        let path = move || Ok(venvs.registered_environment(&provider, model.as_deref())?.map(|found| found.path));
        spawn_blocking(path).await
    }

    /// This machine's accelerator.
    pub async fn accelerator(&self) -> Result<Detected, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || Ok(venvs.detect_accelerator())).await
    }

    /// Marks a feature of a provider's environment as set up; with `ask`, only returns whether it is marked.
    pub async fn feature(&self, provider: String, feature: String, ask: bool) -> Result<bool, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || {
            if !ask {
                venvs.mark_feature(&provider, None, &feature)?;
            }
            Ok(venvs.has_feature(&provider, None, &feature)?)
        })
        .await
    }

    /// The packages of a provider's environment, name and version; records `package` first, if given.
    pub async fn tracked(
        &self,
        provider: String,
        package: Option<(String, String)>,
    ) -> Result<BTreeMap<String, String>, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || {
            if let Some((name, version)) = package {
                venvs.track_package(&provider, None, &name, &version)?;
            }
            Ok(venvs.tracked_packages(&provider, None)?)
        })
        .await
    }

    /// Installs a runtime, `3.12` or by default the catalogue's default version. Only without a version, a Python of
    /// the machine is adopted when the download fails.
    pub async fn install_runtime(&self, version: Option<String>) -> Result<Runtime, Problem> {
        let failed = |error: &dyn std::error::Error| match environment_error(error) {
            Failure::Problem(problem) => problem,
            Failure::Environment(error) => Problem::new(ErrorCode::EnvironmentFailed, error.to_string()),
        };
        let runtimes = PythonRuntimeManager::new(self.home().clone());
        let request = match version {
            Some(version) => Some(
                version
                    .parse::<VersionRequest>()
                    .map_err(|error| Problem::new(ErrorCode::InvalidRequest, error.to_string()))?,
            ),
            None => None,
        };
        let mut listen = |progress: Progress| self.report_progress(&progress);
        let installed = match request {
            Some(request) => runtimes.install(&request, &Source::Default, &mut listen).await.map(|done| done.runtime),
            None => runtimes.init(&Default::default(), &mut listen).await.map(|done| done.runtime),
        };
        installed.map_err(|error| failed(&error))
    }

    /// Makes a runtime the default, given its id or a version.
    pub async fn use_runtime(&self, name: String) -> Result<Runtime, Problem> {
        let runtimes = PythonRuntimeManager::new(self.home().clone());
        spawn_blocking(move || {
            let found = runtimes.named(&name).and_then(|runtime| {
                runtimes.set_default(&runtime.id)?;
                runtimes.get(&runtime.id)
            });
            found.map_err(|error| environment_error(&error))
        })
        .await
    }

    fn report_progress(&self, progress: &Progress) {
        let (stage, received_bytes, total_bytes) = match progress {
            Progress::Resolved { .. } => (PackageStage::Resolving, None, None),
            Progress::Waiting | Progress::Retrying { .. } => (PackageStage::Waiting, None, None),
            Progress::Downloading { received, total } => (PackageStage::Downloading, Some(*received), *total),
            Progress::Verifying | Progress::Unpacking => (PackageStage::Installing, None, None),
        };
        let package = Some("python".to_owned());
        self.progress().report(&PackageProgress {
            stage,
            package,
            received_bytes,
            total_bytes,
            waiting_for: Vec::new(),
        });
    }
}
