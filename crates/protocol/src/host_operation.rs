//! The operations of the host itself, with their names on each wire.

/// An operation that the host carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostOperation {
    /// Report that the host accepts calls.
    Health,
    /// Cancel calls in progress by their request id.
    Cancel,
    /// Create a session.
    CreateSession,
    /// List the sessions.
    ListSessions,
    /// Describe a session.
    GetSession,
    /// Describe a session, which may be busy, with the stacks of its threads.
    InspectSession,
    /// Follow what happens in a session while no call runs that it belongs to: an operation with events.
    SessionEvents,
    /// List the handles of a session.
    ListHandles,
    /// Start a debug server in a session.
    DebugSession,
    /// Interrupt the running call of a session.
    InterruptSession,
    /// Replace a session's worker, whatever it is doing, with an empty one.
    RestartSession,
    /// End a session and release all that it keeps.
    DeleteSession,
    /// Create a provider's environment with all that it requires, unless it exists.
    CreateEnvironment,
    /// List the environments.
    ListEnvironments,
    /// Check an environment.
    EnvironmentStatus,
    /// Delete an environment.
    DeleteEnvironment,
    /// Install packages into an environment.
    InstallPackages,
}

impl HostOperation {
    /// Every operation.
    pub const ALL: [HostOperation; 17] = [
        HostOperation::Health,
        HostOperation::Cancel,
        HostOperation::CreateSession,
        HostOperation::ListSessions,
        HostOperation::GetSession,
        HostOperation::InspectSession,
        HostOperation::SessionEvents,
        HostOperation::ListHandles,
        HostOperation::DebugSession,
        HostOperation::InterruptSession,
        HostOperation::RestartSession,
        HostOperation::DeleteSession,
        HostOperation::CreateEnvironment,
        HostOperation::ListEnvironments,
        HostOperation::EnvironmentStatus,
        HostOperation::DeleteEnvironment,
        HostOperation::InstallPackages,
    ];

    /// The HTTP route, in which `{sessionId}` stands for the id of a session.
    pub const fn http_path(self) -> &'static str {
        match self {
            HostOperation::Health => "/health",
            HostOperation::Cancel => "/api/cancel",
            HostOperation::CreateSession | HostOperation::ListSessions => "/api/sessions",
            HostOperation::GetSession | HostOperation::DeleteSession => "/api/sessions/{sessionId}",
            HostOperation::InspectSession => "/api/sessions/{sessionId}/inspect",
            HostOperation::SessionEvents => "/api/sessions/{sessionId}/events",
            HostOperation::ListHandles => "/api/sessions/{sessionId}/handles",
            HostOperation::DebugSession => "/api/sessions/{sessionId}/debug",
            HostOperation::InterruptSession => "/api/sessions/{sessionId}/interrupt",
            HostOperation::RestartSession => "/api/sessions/{sessionId}/restart",
            HostOperation::CreateEnvironment => "/api/venv/create",
            HostOperation::ListEnvironments => "/api/venv/list",
            HostOperation::EnvironmentStatus => "/api/venv/status",
            HostOperation::DeleteEnvironment => "/api/venv/delete",
            HostOperation::InstallPackages => "/api/venv/install",
        }
    }

    /// The HTTP method of the route.
    pub const fn http_method(self) -> &'static str {
        match self {
            HostOperation::Health
            | HostOperation::ListSessions
            | HostOperation::GetSession
            | HostOperation::InspectSession
            | HostOperation::SessionEvents
            | HostOperation::ListHandles
            | HostOperation::ListEnvironments => "GET",
            HostOperation::DeleteSession => "DELETE",
            _ => "POST",
        }
    }

    /// The command on the pipe.
    pub const fn pipe_command(self) -> &'static str {
        match self {
            HostOperation::Health => "ping",
            HostOperation::Cancel => "cancel",
            HostOperation::CreateSession => "session_create",
            HostOperation::ListSessions => "session_list",
            HostOperation::GetSession => "session_get",
            HostOperation::InspectSession => "session_inspect",
            HostOperation::SessionEvents => "session_events",
            HostOperation::ListHandles => "session_handles",
            HostOperation::DebugSession => "session_debug",
            HostOperation::InterruptSession => "session_interrupt",
            HostOperation::RestartSession => "session_restart",
            HostOperation::DeleteSession => "session_delete",
            HostOperation::CreateEnvironment => "venv_create",
            HostOperation::ListEnvironments => "venv_list",
            HostOperation::EnvironmentStatus => "venv_status",
            HostOperation::DeleteEnvironment => "venv_delete",
            HostOperation::InstallPackages => "venv_install",
        }
    }

    /// The operation that a command on the pipe stands for.
    pub fn from_pipe_command(command: &str) -> Option<HostOperation> {
        HostOperation::ALL.into_iter().find(|operation| operation.pipe_command() == command)
    }

    /// The gRPC service and its rpc, as in a route.
    pub const fn rpc_name(self) -> &'static str {
        match self {
            HostOperation::Health => "PythonService/Health",
            HostOperation::Cancel => "PythonService/Cancel",
            HostOperation::CreateSession => "SessionService/CreateSession",
            HostOperation::ListSessions => "SessionService/ListSessions",
            HostOperation::GetSession => "SessionService/GetSession",
            HostOperation::InspectSession => "SessionService/InspectSession",
            HostOperation::SessionEvents => "SessionService/SessionEvents",
            HostOperation::ListHandles => "SessionService/ListHandles",
            HostOperation::DebugSession => "SessionService/DebugSession",
            HostOperation::InterruptSession => "SessionService/InterruptSession",
            HostOperation::RestartSession => "SessionService/RestartSession",
            HostOperation::DeleteSession => "SessionService/DeleteSession",
            HostOperation::CreateEnvironment => "VenvService/CreateEnvironment",
            HostOperation::ListEnvironments => "VenvService/ListEnvironments",
            HostOperation::EnvironmentStatus => "VenvService/EnvironmentStatus",
            HostOperation::DeleteEnvironment => "VenvService/DeleteEnvironment",
            HostOperation::InstallPackages => "VenvService/InstallPackages",
        }
    }

    /// The operation that a gRPC service and its rpc stand for.
    pub fn from_rpc_name(name: &str) -> Option<HostOperation> {
        HostOperation::ALL.into_iter().find(|operation| operation.rpc_name() == name)
    }
}
