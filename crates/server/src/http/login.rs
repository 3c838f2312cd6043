//! Logging a browser in: a client asks for an address, and the browser that opens it gets a cookie.

use std::sync::Arc;

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::platform::error_chain;
use beep_python_runtime::session::service::json::Chunks;
use http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use crate::auth::pending_connection::PendingConnection;
use crate::auth::{LOGIN_LIFETIME, NamedToken, Peer};
use crate::server_context::ServerContext;
use crate::web::response;

/// The page that an address with a login leads to.
const PAGE: &str = "/";
const KEY: &str = "login=";
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The login in the address of a page, if it has one.
pub(super) fn shown(parts: &Parts) -> Option<&str> {
    if parts.method != Method::GET || parts.uri.path() != PAGE {
        return None;
    }
    parts.uri.query()?.split('&').find_map(|pair| pair.strip_prefix(KEY))
}

/// Gives the browser its cookie, and leads it to the address without the login.
pub(super) fn log_in(
    server: &ServerContext,
    peer: Peer,
    pending: &PendingConnection,
    parts: &Parts,
    login: &str,
) -> Response<Chunks> {
    let refused = |problem: &Problem| response::denied(problem, pending.client());
    match server.access.log_in(peer, parts, login) {
        Ok(Some(logged_in)) => {
            pending.mark_authenticated(logged_in.token.as_ref());
            let mut response = Response::new(Chunks::default());
            *response.status_mut() = StatusCode::SEE_OTHER;
            let headers = response.headers_mut();
            headers.insert(LOCATION, HeaderValue::from_static(PAGE));
            headers.insert(SET_COOKIE, logged_in.cookie);
            headers.insert(CACHE_CONTROL, NO_STORE);
            response
        }
        Ok(None) => {
            let detail =
                "this login was used already, or is older than a minute: `beep-python console-url` makes another";
            refused(&Problem::new(ErrorCode::Unauthorized, detail))
        }
        Err(problem) => refused(&problem),
    }
}

/// Makes a login for a browser of the client that showed this token, or needed none.
pub(super) fn create(server: &ServerContext, token: Option<Arc<NamedToken>>) -> Result<Response<Chunks>, Problem> {
    tracing::info!(token = token.as_ref().map(|token| &*token.name), "a login for a browser was made");
    let login = server.access.create_login(token);
    let login = login.map_err(|error| Problem::new(ErrorCode::Internal, error_chain(&error).to_string()))?;
    let lifetime = u64::try_from(LOGIN_LIFETIME.as_millis()).unwrap_or(u64::MAX);
    let answer = json!({"path": format!("{PAGE}?{KEY}{login}"), "expiresInMs": lifetime});
    let mut response = response::json(answer.to_string().into_bytes());
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}
