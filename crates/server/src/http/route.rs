//! The routes and the methods that they take.

use std::borrow::Cow;

use beep_python_protocol::{HostOperation, Operation};
use http::Method;

use crate::openapi::Page;
use crate::web::probe::Probe;

/// The target of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// An operation of a session.
    Operation(Operation),
    /// The health of the server.
    Health,
    /// Whether the server lives, or is ready.
    Probe(Probe),
    /// The metrics of the server.
    Metrics,
    /// Make a login for a browser.
    Login,
    /// What the server is and takes.
    Page(Page),
    /// Cancel calls.
    Cancel,
    /// Create a session, or list them.
    Sessions,
    /// Describe one session, or delete it: `/api/sessions/ID`.
    Session,
    /// Interrupt the running call of a session.
    InterruptSession,
    /// Restart a session.
    RestartSession,
    /// Start a debugger in a session.
    DebugSession,
    /// Inspect a session: its stacks and threads.
    InspectSession,
    /// Follow a session.
    SessionEvents,
    /// List the handles of a session.
    Handles,
    /// Create an environment for a provider.
    VenvCreate,
    /// List the environments.
    VenvList,
    /// Delete an environment.
    VenvDelete,
    /// The state of an environment.
    VenvStatus,
    /// Install packages into an environment.
    VenvInstall,
}

const SESSION_PREFIX: &str = "/api/sessions/";

impl Route {
    /// Every route, by a path that leads to it.
    pub fn all() -> Vec<(&'static str, Route)> {
        let operations = Operation::ALL.map(|operation| (operation.http_path(), Route::Operation(operation)));
        let others = [
            ("/health", Route::Health),
            ("/livez", Route::Probe(Probe::Live)),
            ("/readyz", Route::Probe(Probe::Ready)),
            ("/metrics", Route::Metrics),
            ("/api/login", Route::Login),
            ("/", Route::Page(Page::Home)),
            ("/docs", Route::Page(Page::Docs)),
            ("/openapi.json", Route::Page(Page::Document)),
            ("/api/cancel", Route::Cancel),
            ("/api/sessions", Route::Sessions),
            ("/api/sessions/default", Route::Session),
            ("/api/sessions/default/interrupt", Route::InterruptSession),
            ("/api/sessions/default/restart", Route::RestartSession),
            ("/api/sessions/default/debug", Route::DebugSession),
            ("/api/sessions/default/inspect", Route::InspectSession),
            ("/api/sessions/default/events", Route::SessionEvents),
            ("/api/sessions/default/handles", Route::Handles),
            ("/api/venv/create", Route::VenvCreate),
            ("/venv/create", Route::VenvCreate),
            ("/api/venv/list", Route::VenvList),
            ("/venv/list", Route::VenvList),
            ("/api/venv/delete", Route::VenvDelete),
            ("/venv/delete", Route::VenvDelete),
            ("/api/venv/status", Route::VenvStatus),
            ("/venv/status", Route::VenvStatus),
            ("/api/venv/install", Route::VenvInstall),
            ("/venv/install", Route::VenvInstall),
        ];
        operations.into_iter().chain(others).collect()
    }

    /// The route of a path.
    pub fn find(path: &str) -> Option<Route> {
        match path {
            "/health" => Some(Route::Health),
            "/metrics" => Some(Route::Metrics),
            "/api/login" => Some(Route::Login),
            "/api/cancel" => Some(Route::Cancel),
            "/api/sessions" => Some(Route::Sessions),
            "/api/venv/create" | "/venv/create" => Some(Route::VenvCreate),
            "/api/venv/list" | "/venv/list" => Some(Route::VenvList),
            "/api/venv/delete" | "/venv/delete" => Some(Route::VenvDelete),
            "/api/venv/status" | "/venv/status" => Some(Route::VenvStatus),
            "/api/venv/install" | "/venv/install" => Some(Route::VenvInstall),
            _ => match path.strip_prefix(SESSION_PREFIX).map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
                Some(("", _)) => None,
                Some((_, "")) if !path.ends_with('/') => Some(Route::Session),
                Some((_, "interrupt")) => Some(Route::InterruptSession),
                Some((_, "restart")) => Some(Route::RestartSession),
                Some((_, "debug")) => Some(Route::DebugSession),
                Some((_, "inspect")) => Some(Route::InspectSession),
                Some((_, "events")) => Some(Route::SessionEvents),
                Some((_, "handles")) => Some(Route::Handles),
                Some(_) => None,
                None => {
                    let operation = Operation::from_http_path(path).map(Route::Operation);
                    let operation = operation.or_else(|| Probe::find(path).map(Route::Probe));
                    operation.or_else(|| Page::find(path).map(Route::Page))
                }
            },
        }
    }

    /// The methods of the route.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Route::Health
            | Route::Metrics
            | Route::Probe(_)
            | Route::Page(_)
            | Route::VenvList
            | Route::InspectSession
            | Route::SessionEvents
            | Route::Handles => &[Method::GET],
            Route::Sessions => &[Method::GET, Method::POST],
            Route::Session => &[Method::GET, Method::DELETE],
            Route::Login
            | Route::Cancel
            | Route::InterruptSession
            | Route::RestartSession
            | Route::DebugSession
            | Route::Operation(_)
            | Route::VenvCreate
            | Route::VenvDelete
            | Route::VenvStatus
            | Route::VenvInstall => &[Method::POST],
        }
    }

    /// The operation of the host for a method; `None` for operations of a session, for logins, probes, metrics and pages.
    pub fn host_operation(self, method: &Method) -> Option<HostOperation> {
        Some(match self {
            Route::Operation(_) | Route::Login | Route::Probe(_) | Route::Metrics | Route::Page(_) => return None,
            Route::Health => HostOperation::Health,
            Route::Cancel => HostOperation::Cancel,
            Route::Sessions if method == Method::POST => HostOperation::CreateSession,
            Route::Sessions => HostOperation::ListSessions,
            Route::Session if method == Method::DELETE => HostOperation::DeleteSession,
            Route::Session => HostOperation::GetSession,
            Route::InterruptSession => HostOperation::InterruptSession,
            Route::RestartSession => HostOperation::RestartSession,
            Route::DebugSession => HostOperation::DebugSession,
            Route::InspectSession => HostOperation::InspectSession,
            Route::SessionEvents => HostOperation::SessionEvents,
            Route::Handles => HostOperation::ListHandles,
            Route::VenvCreate => HostOperation::CreateEnvironment,
            Route::VenvList => HostOperation::ListEnvironments,
            Route::VenvDelete => HostOperation::DeleteEnvironment,
            Route::VenvStatus => HostOperation::EnvironmentStatus,
            Route::VenvInstall => HostOperation::InstallPackages,
        })
    }

    /// A path with the characters that it has as `%XX`; as it is where these are no text, or a slash.
    pub(super) fn decoded(path: &str) -> Cow<'_, str> {
        if !path.contains('%') || path.contains("%2f") || path.contains("%2F") {
            return path.into();
        }
        percent_encoding::percent_decode_str(path).decode_utf8().unwrap_or(path.into())
    }

    /// The session's id in a path that has one.
    pub fn session_id(path: &str) -> Option<&str> {
        let rest = path.strip_prefix(SESSION_PREFIX)?;
        Some(rest.split_once('/').map_or(rest, |(id, _)| id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_paths_are_the_paths_that_they_stand_for() {
        for (path, decoded) in [
            ("/api/sessions/%64efault", "/api/sessions/default"),
            ("/api/%65val", "/api/eval"),
            ("/api/sessions/a%2Fevents", "/api/sessions/a%2Fevents"),
            ("/api/sessions/%ff", "/api/sessions/%ff"),
            ("/api/sessions/100%", "/api/sessions/100%"),
        ] {
            assert_eq!(Route::decoded(path), decoded);
        }
    }

    #[test]
    fn every_path_leads_to_its_route() {
        for (path, route) in Route::all() {
            assert_eq!(Route::find(path), Some(route), "{path}");
            assert!(!route.methods().is_empty());
        }
        for path in [
            "//",
            "/docs/",
            "/api",
            "/api/evaluate",
            "/api/eval/",
            "/api/sessions/",
            "/api/sessions/a/",
            "/api/sessions/a/b",
            "/api/sessions//restart",
            "//health",
        ] {
            assert_eq!(Route::find(path), None, "{path}");
        }
    }
}
