//! Environments over HTTP.

use beep_python_protocol::message::{InstalledPackage, PackagesInstalled};
use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::environment::{Package, provider_name};
use http::Response;
use serde::Deserialize;
use serde_json::json;

use super::answer;
use super::body::Pieces;
use super::route::Route;
use crate::Host;

/// Names an environment: by its own name, or by provider and model. To install, it names packages too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    name: Option<String>,
    provider_name: Option<String>,
    model_id: Option<String>,
    packages: Option<Vec<String>>,
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
        Route::VenvInstall => {
            let packages = named.packages.clone().ok_or_else(|| invalid("'packages' must be an array of strings"))?;
            let done = environments.install(named.name()?, packages).await?;
            let (installed, changed) = (listed(done.packages), listed(done.changed));
            Ok(answer::json(&PackagesInstalled { success: true, installed, changed }))
        }
        Route::VenvStatus => Ok(answer::json(&environments.status(named.name()?).await?)),
        _ => {
            environments.delete(named.name()?).await?;
            Ok(answer::json(&json!({ "success": true })))
        }
    }
}

impl Named {
    fn name(self) -> Result<String, Problem> {
        match (self.name, self.provider_name) {
            (Some(name), _) => Ok(name),
            (None, Some(provider)) => provider_name(&provider, self.model_id.as_deref()),
            (None, None) => Err(invalid("'name' or 'providerName' must be given")),
        }
    }
}

fn listed(packages: Vec<Package>) -> Vec<InstalledPackage> {
    packages.into_iter().map(|package| InstalledPackage { name: package.name, version: package.version }).collect()
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}
