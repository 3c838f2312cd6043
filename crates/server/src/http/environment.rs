//! Work on environments: the same Rust classes that the command line uses, on threads where waiting is allowed.

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::environment::{EnvironmentError, VenvManager, provider_environment_name};
use beep_python_runtime::interpreter::PythonRuntimeManager;
use http::Response;
use serde::Deserialize;
use serde_json::json;

use super::answer;
use super::body::Pieces;
use super::connection::Backend;
use super::route::Route;

/// Names an environment: by its own name, or by provider and model.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    name: Option<String>,
    provider_name: Option<String>,
    model_id: Option<String>,
}

/// One of the routes on environments.
pub(super) async fn answer(backend: &Backend, route: Route, body: &[u8]) -> Result<Response<Pieces>, Problem> {
    let venvs = VenvManager::new(backend.home.clone());
    if route == Route::VenvList {
        let list = aside(move || Ok(venvs.list()?)).await?;
        return Ok(answer::json(&json!({ "environments": list })));
    }
    let named: Named = serde_json::from_slice(body)
        .map_err(|error| Problem::new(ErrorCode::InvalidRequest, format!("the body cannot be read: {error}")))?;
    if route == Route::VenvCreate {
        let home = backend.home.clone();
        let path = aside(move || create(home, &venvs, named)).await?;
        return Ok(answer::json(&json!({ "path": path, "success": true })));
    }
    let name = named.name()?;
    if route == Route::VenvStatus {
        let status = aside(move || Ok(venvs.status(&name)?)).await?;
        return Ok(answer::json(&status));
    }
    let own = backend.environment.clone();
    aside(move || {
        let path = venvs.open(&name)?.path;
        if path == own {
            let detail = format!("the environment '{name}' is this server's own; stop the server to delete it");
            return Err(Failure::Problem(Problem::new(ErrorCode::EnvironmentFailed, detail)));
        }
        Ok(venvs.delete(&name)?)
    })
    .await?;
    Ok(answer::json(&json!({ "success": true })))
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

/// The provider's environment, made where it is not there yet.
fn create(home: beep_python_runtime::platform::Home, venvs: &VenvManager, named: Named) -> Result<String, Failure> {
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
