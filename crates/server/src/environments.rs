//! Work on environments: the same Rust classes that the command line uses, on threads where waiting is allowed.

use beep_python_protocol::message::{InstalledPackage, PackagesInstalled};
use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::environment::{
    EnvironmentError, EnvironmentStatus, Package, PackageError, Requirements, VenvManager, provider_environment_name,
};
use serde::Deserialize;

use crate::Host;

/// Names an environment: by its own name, or by provider and model.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Named {
    pub(crate) name: Option<String>,
    pub(crate) provider_name: Option<String>,
    pub(crate) model_id: Option<String>,
}

/// Names an environment, and packages for it.
#[derive(Deserialize)]
pub(crate) struct Install {
    #[serde(flatten)]
    pub(crate) environment: Named,
    pub(crate) packages: Vec<String>,
}

/// The path of the provider's environment, with all that the provider needs, made where it is not there yet.
pub(crate) async fn create(host: &Host, named: Named) -> Result<String, Problem> {
    let Some(provider) = named.provider_name else {
        let detail = "'providerName' must be a string; the request has none";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    };
    let venvs = VenvManager::new(host.home.clone());
    let ensure = move || venvs.ensure_provider_environment(&provider, named.model_id.as_deref());
    Ok(aside(move || Ok(ensure()?)).await?.path.to_string_lossy().into_owned())
}

/// Installs packages into an environment that is there.
pub(crate) async fn install(host: &Host, install: Install) -> Result<PackagesInstalled, Problem> {
    let (name, venvs) = (install.environment.name()?, VenvManager::new(host.home.clone()));
    let invalid = |error: PackageError| Problem::new(ErrorCode::InvalidRequest, error.to_string());
    let wanted = Requirements::new(&install.packages).map_err(invalid)?;
    aside(move || {
        let environment = venvs.open(&name)?;
        let done = venvs
            .install(&environment, &wanted)
            .map_err(|source| EnvironmentError::Packages { name: name.clone(), source })?;
        let list = |packages: Vec<Package>| {
            packages.into_iter().map(|p| InstalledPackage { name: p.name, version: p.version }).collect()
        };
        Ok(PackagesInstalled { success: true, installed: list(done.packages), changed: list(done.changed) })
    })
    .await
}

/// What is known of every environment.
pub(crate) async fn list(host: &Host) -> Result<Vec<EnvironmentStatus>, Problem> {
    let venvs = VenvManager::new(host.home.clone());
    aside(move || Ok(venvs.list()?)).await
}

/// What is known of one.
pub(crate) async fn status(host: &Host, named: Named) -> Result<EnvironmentStatus, Problem> {
    let (name, venvs) = (named.name()?, VenvManager::new(host.home.clone()));
    aside(move || Ok(venvs.status(&name)?)).await
}

/// Deletes one; this server's own is refused.
pub(crate) async fn delete(host: &Host, named: Named) -> Result<(), Problem> {
    let (name, venvs) = (named.name()?, VenvManager::new(host.home.clone()));
    let own = host.environment.clone();
    aside(move || {
        if venvs.open(&name)?.path == own {
            let detail = format!("the environment '{name}' is this server's own; stop the server to delete it");
            return Err(Failure::Problem(Problem::new(ErrorCode::EnvironmentFailed, detail)));
        }
        Ok(venvs.delete(&name)?)
    })
    .await
}

impl Named {
    fn name(&self) -> Result<String, Problem> {
        match (&self.name, &self.provider_name) {
            (Some(name), _) => Ok(name.clone()),
            (None, Some(provider)) => provider_environment_name(provider, self.model_id.as_deref())
                .map_err(|error| Problem::new(ErrorCode::InvalidRequest, error.to_string())),
            (None, None) => Err(Problem::new(ErrorCode::InvalidRequest, "'name' or 'providerName' must be given")),
        }
    }
}

enum Failure {
    Environment(EnvironmentError),
    Problem(Problem),
}

impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Failure {
        Failure::Environment(error)
    }
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Failure::Problem(problem))) => Err(problem),
        Ok(Err(Failure::Environment(error))) => {
            let code = match error {
                EnvironmentError::NotFound { .. } => ErrorCode::UnknownEnvironment,
                EnvironmentError::InvalidName { .. } => ErrorCode::InvalidRequest,
                _ => ErrorCode::EnvironmentFailed,
            };
            Err(Problem::new(code, chain(&error)))
        }
        Err(error) => Err(Problem::new(ErrorCode::Internal, format!("work on the environment failed: {error}"))),
    }
}

/// An error with what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
