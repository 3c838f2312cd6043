//! What one look finds.

use beep_python_client::SessionInfo;
use beep_python_server::launch::ServerState;
use serde_json::{Value, json};

use crate::server::lookup::ServerAddress;
use crate::server::report::{server_json, state_name};

/// What one look finds.
pub(super) struct Figures {
    pub(super) servers: Vec<ServerFigures>,
}

/// A server.
pub(super) struct ServerFigures {
    pub(super) server: ServerAddress,
    /// None of a server that is known by its URL alone.
    pub(super) state: Option<ServerState>,
    /// None where it does not answer.
    pub(super) sessions: Option<Vec<SessionFigures>>,
}

/// A session.
pub(super) struct SessionFigures {
    pub(super) info: SessionInfo,
    /// None at the first look.
    pub(super) rates: Option<Rates>,
}

/// What a session did since the last look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    pub(super) calls_per_second: f64,
    pub(super) failed_per_second: f64,
    /// How much of a processor its worker takes; none where there is no worker.
    pub(super) cpu_percent: Option<f64>,
}

impl Rates {
    /// How many of a hundred calls failed; none where there was none.
    pub(super) fn failed_percent(&self) -> Option<f64> {
        (self.calls_per_second > 0.0).then(|| 100.0 * self.failed_per_second / self.calls_per_second)
    }
}

impl SessionFigures {
    /// How many calls wait behind the one that runs.
    pub(super) fn waiting(&self) -> u64 {
        self.info.calls.saturating_sub(u64::from(self.info.running.is_some()))
    }
}

impl ServerFigures {
    /// Its state in a word.
    pub(super) fn state_name(&self) -> &'static str {
        match (self.state, &self.sessions) {
            (Some(ServerState::Running) | None, None) => "no answer",
            (Some(state), _) => state_name(state),
            (None, Some(_)) => "running",
        }
    }

    /// Of all its sessions together; none before the second look.
    pub(super) fn rates(&self) -> Option<Rates> {
        let of_sessions = self.sessions.iter().flatten().filter_map(|session| session.rates);
        of_sessions.reduce(|all, one| Rates {
            calls_per_second: all.calls_per_second + one.calls_per_second,
            failed_per_second: all.failed_per_second + one.failed_per_second,
            cpu_percent: match (all.cpu_percent, one.cpu_percent) {
                (None, None) => None,
                (all, one) => Some(all.unwrap_or(0.0) + one.unwrap_or(0.0)),
            },
        })
    }

    /// The memory of its workers.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.sessions.iter().flatten().filter_map(|session| session.info.memory_bytes).sum()
    }

    /// How many calls wait in its sessions.
    pub(super) fn waiting(&self) -> u64 {
        self.sessions.iter().flatten().map(SessionFigures::waiting).sum()
    }

    fn as_json(&self) -> Value {
        let mut told = match (&self.server, self.state) {
            (ServerAddress::Known(record), Some(state)) => server_json(record, state),
            _ => json!({"id": self.server.name(), "state": self.state_name()}),
        };
        told["answers"] = self.sessions.is_some().into();
        if self.sessions.is_some() {
            told["memoryBytes"] = self.memory_bytes().into();
            told["waiting"] = self.waiting().into();
        }
        add_rates(&mut told, self.rates());
        told
    }

    fn sessions_json(&self) -> Value {
        let told = |session: &SessionFigures| {
            let mut told = json!(session.info);
            told["waiting"] = session.waiting().into();
            add_rates(&mut told, session.rates);
            told
        };
        self.sessions.as_ref().map_or(Value::Null, |sessions| sessions.iter().map(told).collect())
    }
}

impl Figures {
    /// All of it, with the sessions by the ids of their servers.
    pub(super) fn as_json(&self) -> Value {
        let sessions = self.servers.iter().map(|server| (server.server.name().to_owned(), server.sessions_json()));
        json!({
            "servers": self.servers.iter().map(ServerFigures::as_json).collect::<Vec<_>>(),
            "sessions": sessions.collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn add_rates(told: &mut Value, rates: Option<Rates>) {
    if let Some(rates) = rates {
        told["callsPerSecond"] = rates.calls_per_second.into();
        told["failedPerSecond"] = rates.failed_per_second.into();
        told["cpuPercent"] = json!(rates.cpu_percent);
    }
}
