//! Finding a server by what people have at hand, and connecting to it.

use anyhow::Result;
use beep_python_client::{AnyBackend, RunningServer, token_in_env};
use beep_python_runtime::platform::Home;
use beep_python_server::launch::{Endpoint, RecordError, ServerRecord, ServerState, find, records, state_of};

use crate::environment::EnvironmentArgs;
use crate::error::CliError;

/// A server that commands talk to: one of the home, or any other by its address.
#[derive(Clone, Debug)]
pub(crate) enum ServerAddress {
    Known(Box<ServerRecord>),
    Url(String),
}

impl ServerAddress {
    /// A client. A server of another home gets the token of the variables alone: that of this home is none of its business.
    pub(crate) fn connect(&self) -> Result<AnyBackend> {
        match self {
            ServerAddress::Known(record) => connect(record),
            ServerAddress::Url(url) => {
                let client = beep_python_client::connect(url)?;
                Ok(match token_in_env()? {
                    Some(token) => client.with_token(&token)?,
                    None => client,
                })
            }
        }
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        match self {
            ServerAddress::Known(record) => &record.id,
            ServerAddress::Url(url) => url,
        }
    }
}

impl From<ServerRecord> for ServerAddress {
    fn from(record: ServerRecord) -> ServerAddress {
        ServerAddress::Known(Box::new(record))
    }
}

/// The server to talk to that `wanted` means, or the only running one. An address of no server of the home is that of another one.
pub(crate) fn find_address(home: &Home, wanted: Option<&str>) -> Result<ServerAddress> {
    const SCHEMES: [&str; 4] = ["http://", "https://", "grpc://", "grpcs://"];
    let is_url = |wanted: &&str| SCHEMES.iter().any(|scheme| wanted.starts_with(scheme));
    match find_server(home, wanted) {
        Ok((record, state)) if wanted.is_none() || state.may_be_alive() => Ok(record.into()),
        Ok((record, _)) => {
            Ok(wanted.filter(is_url).map_or_else(|| record.into(), |url| ServerAddress::Url(url.to_owned())))
        }
        Err(error) => match (error.downcast_ref(), wanted.filter(is_url)) {
            (Some(RecordError::NotFound { .. }), Some(url)) => Ok(ServerAddress::Url(url.to_owned())),
            _ => Err(error),
        },
    }
}

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
) -> Result<Option<ServerAddress>> {
    if environment.is_named() {
        return Ok(None);
    }
    if server.is_some() || session.is_some() {
        return find_address(home, server).map(Some);
    }
    let mut running = lasting_servers(home)?;
    Ok(if running.len() == 1 { Some(running.remove(0).0.into()) } else { None })
}

/// All running servers.
pub(crate) fn running_servers(home: &Home) -> Result<Vec<(ServerRecord, ServerState)>, RecordError> {
    let mut all = records(home)?;
    all.retain(|(_, state)| state.is_alive());
    Ok(all)
}

/// Those that belong to no command, which alone knows what its server is for, and when it ends.
pub(crate) fn lasting_servers(home: &Home) -> Result<Vec<(ServerRecord, ServerState)>, RecordError> {
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
