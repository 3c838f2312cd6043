//! Environments over HTTP.

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::environment::provider_name;
use http::Response;
use serde::Deserialize;
use serde_json::json;

use super::answer;
use super::body::Pieces;
use super::route::Route;
use crate::Host;

/// Names an environment: by its own name, or by provider and model.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Named {
    pub(crate) name: Option<String>,
    pub(crate) provider_name: Option<String>,
    pub(crate) model_id: Option<String>,
}

/// One of the routes on environments.
pub(super) async fn answer(host: &Host, route: Route, body: &[u8]) -> Result<Response<Pieces>, Problem> {
    let environments = host.sessions.environments();
    if route == Route::VenvList {
        return Ok(answer::json(&json!({ "environments": environments.list().await? })));
    }
    let named: Named =
        serde_json::from_slice(body).map_err(|error| invalid(format!("the body cannot be read: {error}")))?;
    match route {
        Route::VenvCreate => {
            let provider = named.provider_name.ok_or_else(|| invalid("'providerName' must be a string"))?;
            let path = environments.ensure_provider(provider, named.model_id).await?;
            Ok(answer::json(&json!({ "path": path, "success": true })))
        }
        Route::VenvStatus => Ok(answer::json(&environments.status(named.name()?).await?)),
        _ => {
            environments.delete(named.name()?).await?;
            Ok(answer::json(&json!({ "success": true })))
        }
    }
}

impl Named {
    /// The name that it stands for.
    pub(crate) fn name(self) -> Result<String, Problem> {
        match (self.name, self.provider_name) {
            (Some(name), _) => Ok(name),
            (None, Some(provider)) => provider_name(&provider, self.model_id.as_deref()),
            (None, None) => Err(invalid("'name' or 'providerName' must be given")),
        }
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}
