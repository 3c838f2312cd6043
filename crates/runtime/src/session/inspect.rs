//! Inspecting a session while it is busy: what it runs, and the stack of every thread of its worker, without stopping it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use beep_python_protocol::message::CallInfo;
use beep_python_protocol::{ThreadStack, WorkerDeath};

use crate::session::session::Session;
use crate::session::shared::running;
use crate::worker::resource_usage::{ProcessFigures, resident_bytes};
use crate::worker::stack_dump::stacks;

/// How many waiting calls are listed.
const MAX_LISTED: usize = 100;

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its id.
    pub id: String,
    /// 1 at first, one more after each restart.
    pub epoch: u64,
    /// The process id of its worker, while there is one.
    pub pid: Option<i32>,
    /// How many calls have no response yet.
    pub calls: usize,
    /// How many calls have had their response, isolated ones that it was the template of among them.
    pub answered: u64,
    /// How many of these were answered with a problem or an exception.
    pub failed: u64,
    /// The call that is running.
    pub running: Option<CallInfo>,
    /// For how long that has run.
    pub running_for: Option<Duration>,
    /// The folder of its environment.
    pub environment: PathBuf,
    /// The version of its Python, once that has started.
    pub python: Option<String>,
    /// The labels that its client gave it.
    pub labels: BTreeMap<String, String>,
    /// For how long no call has been in progress; `None` while one is.
    pub idle: Option<Duration>,
    /// How its last worker ended, where the session was restarted.
    pub last_death: Option<WorkerDeath>,
    /// The resident memory of its worker, in bytes.
    pub memory_bytes: Option<u64>,
    /// The processor time of its worker, and of the ended processes that this had started.
    pub cpu: Option<Duration>,
    /// Whether its worker is stopped, by a signal or a debugger, and so answers nothing.
    pub stopped: bool,
    /// How long it may be without a call.
    pub idle_timeout: Option<Duration>,
}

impl Session {
    /// What is known of it now.
    pub fn info(&self) -> SessionInfo {
        let inner = &self.inner;
        let pid = inner.read(|state, _| state.lifecycle().link()).map(|link| link.pid);
        let memory_bytes = pid.and_then(resident_bytes);
        let figures = pid.and_then(ProcessFigures::read);
        let (answered, failed) = inner.tally.read();
        let now = Instant::now();
        inner.read(|state, link| SessionInfo {
            id: inner.id.clone(),
            epoch: state.stats().epoch,
            pid,
            calls: state.calls_in_progress(),
            answered,
            failed,
            running: state.describe_calls(running(link), 0, now).0,
            running_for: state.running_for(running(link), now),
            environment: inner.config.environments.own().to_owned(),
            python: inner.zygote.python_version(),
            labels: inner.config.labels.clone(),
            idle: state.idle_for(now),
            last_death: state.stats().last_exit.clone(),
            memory_bytes,
            cpu: figures.map(|figures| figures.cpu),
            stopped: figures.is_some_and(|figures| figures.stopped),
            idle_timeout: inner.config.idle_timeout,
        })
    }

    /// The stacks of all threads of its worker; none where there is no worker, or it does not answer in time.
    ///
    /// They are written by the interpreter's own fault handler, which runs even while native code does.
    pub async fn stacks(&self) -> Vec<ThreadStack> {
        // One at a time: all of a worker's dumps go to the same memory.
        let _turn = self.inner.inspecting.lock().await;
        match self.inner.read(|_, link| link.cloned()) {
            Some(link) => stacks(&link.worker, &link.page).await,
            None => Vec::new(),
        }
    }

    /// The first of the calls that wait, in the order of their turns.
    pub fn waiting(&self) -> Vec<CallInfo> {
        self.inner.read(|state, link| state.describe_calls(running(link), MAX_LISTED, Instant::now()).1)
    }
}
