//! The operations of the host itself, beside those of a session.

/// One operation that no session has to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostOperation {
    /// Tell that the host is there.
    Health,
    /// Start a session.
    CreateSession,
    /// List the sessions.
    ListSessions,
    /// End a session and let go of all that it holds.
    DeleteSession,
    /// Make a provider's environment, or find it made.
    CreateEnvironment,
    /// List the environments.
    ListEnvironments,
    /// Try an environment.
    EnvironmentStatus,
    /// Delete an environment.
    DeleteEnvironment,
}

impl HostOperation {
    /// Every operation.
    pub const ALL: [HostOperation; 8] = [
        HostOperation::Health,
        HostOperation::CreateSession,
        HostOperation::ListSessions,
        HostOperation::DeleteSession,
        HostOperation::CreateEnvironment,
        HostOperation::ListEnvironments,
        HostOperation::EnvironmentStatus,
        HostOperation::DeleteEnvironment,
    ];

    /// The HTTP route, in which `{sessionId}` stands for the id of a session.
    pub const fn http_path(self) -> &'static str {
        match self {
            HostOperation::Health => "/health",
            HostOperation::CreateSession | HostOperation::ListSessions => "/api/sessions",
            HostOperation::DeleteSession => "/api/sessions/{sessionId}",
            HostOperation::CreateEnvironment => "/api/venv/create",
            HostOperation::ListEnvironments => "/api/venv/list",
            HostOperation::EnvironmentStatus => "/api/venv/status",
            HostOperation::DeleteEnvironment => "/api/venv/delete",
        }
    }

    /// The HTTP method of the route.
    pub const fn http_method(self) -> &'static str {
        match self {
            HostOperation::Health | HostOperation::ListSessions | HostOperation::ListEnvironments => "GET",
            HostOperation::DeleteSession => "DELETE",
            _ => "POST",
        }
    }

    /// The gRPC service and its rpc, as in a route.
    pub const fn rpc_name(self) -> &'static str {
        match self {
            HostOperation::Health => "PythonService/Health",
            HostOperation::CreateSession => "SessionService/CreateSession",
            HostOperation::ListSessions => "SessionService/ListSessions",
            HostOperation::DeleteSession => "SessionService/DeleteSession",
            HostOperation::CreateEnvironment => "VenvService/CreateEnvironment",
            HostOperation::ListEnvironments => "VenvService/ListEnvironments",
            HostOperation::EnvironmentStatus => "VenvService/EnvironmentStatus",
            HostOperation::DeleteEnvironment => "VenvService/DeleteEnvironment",
        }
    }

    /// The operation that a gRPC service and its rpc stand for.
    pub fn from_rpc_name(name: &str) -> Option<HostOperation> {
        HostOperation::ALL.into_iter().find(|operation| operation.rpc_name() == name)
    }
}
