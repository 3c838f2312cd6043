//! Environments over HTTP.

use beep_python_protocol::{ErrorCode, Problem};
use http::Response;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answer;
use super::body::Pieces;
use super::route::Route;
use crate::Host;
use crate::environments::{self, Named};

/// One of the routes on environments.
pub(super) async fn answer(host: &Host, route: Route, body: &[u8]) -> Result<Response<Pieces>, Problem> {
    if route == Route::VenvList {
        let list = environments::list(host).await?;
        return Ok(answer::json(&json!({ "environments": list })));
    }
    if route == Route::VenvInstall {
        return Ok(answer::json(&environments::install(host, read(body)?).await?));
    }
    let named: Named = read(body)?;
    match route {
        Route::VenvCreate => {
            let path = environments::create(host, named).await?;
            Ok(answer::json(&json!({ "path": path, "success": true })))
        }
        Route::VenvStatus => Ok(answer::json(&environments::status(host, named).await?)),
        _ => {
            environments::delete(host, named).await?;
            Ok(answer::json(&json!({ "success": true })))
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(ErrorCode::InvalidRequest, format!("the body cannot be read: {error}")))
}
