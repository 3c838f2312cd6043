//! Looking at servers, again and again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use beep_python_client::{AnyBackend, SessionInfo};
use beep_python_runtime::platform::Home;
use beep_python_server::launch::{ServerRecord, ServerState, records};
use futures_util::future::join_all;

use super::figures::{Figures, Rates, ServerFigures, SessionFigures};
use crate::server::lookup::{ServerAddress, connect, find_address};

/// How long a server may take to list its sessions.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What is looked at, and what the last look counted.
pub(super) struct Looks {
    home: Home,
    server: Option<ServerAddress>,
    /// By the names of the servers.
    clients: HashMap<String, AnyBackend>,
    /// By server and session.
    before: HashMap<(String, String), Counted>,
}

/// What a session had counted at some time.
#[derive(Clone, Copy)]
struct Counted {
    at: Instant,
    answered: u64,
    failed: u64,
    cpu_ms: Option<u64>,
    epoch: u64,
}

impl Looks {
    /// At this server, or at all of the home.
    pub(super) fn new(home: Home, server: Option<&str>) -> Result<Looks> {
        let server = server.map(|server| find_address(&home, Some(server))).transpose()?;
        Ok(Looks { home, server, clients: HashMap::new(), before: HashMap::new() })
    }

    /// Looks once.
    pub(super) async fn look(&mut self) -> Result<Figures> {
        let servers: Vec<(ServerAddress, Option<ServerState>)> = match &self.server {
            Some(ServerAddress::Url(url)) => vec![(ServerAddress::Url(url.clone()), None)],
            Some(ServerAddress::Known(record)) => {
                let known = self.records()?.into_iter().filter(|(found, _)| found.id == record.id);
                known.map(|(record, state)| (record.into(), Some(state))).collect()
            }
            None => self.records()?.into_iter().map(|(record, state)| (record.into(), Some(state))).collect(),
        };
        self.clients.retain(|name, _| servers.iter().any(|(server, _)| server.name() == name));
        for (server, _) in servers.iter().filter(|(_, state)| answers(*state)) {
            if !self.clients.contains_key(server.name())
                && let Ok(client) = connect_to(server)
            {
                self.clients.insert(server.name().to_owned(), client.with_timeout(TIMEOUT));
            }
        }
        let clients = servers.iter().map(|(server, _)| self.clients.get(server.name()));
        let listed: Vec<Option<Vec<SessionInfo>>> = join_all(clients.map(sessions_of)).await;
        let mut counted = HashMap::new();
        let found = servers.into_iter().zip(listed).map(|((server, state), listed)| {
            let name = server.name().to_owned();
            let sessions = listed.map(|listed| listed.into_iter().map(|info| self.figures(&name, info, &mut counted)));
            let sessions = sessions.map(|sessions| sessions.collect::<Vec<_>>());
            ServerFigures { server, state, sessions }
        });
        let servers = found.collect();
        self.before = counted;
        Ok(Figures { servers })
    }

    fn records(&self) -> Result<Vec<(ServerRecord, ServerState)>> {
        Ok(records(&self.home)?)
    }

    fn figures(
        &self,
        server: &str,
        info: SessionInfo,
        counted: &mut HashMap<(String, String), Counted>,
    ) -> SessionFigures {
        let key = (server.to_owned(), info.session_id.clone());
        let now = Counted {
            at: Instant::now(),
            answered: info.answered,
            failed: info.failed,
            cpu_ms: info.cpu_ms,
            epoch: info.session_epoch,
        };
        let rates = self.before.get(&key).map(|before| rates(before, &now));
        counted.insert(key, now);
        SessionFigures { info, rates }
    }
}

fn connect_to(server: &ServerAddress) -> Result<AnyBackend> {
    match server {
        ServerAddress::Known(record) => connect(record),
        ServerAddress::Url(_) => server.connect(),
    }
}

/// Whether a server may answer; one of a URL has no state.
fn answers(state: Option<ServerState>) -> bool {
    state.is_none_or(ServerState::is_alive)
}

/// The sessions of a server; none where it does not answer in time.
async fn sessions_of(client: Option<&AnyBackend>) -> Option<Vec<SessionInfo>> {
    tokio::time::timeout(TIMEOUT, client?.list_sessions()).await.ok()?.ok()
}

/// What became of a session's figures. Those of another worker, or of another server with the same name, begin at zero.
fn rates(before: &Counted, now: &Counted) -> Rates {
    let seconds = now.at.saturating_duration_since(before.at).as_secs_f64().max(f64::EPSILON);
    let calls = now.answered.checked_sub(before.answered).unwrap_or(now.answered);
    let failed = now.failed.checked_sub(before.failed).unwrap_or(now.failed);
    let cpu_before = before.cpu_ms.filter(|_| before.epoch == now.epoch).unwrap_or(0);
    let cpu = now.cpu_ms.and_then(|cpu| cpu.checked_sub(cpu_before));
    Rates {
        calls_per_second: calls as f64 / seconds,
        failed_per_second: failed as f64 / seconds,
        cpu_percent: cpu.map(|cpu| cpu as f64 / 10.0 / seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_came_to_the_figures_in_the_time_between() {
        let at = Instant::now();
        let before = Counted { at, answered: 10, failed: 1, cpu_ms: Some(500), epoch: 1 };
        let later = at + Duration::from_secs(2);
        let now = Counted { at: later, answered: 30, failed: 6, cpu_ms: Some(1500), epoch: 1 };
        let told = rates(&before, &now);
        assert_eq!((told.calls_per_second, told.failed_per_second, told.cpu_percent), (10.0, 2.5, Some(50.0)));
        let restarted = rates(&before, &Counted { at: later, answered: 10, failed: 1, cpu_ms: Some(100), epoch: 2 });
        assert_eq!((restarted.calls_per_second, restarted.cpu_percent), (0.0, Some(5.0)));
        let another = rates(&before, &Counted { at: later, answered: 4, failed: 0, cpu_ms: None, epoch: 1 });
        assert_eq!((another.calls_per_second, another.cpu_percent), (2.0, None));
    }
}
