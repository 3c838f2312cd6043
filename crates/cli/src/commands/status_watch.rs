//! `status --watch`: servers and their sessions, shown again and again.

use std::collections::HashMap;
use std::io::{IsTerminal, stdout};
use std::time::{Duration, Instant};

use anyhow::Result;
use beep_python_protocol::message::SessionInfo;
use beep_python_server::launch::{ServerRecord, ServerState, records};
use rustix::param::clock_ticks_per_second;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::session::memory;
use super::status::show;
use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::server::lookup::connect;
use crate::server::report::server_json;

/// How long a server may take to list its sessions.
const TIMEOUT: Duration = Duration::from_secs(1);

/// To the first place of the screen, and nothing behind it.
const CLEAR_SCREEN: &str = "\x1b[H\x1b[J";

/// The sessions of a server; none where it does not answer.
type Sessions = Option<Vec<SessionInfo>>;

/// Shows them until Ctrl-C, or until nothing reads them any more.
pub(super) async fn watch(context: &Context, interval: Duration) -> Result<ExitStatus> {
    let (home, printer) = (context.home()?, &context.printer);
    let mut processors = ProcessorTimes::default();
    while !printer.is_closed() {
        let servers = records(&home)?;
        let mut sessions = Vec::new();
        for (record, _) in servers.iter().filter(|(_, state)| state.is_alive()) {
            sessions.push((record.id.clone(), sessions_of(record).await));
        }
        let rows = rows(&sessions, &mut processors);
        if printer.is_json() {
            printer.line(as_json(&servers, &sessions));
        } else {
            if stdout().is_terminal() {
                printer.raw(CLEAR_SCREEN);
            }
            show(printer, &servers);
            printer.line("");
            printer.table(&["SERVER", "SESSION", "PID", "CALLS", "CPU", "MEMORY", "IDLE", "EPOCH"], rows);
            if !stdout().is_terminal() {
                printer.line("");
            }
        }
        sleep(interval).await;
    }
    Ok(ExitStatus::Success)
}

async fn sessions_of(record: &ServerRecord) -> Sessions {
    let client = connect(record).ok()?.with_timeout(TIMEOUT);
    tokio::time::timeout(TIMEOUT, client.list_sessions()).await.ok()?.ok()
}

fn as_json(servers: &[(ServerRecord, ServerState)], sessions: &[(String, Sessions)]) -> Value {
    let servers: Vec<Value> = servers.iter().map(|(record, state)| server_json(record, *state)).collect();
    let sessions: serde_json::Map<_, _> = sessions.iter().map(|(id, listed)| (id.clone(), json!(listed))).collect();
    json!({"servers": servers, "sessions": sessions})
}

fn rows(sessions: &[(String, Sessions)], processors: &mut ProcessorTimes) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (server, listed) in sessions {
        let Some(listed) = listed else {
            rows.push(vec![server.clone(), "(no answer)".to_owned()]);
            continue;
        };
        for info in listed {
            let percent = info.pid.and_then(|pid| processors.percent(pid));
            rows.push(vec![
                server.clone(),
                info.session_id.clone(),
                info.pid.map_or_else(String::new, |pid| pid.to_string()),
                info.calls.to_string(),
                percent.map_or_else(String::new, |percent| format!("{percent:.0} %")),
                memory(info),
                match (info.stopped, info.idle_ms) {
                    (true, _) => "stopped".to_owned(),
                    (false, idle) => idle.map_or_else(|| "runs".to_owned(), |ms| format!("{} s", ms / 1000)),
                },
                info.session_epoch.to_string(),
            ]);
        }
    }
    processors.forget_others();
    rows
}

/// The processor time of workers when they were last looked at.
#[derive(Default)]
struct ProcessorTimes {
    /// Ticks, and when; and whether it was looked at since the last time.
    seen: HashMap<i32, (u64, Instant, bool)>,
}

impl ProcessorTimes {
    /// How much of a processor the process has used since it was last looked at; none at first.
    fn percent(&mut self, pid: i32) -> Option<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (ticks, now) = (ticks(&stat)?, Instant::now());
        let (before, then, _) = self.seen.insert(pid, (ticks, now, true))?;
        let used = ticks.saturating_sub(before) as f64 / clock_ticks_per_second() as f64;
        Some(100.0 * used / now.duration_since(then).as_secs_f64())
    }

    fn forget_others(&mut self) {
        self.seen.retain(|_, (.., looked_at)| std::mem::take(looked_at));
    }
}

/// The processor time of a process: the fields 14 and 15 of its `stat`.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?; // the name before may have spaces
    let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_the_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 1 0 500 0 0";
        assert_eq!(ticks(stat), Some(42));
        let mut times = ProcessorTimes::default();
        let own = std::process::id().cast_signed();
        assert_eq!(times.percent(own), None);
        assert!(times.percent(own).is_some_and(|percent| percent >= 0.0));
        times.forget_others();
        times.forget_others();
        assert_eq!(times.percent(own), None);
    }
}
