//! Work on environments: the same Rust classes that the command line uses, on threads where waiting is allowed.

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::environment::{EnvironmentError, EnvironmentStatus, VenvManager, provider_environment_name};
use beep_python_runtime::interpreter::PythonRuntimeManager;
use beep_python_runtime::platform::Home;
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

/// The path of the provider's environment, made where it is not there yet.
pub(crate) async fn create(host: &Host, named: Named) -> Result<String, Problem> {
    let (home, venvs) = (host.home.clone(), VenvManager::new(host.home.clone()));
    aside(move || create_now(home, &venvs, named)).await
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

fn create_now(home: Home, venvs: &VenvManager, named: Named) -> Result<String, Failure> {
    let Some(provider) = &named.provider_name else {
        let problem = Problem::new(ErrorCode::InvalidRequest, "'providerName' must be a string; the request has none");
        return Err(Failure::Problem(problem));
    };
    let name = named.name().map_err(Failure::Problem)?;
    let environment = match venvs.open(&name) {
        Ok(environment) => environment,
        Err(EnvironmentError::NotFound { .. }) => {
            let interpreter = PythonRuntimeManager::new(home).interpreter(None).map_err(|error| told(&error))?;
            let Some(interpreter) = interpreter else {
                let detail = "there is no Python runtime to make the environment with; install one first";
                return Err(Failure::Problem(Problem::new(ErrorCode::EnvironmentFailed, detail)));
            };
            match venvs.create_for_provider(provider, named.model_id.as_deref(), &interpreter) {
                // Another caller was quicker: the environment is there, which is what was asked.
                Err(EnvironmentError::AlreadyExists { .. }) => venvs.open(&name)?,
                made => made?,
            }
        }
        Err(error) => return Err(error.into()),
    };
    Ok(environment.path.to_string_lossy().into_owned())
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

fn told(error: &dyn std::error::Error) -> Failure {
    Failure::Problem(Problem::new(ErrorCode::EnvironmentFailed, chain(error)))
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
