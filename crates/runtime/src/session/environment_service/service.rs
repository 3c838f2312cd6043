//! Operations on environments, on threads where blocking is allowed, with problems for errors.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem};

use crate::environment::{
    Environment, EnvironmentError, EnvironmentStatus, Installed, PackageError, ProgressSink, Requirements, UsageLock,
    VenvManager, check_environment_name,
};
use crate::interpreter::{PythonRuntimeManager, Runtime, VersionRequest};
use crate::platform::{Home, error_chain};

/// Operations on the environments of a home, for clients of a server.
#[derive(Clone, Debug)]
pub struct EnvironmentService {
    home: Home,
    own: PathBuf,
    progress: ProgressSink,
    _usage_lock: Arc<Option<UsageLock>>,
}

impl EnvironmentService {
    /// The environments of `home`. Marks the one in the folder `own` as in use, so that no process deletes it.
    pub fn new(home: Home, own: PathBuf) -> EnvironmentService {
        let _usage_lock = Arc::new(UsageLock::try_acquire(&own));
        EnvironmentService { home, own, progress: ProgressSink::default(), _usage_lock }
    }

    /// Reports the progress of installations to `progress`.
    pub fn with_progress(self, progress: ProgressSink) -> EnvironmentService {
        EnvironmentService { progress, ..self }
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The service for code in another environment, given by name or path, or by the Python that it is kept for; with that
    /// environment, and the lock that marks it as in use.
    pub(crate) async fn within(
        &self,
        environment: Option<String>,
        python: Option<String>,
    ) -> Result<(EnvironmentService, Environment, UsageLock), Problem> {
        let found = self.find(environment, python).await?;
        let usage_lock = UsageLock::try_acquire(&found.path).ok_or_else(|| {
            let detail = format!("the environment '{}' is being deleted", found.name);
            Problem::new(ErrorCode::UnknownEnvironment, detail)
        })?;
        let service = EnvironmentService { own: found.path.clone(), _usage_lock: Arc::default(), ..self.clone() };
        Ok((service, found, usage_lock))
    }

    /// The folder of the environment in use.
    pub fn own(&self) -> &Path {
        &self.own
    }

    /// Ensures a provider's environment with its packages. Returns its path.
    pub async fn ensure_provider(&self, provider: String, model: Option<String>) -> Result<PathBuf, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || Ok(venvs.ensure_provider_environment(&provider, model.as_deref())?.path)).await
    }

    /// Installs packages, given as for pip, into an existing environment.
    pub async fn install(&self, name: String, packages: Vec<String>) -> Result<Installed, Problem> {
        let venvs = self.venvs();
        let wanted = Requirements::new(&packages)
            .map_err(|error: PackageError| Problem::new(ErrorCode::InvalidRequest, error.to_string()))?;
        spawn_blocking(move || {
            let environment = venvs.open(&venvs.resolve(&name)?)?;
            let done = venvs.install(&environment, &wanted);
            Ok(done.map_err(|source| EnvironmentError::Packages { name: name.clone(), source })?)
        })
        .await
    }

    /// Installs packages into the environment in use, whichever tool created it.
    pub async fn install_own(&self, packages: Vec<String>) -> Result<Installed, Problem> {
        let (venvs, own) = (self.venvs(), self.own.clone());
        let wanted = Requirements::new(&packages)
            .map_err(|error: PackageError| Problem::new(ErrorCode::InvalidRequest, error.to_string()))?;
        spawn_blocking(move || {
            let environment = venvs.open_path(&own)?;
            let done = venvs.install(&environment, &wanted);
            Ok(done.map_err(|source| EnvironmentError::Packages { name: environment.name.clone(), source })?)
        })
        .await
    }

    /// Creates an empty environment. Returns its path.
    pub async fn create(&self, name: String) -> Result<PathBuf, Problem> {
        let home = self.home.clone();
        spawn_blocking(move || {
            check_environment_name(&name)?;
            let interpreter = default_interpreter(&home)?;
            Ok(VenvManager::new(home).create(&name, &interpreter)?.path)
        })
        .await
    }

    /// The environment of this name, or at this path, and with this Python; without a name, the one that is kept for that Python.
    async fn find(&self, environment: Option<String>, python: Option<String>) -> Result<Environment, Problem> {
        let wrong = |error| Problem::new(ErrorCode::InvalidRequest, format!("'python' cannot be read: {error}"));
        let request = python.map(|text| text.parse::<VersionRequest>().map_err(wrong)).transpose()?;
        let (venvs, own) = (VenvManager::new(self.home.clone()), self.own.clone());
        spawn_blocking(move || {
            let Some(name_or_path) = environment else {
                return Ok(match request {
                    Some(request) => venvs.default_environment_with(&request)?,
                    None => venvs.open_path(own)?,
                });
            };
            let found = venvs.open_named(&name_or_path)?;
            match request {
                Some(request) if !found.has_python(venvs.home(), &request) => {
                    let actual =
                        found.record.map_or_else(|| "another Python".into(), |had| format!("Python {}", had.python));
                    let detail =
                        format!("the environment '{}' has {actual}, and 'python' asks for {request}", found.name);
                    Err(Failure::Problem(Problem::new(ErrorCode::InvalidRequest, detail)))
                }
                _ => Ok(found),
            }
        })
        .await
    }

    /// The status of every environment.
    pub async fn list(&self) -> Result<Vec<EnvironmentStatus>, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || Ok(venvs.list()?)).await
    }

    /// The status of one environment.
    pub async fn status(&self, name: String) -> Result<EnvironmentStatus, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || Ok(venvs.status(&venvs.resolve(&name)?)?)).await
    }

    /// Deletes an environment. Refuses the one in use.
    pub async fn delete(&self, name: String) -> Result<(), Problem> {
        let (venvs, own) = (self.venvs(), self.own.clone());
        spawn_blocking(move || {
            let name = venvs.resolve(&name)?;
            if venvs.open(&name)?.path == own {
                let detail = format!("the environment '{name}' is this server's own; stop the server to delete it");
                return Err(Failure::Problem(Problem::new(ErrorCode::EnvironmentFailed, detail)));
            }
            Ok(venvs.delete(&name)?)
        })
        .await
    }

    /// The name of a provider's environment. Fails if provider or model cannot be part of a name.
    pub async fn provider_name(&self, provider: String, model: Option<String>) -> Result<String, Problem> {
        let venvs = self.venvs();
        spawn_blocking(move || Ok(venvs.name_for_provider(&provider, model.as_deref())?)).await
    }

    /// The receiver of progress reports.
    pub(super) fn progress(&self) -> &ProgressSink {
        &self.progress
    }

    pub(super) fn venvs(&self) -> VenvManager {
        VenvManager::new(self.home.clone()).with_progress(self.progress.clone())
    }

    /// Every runtime of the home.
    pub async fn runtimes(&self) -> Result<Vec<Runtime>, Problem> {
        let home = self.home.clone();
        spawn_blocking(move || PythonRuntimeManager::new(home).list().map_err(|error| environment_error(&error))).await
    }
}

fn default_interpreter(home: &Home) -> Result<crate::interpreter::Interpreter, Failure> {
    let found = PythonRuntimeManager::new(home.clone()).interpreter(None).map_err(|error| environment_error(&error))?;
    found.ok_or_else(|| {
        let detail = "there is no Python runtime to create the environment with; install one first";
        Failure::Problem(Problem::new(ErrorCode::EnvironmentFailed, detail))
    })
}

pub(super) enum Failure {
    Environment(EnvironmentError),
    Problem(Problem),
}

impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Failure {
        Failure::Environment(error)
    }
}

pub(super) fn environment_error(error: &dyn std::error::Error) -> Failure {
    Failure::Problem(Problem::new(ErrorCode::EnvironmentFailed, error_chain(error)))
}

pub(super) async fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Failure::Problem(problem))) => Err(problem),
        Ok(Err(Failure::Environment(error))) => {
            let code = match error {
                EnvironmentError::NotFound { .. } | EnvironmentError::NotAnEnvironment { .. } => {
                    ErrorCode::UnknownEnvironment
                }
                EnvironmentError::InvalidName { .. } | EnvironmentError::SeveralOfProvider { .. } => {
                    ErrorCode::InvalidRequest
                }
                _ => ErrorCode::EnvironmentFailed,
            };
            Err(Problem::new(code, error_chain(&error)))
        }
        Err(error) => Err(Problem::new(ErrorCode::Internal, format!("work on the environment failed: {error}"))),
    }
}
