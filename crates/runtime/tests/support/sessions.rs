//! Sessions to test with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use beep_python_protocol::{Operation, Problem};
use beep_python_runtime::interpreter::{SearchPaths, discover};
use beep_python_runtime::platform::Home;
use beep_python_runtime::session::{
    CallResult, Capacity, Request, Response, Session, SessionLimits, SessionManager, SessionManagerOptions,
};
use serde_json::{Value, json};

/// A reply, with its body read.
pub struct Told {
    pub reply: Response,
    body: Value,
    bytes: Vec<u8>,
}

impl From<Response> for Told {
    fn from(reply: Response) -> Told {
        let bytes = match &reply.result {
            CallResult::Value(body)
            | CallResult::Handle(body)
            | CallResult::Object(body)
            | CallResult::Exception(body) => body.contiguous().to_vec(),
            CallResult::Floats(body) | CallResult::FloatRows(body) => body.contiguous().to_vec(),
            CallResult::Datum(datum) => panic!("data: {datum:?}"),
            CallResult::Problem(_) => Vec::new(),
        };
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Told { reply, body, bytes }
    }
}

impl Told {
    pub fn value(&self) -> &Value {
        assert!(matches!(self.reply.result, CallResult::Value(_)), "no value: {:?} {}", self.reply.result, self.body);
        &self.body
    }

    pub fn object(&self) -> &Value {
        assert!(
            matches!(self.reply.result, CallResult::Object(_) | CallResult::Handle(_)),
            "no object: {:?}",
            self.reply.result
        );
        &self.body
    }

    pub fn bytes(&self) -> &[u8] {
        assert!(
            matches!(self.reply.result, CallResult::Floats(_) | CallResult::FloatRows(_)),
            "{:?}",
            self.reply.result
        );
        &self.bytes
    }

    pub fn exception(&self) -> &Value {
        assert!(matches!(self.reply.result, CallResult::Exception(_)), "no exception: {:?}", self.reply.result);
        &self.body["exception"]
    }

    pub fn problem(&self) -> &Problem {
        match &self.reply.result {
            CallResult::Datum(datum) => panic!("data: {datum:?}"),
            CallResult::Problem(problem) => problem,
            other => panic!("no problem: {other:?} {}", self.body),
        }
    }
}

pub async fn send(session: &Session, operation: Operation, body: Value) -> Told {
    Told::from(session.call(Request::new(operation, body.to_string())).await)
}

pub async fn eval(session: &Session, code: &str) -> Told {
    send(session, Operation::Evaluate, json!({ "expression": code })).await
}

/// One Python of each minor version found here.
pub fn pythons() -> Vec<PathBuf> {
    let home = tempfile::tempdir().expect("a folder");
    let home = Home::open(home.path()).expect("a home");
    let found = discover(&home, &SearchPaths::from_env()).expect("a search");
    let by_series: BTreeMap<_, _> =
        found.into_iter().rev().map(|python| (python.version.series(), python.path)).collect();
    assert!(!by_series.is_empty(), "these tests need a CPython of 3.9 or later on the machine");
    by_series.into_values().collect()
}

pub fn on_every_python(test: impl AsyncFn(&SessionManager)) {
    for python in pythons() {
        println!("with {}", python.display());
        run(python, |_| (), &test);
    }
}

pub fn on_one_python(test: impl AsyncFn(&SessionManager)) {
    with_options(|_| (), test);
}

pub fn with_options(change: impl FnOnce(&mut SessionManagerOptions), test: impl AsyncFn(&SessionManager)) {
    run(pythons().pop().expect("a Python"), change, &test);
}

fn run(python: PathBuf, change: impl FnOnce(&mut SessionManagerOptions), test: &impl AsyncFn(&SessionManager)) {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::open(folder.path()).expect("a home");
    let mut options = SessionManagerOptions {
        python,
        environment: folder.path().join("environments/none"),
        home,
        preload: Vec::new(),
        directory: None,
        python_path: Vec::new(),
        stdin: None,
        limits: SessionLimits { grace: Duration::from_secs(5), ..SessionLimits::default() },
        capacity: Capacity::default(),
        drain: Duration::from_secs(5),
        dedicated_thread: true,
    };
    change(&mut options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let sessions = SessionManager::start(options).await.expect("sessions start");
        test(&sessions).await;
        let pids: Vec<_> = sessions.list().into_iter().filter_map(|info| info.pid).collect();
        sessions.shut_down(Duration::from_secs(2)).await;
        for pid in pids {
            gone(pid as u32).await;
        }
    });
}

/// Waits until a process is no more; fails when it stays.
pub async fn gone(pid: u32) {
    let began = Instant::now();
    while is_there(pid) {
        assert!(began.elapsed() < Duration::from_secs(60), "process {pid} is still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process runs; one that has ended and was not waited for does not.
pub fn is_there(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with('Z'))
}

#[allow(dead_code)]
pub fn kill(pid: i64) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a process id")).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}
