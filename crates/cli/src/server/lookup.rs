//! Finding a server by what people have at hand, and connecting to it.

use anyhow::Result;
use beep_python_client::{AnyBackend, RunningServer};
use beep_python_runtime::platform::Home;
use beep_python_server::launch::{Endpoint, RecordError, ServerRecord, ServerState, find, records};

use crate::error::CliError;

/// The server that `wanted` means; without it the only one that runs.
pub(crate) fn find_server(home: &Home, wanted: Option<&str>) -> Result<(ServerRecord, ServerState)> {
    if let Some(wanted) = wanted {
        return Ok(find(home, wanted)?);
    }
    let mut running = running_servers(home)?;
    match running.len() {
        0 => Err(CliError::NoServer.into()),
        1 => Ok(running.remove(0)),
        _ => Err(CliError::WhichServer(running.into_iter().map(|(record, _)| record.id).collect()).into()),
    }
}

/// The servers that run.
pub(crate) fn running_servers(home: &Home) -> Result<Vec<(ServerRecord, ServerState)>, RecordError> {
    let mut all = records(home)?;
    all.retain(|(_, state)| state.is_alive());
    Ok(all)
}

/// A client of the server's first endpoint.
pub(crate) fn connect(record: &ServerRecord) -> Result<AnyBackend> {
    let endpoint = record.endpoints.first().ok_or_else(|| CliError::NoEndpoint(record.id.clone()))?;
    connect_to(record, endpoint)
}

/// A client of one of the server's endpoints.
pub(crate) fn connect_to(record: &ServerRecord, endpoint: &Endpoint) -> Result<AnyBackend> {
    Ok(RunningServer { record: record.clone() }.connect_to(&endpoint.url)?)
}
