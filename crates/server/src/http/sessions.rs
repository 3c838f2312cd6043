//! Sessions over HTTP: make, list, look at, end.

use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::session::SessionInfo;
use http::{Method, Response};
use serde_json::{Value, json};

use super::answer;
use super::body::Pieces;
use super::route::Route;
use crate::Host;

const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// `POST /api/sessions` makes one, `GET` lists them.
pub(super) async fn all(host: &Host, method: &Method) -> Result<Response<Pieces>, Problem> {
    if method == Method::POST {
        let session = host.sessions.create().await?;
        return Ok(answer::json(&json!({ "sessionId": session.id() })));
    }
    let list: Vec<_> = host.sessions.list().iter().map(describe).collect();
    Ok(answer::json(&json!({ "sessions": list })))
}

/// `GET /api/sessions/ID` tells of one, `DELETE` ends it.
pub(super) async fn one(host: &Host, method: &Method, path: &str) -> Result<Response<Pieces>, Problem> {
    let id = Route::session_id(path);
    if method == Method::GET {
        return Ok(answer::json(&describe(&host.sessions.get(id)?.info())));
    }
    delete(host, id).await?;
    Ok(answer::json(&json!({ "success": true })))
}

/// Ends a session; the default one is refused.
pub(crate) async fn delete(host: &Host, id: &str) -> Result<(), Problem> {
    if id == host.sessions.default_session().id() {
        let detail = "the default session cannot be deleted; stop the server instead";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail));
    }
    host.sessions.delete(id, CLOSE_GRACE).await
}

fn describe(info: &SessionInfo) -> Value {
    json!({ "sessionId": info.id, "sessionEpoch": info.epoch, "pid": info.pid, "calls": info.calls })
}
