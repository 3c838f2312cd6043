//! Finding a server by what people have at hand, and connecting to it.

use anyhow::Result;
use beep_python_client::{AnyBackend, RunningServer};
use beep_python_runtime::platform::Home;
use beep_python_server::launch::{Endpoint, RecordError, ServerRecord, ServerState, find, records, state_of};

use crate::environment::EnvironmentArgs;
use crate::error::CliError;

/// The server that `wanted` means, or the only running one.
pub(crate) fn find_server(home: &Home, wanted: Option<&str>) -> Result<(ServerRecord, ServerState)> {
    if let Some(wanted) = wanted {
        return Ok(find(home, wanted)?);
    }
    let mut running = lasting_servers(home)?;
    match running.len() {
        0 => Err(CliError::NoServer.into()),
        1 => Ok(running.remove(0)),
        _ => Err(CliError::WhichServer(running.into_iter().map(|(record, _)| record.id).collect()).into()),
    }
}

/// The running server that code shall run in, or none: the code gets a server of its own.
///
/// An environment asks for a server of its own; a server or a session for a running one. Without any of them it is the only
/// running server.
pub(crate) fn server_for_code(
    home: &Home,
    environment: &EnvironmentArgs,
    server: Option<&str>,
    session: Option<&str>,
) -> Result<Option<ServerRecord>> {
    if environment.is_named() {
        return Ok(None);
    }
    if server.is_some() || session.is_some() {
        return Ok(Some(find_server(home, server)?.0));
    }
    let mut running = lasting_servers(home)?;
    Ok(if running.len() == 1 { Some(running.remove(0).0) } else { None })
}

/// All running servers.
pub(crate) fn running_servers(home: &Home) -> Result<Vec<(ServerRecord, ServerState)>, RecordError> {
    let mut all = records(home)?;
    all.retain(|(_, state)| state.is_alive());
    Ok(all)
}

/// Those that belong to no command, which alone knows what its server is for, and when it ends.
fn lasting_servers(home: &Home) -> Result<Vec<(ServerRecord, ServerState)>, RecordError> {
    let mut running = running_servers(home)?;
    running.retain(|(record, _)| !record.temporary);
    Ok(running)
}

/// A client of the server's first endpoint.
pub(crate) fn connect(record: &ServerRecord) -> Result<AnyBackend> {
    // A port of another place means another server here; a socket in the shared home is that server's own.
    let endpoint = match state_of(record) {
        ServerState::Elsewhere => record
            .endpoint("pipe")
            .ok_or_else(|| RecordError::Elsewhere { id: record.id.clone(), host: record.place.host.clone() })?,
        _ => record.endpoints.first().ok_or_else(|| CliError::NoEndpoint(record.id.clone()))?,
    };
    connect_to(record, endpoint)
}

/// A client of one of the server's endpoints.
pub(crate) fn connect_to(record: &ServerRecord, endpoint: &Endpoint) -> Result<AnyBackend> {
    Ok(RunningServer { record: record.clone() }.connect_to(&endpoint.url)?)
}
