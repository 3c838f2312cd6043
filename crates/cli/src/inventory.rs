//! The names of what exists now, for completion and the menu.

use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use beep_python_runtime::environment::VenvManager;
use beep_python_runtime::interpreter::{Platform, PythonRuntimeManager};
use beep_python_runtime::platform::Home;
use beep_python_server::auth::NamedTokens;
use beep_python_server::launch::{ServerState, records};

use crate::async_runtime::block_on;
use crate::server::lookup::{connect, running_servers};

/// How long completion may wait for servers and downloads.
const COMPLETION_TIMEOUT: Duration = Duration::from_millis(700);

/// Describes an installed version.
pub(crate) const INSTALLED: &str = "installed";

/// A name and its description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) about: String,
}

fn name(name: impl Into<String>, about: impl Into<String>) -> Name {
    Name { name: name.into(), about: about.into() }
}

pub(crate) fn environments() -> Result<Vec<Name>> {
    let listed = VenvManager::new(Home::from_env()?).list()?;
    Ok(listed
        .into_iter()
        .map(|status| {
            let python = status.record.as_ref().map(|record| format!("Python {}", record.python));
            name(status.name, python.unwrap_or_else(|| "not ours".to_owned()))
        })
        .collect())
}

/// The providers in `providers.toml`.
pub(crate) fn providers() -> Result<Vec<Name>> {
    let listed = VenvManager::new(Home::from_env()?).providers()?;
    let about = |ready| if ready { "everything it needs is installed" } else { "packages are missing" };
    Ok(listed.into_iter().map(|provider| name(provider.name, about(provider.ready))).collect())
}

/// Servers, including those that have ended: they can be restarted or forgotten.
pub(crate) fn servers() -> Result<Vec<Name>> {
    Ok(records(&Home::from_env()?)?
        .into_iter()
        .map(|(record, state)| {
            let urls: Vec<_> = record.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
            let standing = match state {
                ServerState::Elsewhere => "elsewhere, ",
                state if state.is_alive() => "",
                _ => "ended, ",
            };
            name(record.id.clone(), format!("{standing}{}, {}", record.environment, urls.join(" ")))
        })
        .collect())
}

/// The named tokens of the home.
pub(crate) fn tokens() -> Result<Vec<Name>> {
    let listed = NamedTokens::of(&Home::from_env()?).list()?;
    let about = |only: bool| if only { "for sessions only" } else { "for everything" };
    Ok(listed.into_iter().map(|token| name(token.name, about(token.sessions_only))).collect())
}

/// The sessions of running servers; a server that does not answer in time is left out.
pub(crate) fn sessions() -> Result<Vec<Name>> {
    let servers = running_servers(&Home::from_env()?)?;
    in_time(async {
        let mut found = Vec::new();
        for (record, _) in &servers {
            let sessions = connect(record)?.list_sessions().await.unwrap_or_default();
            found.extend(sessions.into_iter().map(|session| name(session.session_id, format!("server {}", record.id))));
        }
        Ok(found)
    })
}

pub(crate) fn runtimes() -> Result<Vec<Name>> {
    Ok(PythonRuntimeManager::new(Home::from_env()?)
        .list()?
        .into_iter()
        .map(|runtime| {
            let version = runtime.version.map_or_else(|| "broken".to_owned(), |version| format!("Python {version}"));
            let default = if runtime.is_default { ", the default" } else { "" };
            name(runtime.id, format!("{version}{default}"))
        })
        .collect())
}

/// Installed versions, then those available for download.
pub(crate) fn versions() -> Result<Vec<Name>> {
    let manager = PythonRuntimeManager::new(Home::from_env()?);
    let mut found: Vec<Name> = Vec::new();
    let mut add = |version: String, about: &str| {
        if found.iter().all(|known| known.name != version) {
            found.push(name(version, about));
        }
    };
    for version in manager.list()?.into_iter().filter_map(|runtime| runtime.version) {
        add(version.to_string(), INSTALLED);
    }
    let catalogue = in_time(async { Ok(manager.catalogue().await?) })?;
    for entry in catalogue.newest_for_platform(&Platform::host()) {
        add(entry.version.to_string(), "to download");
    }
    Ok(found)
}

fn in_time<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    block_on(async { tokio::time::timeout(COMPLETION_TIMEOUT, asked).await? })
}
