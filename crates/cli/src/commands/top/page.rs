//! What one look finds, as lines.

use beep_python_protocol::message::SessionInfo;
use unicode_width::UnicodeWidthStr;

use super::figures::{Figures, Rates, ServerFigures, SessionFigures};
use super::sort::Sort;
use crate::server::lookup::ServerAddress;

/// A line, and what it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) is_title: bool,
}

/// A column: its title, and whether its cells are numbers.
type Column = (&'static str, bool);

const SERVERS: [Column; 9] = [
    ("SERVER", false),
    ("STATE", false),
    ("SESSIONS", true),
    ("QUEUE", true),
    ("CALLS/S", true),
    ("ERRORS", true),
    ("CPU", true),
    ("MEMORY", true),
    ("ENDPOINT", false),
];
const SESSIONS: [Column; 11] = [
    ("SERVER", false),
    ("SESSION", false),
    ("RUNS", false),
    ("FOR", true),
    ("QUEUE", true),
    ("CALLS/S", true),
    ("ERRORS", true),
    ("CPU", true),
    ("MEMORY", true),
    ("PID", true),
    ("REQUEST", false),
];

/// The servers, then the sessions of all of them.
pub(super) fn lines(figures: &Figures, sort: Sort) -> Vec<Line> {
    if figures.servers.is_empty() {
        return vec![Line { text: "No server is running.".to_owned(), is_title: false }];
    }
    let mut lines = table(&SERVERS, figures.servers.iter().map(server_row).collect());
    let mut sessions: Vec<(&str, &SessionFigures)> = figures
        .servers
        .iter()
        .flat_map(|server| server.sessions.iter().flatten().map(|session| (server.server.name(), session)))
        .collect();
    sessions.sort_by(|(_, a), (_, b)| sort.figure(b).total_cmp(&sort.figure(a)));
    if !sessions.is_empty() {
        lines.push(Line { text: String::new(), is_title: false });
        lines.extend(table(&SESSIONS, sessions.into_iter().map(session_row).collect()));
    }
    lines
}

fn server_row(server: &ServerFigures) -> Vec<String> {
    let endpoints = match &server.server {
        ServerAddress::Known(record) => {
            record.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect::<Vec<_>>().join(" ")
        }
        ServerAddress::Url(url) => url.clone(),
    };
    let name = shown(server.server.name());
    let state = server.state_name().to_owned();
    let Some(sessions) = &server.sessions else {
        return [vec![name, state], vec![String::new(); 6], vec![shown(&endpoints)]].concat();
    };
    let memory = mebibytes(server.memory_bytes());
    let [calls, errors, cpu] = rate_cells(server.rates());
    let (sessions, waiting) = (sessions.len().to_string(), server.waiting().to_string());
    vec![name, state, sessions, waiting, calls, errors, cpu, memory, shown(&endpoints)]
}

fn session_row((server, session): (&str, &SessionFigures)) -> Vec<String> {
    let info = &session.info;
    let [calls, errors, cpu] = rate_cells(session.rates);
    let (runs, time) = what_runs(info);
    let request = info.running.as_ref().and_then(|call| call.request_id.as_deref());
    vec![
        shown(server),
        shown(&info.session_id),
        runs,
        time.map_or_else(String::new, span),
        session.waiting().to_string(),
        calls,
        errors,
        cpu,
        info.memory_bytes.map_or_else(String::new, mebibytes),
        info.pid.map_or_else(String::new, |pid| pid.to_string()),
        request.map_or_else(String::new, shown),
    ]
}

/// What a session does, and for how many milliseconds.
fn what_runs(info: &SessionInfo) -> (String, Option<u64>) {
    match &info.running {
        _ if info.stopped => ("(stopped)".to_owned(), info.running_ms),
        Some(call) => (shown(&call.operation), info.running_ms),
        None => ("(idle)".to_owned(), info.idle_ms),
    }
}

/// Calls per second, the share of those that failed, and that of a processor.
fn rate_cells(rates: Option<Rates>) -> [String; 3] {
    let Some(rates) = rates else { return Default::default() };
    let percent = |percent: Option<f64>| percent.map_or_else(String::new, |percent| format!("{percent:.0} %"));
    [format!("{:.1}", rates.calls_per_second), percent(rates.failed_percent()), percent(rates.cpu_percent)]
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn span(ms: u64) -> String {
    match ms / 1000 {
        0 => format!("{ms} ms"),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86400),
    }
}

/// The text without what a terminal would obey: some of it is what clients chose.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// Columns below their titles.
fn table(columns: &[Column], rows: Vec<Vec<String>>) -> Vec<Line> {
    let titles = columns.iter().map(|(title, _)| (*title).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(titles).chain(rows).collect();
    let widest = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let line = |(n, row): (usize, &Vec<String>)| {
        let cells = row.iter().zip(columns).zip(&widths).map(|((cell, (_, is_number)), width)| {
            let pad = " ".repeat(width - cell.width());
            if *is_number { pad + cell } else { format!("{cell}{pad}") }
        });
        Line { text: cells.collect::<Vec<_>>().join("  ").trim_end().to_owned(), is_title: n == 0 }
    };
    rows.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn session(id: &str, more: serde_json::Value, rates: Option<Rates>) -> SessionFigures {
        let mut told = json!({"sessionId": id});
        more.as_object().unwrap().iter().for_each(|(key, value)| told[key] = value.clone());
        SessionFigures { info: serde_json::from_value(told).unwrap(), rates }
    }

    fn one_server() -> Figures {
        let rates = |calls, failed, cpu| {
            Some(Rates { calls_per_second: calls, failed_per_second: failed, cpu_percent: Some(cpu) })
        };
        let busy = json!({
            "calls": 3, "pid": 77, "memoryBytes": 3 << 20, "runningMs": 61_500,
            "running": {"callId": 7, "requestId": "mine\u{1b}[2J", "operation": "eval", "ageMs": 62_000}
        });
        let idle = json!({"idleMs": 250, "pid": 7, "memoryBytes": 5 << 20});
        let sessions = vec![
            session("default", idle, rates(20.0, 5.0, 3.0)),
            session("s1", busy, rates(0.0, 0.0, 99.6)),
            session("s2", json!({"idleMs": 9_000_000, "stopped": true}), None),
        ];
        let url = ServerAddress::Url("http://127.0.0.1:5678".to_owned());
        Figures { servers: vec![ServerFigures { server: url, state: None, sessions: Some(sessions) }] }
    }

    fn text(figures: &Figures, sort: Sort) -> String {
        lines(figures, sort).into_iter().map(|line| line.text + "\n").collect()
    }

    #[test]
    fn sessions_stand_below_their_servers_the_busiest_first() {
        insta::assert_snapshot!(text(&one_server(), Sort::Cpu), @r"
        SERVER                 STATE    SESSIONS  QUEUE  CALLS/S  ERRORS    CPU   MEMORY  ENDPOINT
        http://127.0.0.1:5678  running         3      2     20.0    25 %  103 %  8.0 MiB  http://127.0.0.1:5678

        SERVER                 SESSION  RUNS          FOR  QUEUE  CALLS/S  ERRORS    CPU   MEMORY  PID  REQUEST
        http://127.0.0.1:5678  s1       eval         61 s      2      0.0          100 %  3.0 MiB   77  mine\u{1b}[2J
        http://127.0.0.1:5678  default  (idle)     250 ms      0     20.0    25 %    3 %  5.0 MiB    7
        http://127.0.0.1:5678  s2       (stopped)              0
        ");
    }

    #[test]
    fn each_figure_sorts() {
        for (sort, first) in
            [(Sort::Cpu, "s1"), (Sort::Memory, "default"), (Sort::Time, "s1"), (Sort::Calls, "default")]
        {
            let text = text(&one_server(), sort);
            let row = text.lines().skip_while(|line| !line.is_empty()).nth(2).unwrap().to_owned();
            assert_eq!(row.split_whitespace().nth(1), Some(first), "{sort:?}\n{text}");
        }
    }

    #[test]
    fn server_that_does_not_answer_is_shown_as_that() {
        let server = ServerAddress::Url("http://127.0.0.1:1".to_owned());
        let figures = Figures { servers: vec![ServerFigures { server, state: None, sessions: None }] };
        let text = text(&figures, Sort::Cpu);
        assert!(text.lines().nth(1).unwrap().starts_with("http://127.0.0.1:1  no answer "), "{text}");
        assert_eq!(figures.as_json()["sessions"]["http://127.0.0.1:1"], serde_json::Value::Null);
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        let spans = [5, 1000, 119_000, 120_000, 7_200_000, 172_800_000].map(span);
        assert_eq!(spans, ["5 ms", "1 s", "119 s", "2 min", "2 h", "2 days"]);
    }
}
