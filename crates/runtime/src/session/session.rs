//! One session.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Outcome, Problem, ValueForm, WorkerDeath};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;

use crate::environment::UsageLock;
use crate::session::call::{Request, Response};
use crate::session::effective_limits::is_looked_at;
use crate::session::error::{KillReason, stopped};
use crate::session::interrupt::end_after;
use crate::session::manager::cancel::CancelOnDrop;
use crate::session::manager::manager::SessionConfig;
use crate::session::state::call_record::{QueuedCall, ReplySink};
use crate::session::state::client_requests::Told;
use crate::session::state::state::Queue;
use crate::session::zygote_pool::ZygoteSlot;
use crate::worker::resource_usage::resident_bytes;

/// An isolated namespace with its handles, living in one worker. Cheap to clone; all clones are the same session.
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) shared: Arc<SessionInner>,
}

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its id.
    pub id: String,
    /// 1 at first, one more after each restart.
    pub epoch: u64,
    /// Its worker process, while there is one.
    pub pid: Option<i32>,
    /// How many calls have no answer yet.
    pub calls: usize,
    /// The environment's folder.
    pub environment: PathBuf,
    /// The version of its Python, once it has started.
    pub python: Option<String>,
    /// What its client calls it.
    pub labels: BTreeMap<String, String>,
    /// For how long no call has been under way; `None` while one is.
    pub idle: Option<Duration>,
    /// How its last worker ended, where the session was restarted.
    pub last_death: Option<WorkerDeath>,
    /// The resident memory of its worker.
    pub memory_bytes: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct SessionInner {
    pub(crate) id: String,
    /// Part of its handles' ids, so that one session's are never another's.
    pub(crate) tag: String,
    pub(crate) config: SessionConfig,
    pub(crate) zygotes: Arc<ZygoteSlot>,
    /// That its environment is in use, until it is closed: whoever waits for that can delete the environment then.
    in_use: Mutex<Option<Arc<UsageLock>>>,
    queue: Mutex<Queue>,
    /// Held while the stacks of the worker are written and read.
    pub(crate) inspecting: tokio::sync::Mutex<()>,
    /// A call came while there was no worker.
    pub(crate) wanted: Notify,
    /// A call came that has to be looked at while it runs.
    pub(crate) to_look: Notify,
    /// What the life of the session has come to.
    pub(crate) stage: watch::Sender<Lifecycle>,
}

/// Where a session stands.
#[derive(Clone, Debug)]
pub(crate) enum Lifecycle {
    /// A worker is being started.
    Starting,
    /// A worker takes calls.
    Running { pid: i32 },
    /// No worker could be started; the next call tries again.
    Failed { problem: Problem },
    /// Calls are finished, new ones refused.
    Closing,
    /// Its worker is gone for good.
    Closed,
}

impl SessionInner {
    pub(crate) fn new(id: String, tag: String, mut config: SessionConfig, zygotes: Arc<ZygoteSlot>) -> SessionInner {
        let in_use = Mutex::new(config.in_use.take());
        let queue = Mutex::new(Queue::new(&config.limits, config.traffic.clone()));
        let inspecting = tokio::sync::Mutex::default();
        SessionInner {
            id,
            tag,
            config,
            zygotes,
            in_use,
            queue,
            inspecting,
            wanted: Notify::new(),
            to_look: Notify::new(),
            stage: watch::Sender::new(Lifecycle::Starting),
        }
    }

    /// What a session like this one is made with.
    pub(crate) fn config(&self) -> SessionConfig {
        let in_use = self.in_use.lock().expect("no panic while held").clone();
        SessionConfig { in_use, ..self.config.clone() }
    }

    /// Its worker is gone for good.
    pub(crate) fn closed(&self) {
        self.in_use.lock().expect("no panic while held").take();
        self.stage.send_replace(Lifecycle::Closed);
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no panic while held")
    }
}

impl Session {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// What is known of it now.
    pub fn info(&self) -> SessionInfo {
        let pid = match *self.shared.stage.borrow() {
            Lifecycle::Running { pid } => Some(pid),
            _ => None,
        };
        let shared = &self.shared;
        let memory_bytes = pid.and_then(resident_bytes);
        let queue = shared.queue();
        SessionInfo {
            id: shared.id.clone(),
            epoch: queue.epoch,
            pid,
            calls: queue.len(),
            environment: shared.config.environments.own().to_owned(),
            python: shared.zygotes.python_version(),
            labels: shared.config.labels.clone(),
            idle: queue.idle(),
            last_death: queue.last_death(),
            memory_bytes,
        }
    }

    /// Carries out one operation. Calls run one at a time, in order of arrival.
    ///
    /// The call goes on when the future is dropped, unless it asked to be cancelled then: whoever asked may be gone, but
    /// what was asked was asked.
    pub async fn call(&self, request: Request) -> Response {
        self.reply_to(request, |request, grace, reply| self.enqueue(request, grace, reply)).await
    }

    /// Waits for the reply to a call that the function enqueues.
    async fn reply_to(
        &self,
        request: Request,
        enqueue: impl FnOnce(Request, Duration, ReplySink) -> Result<u64, Problem>,
    ) -> Response {
        let grace = request.grace.unwrap_or(self.shared.config.limits.grace);
        let cancel_on_disconnect = request.cancel_on_disconnect;
        let (sender, reply) = oneshot::channel();
        let call_id = match enqueue(request, grace, ReplySink::Caller(sender)) {
            Ok(call_id) => call_id,
            Err(problem) => return Response::problem(problem, self.shared.queue().epoch),
        };
        let guard = cancel_on_disconnect.then(|| CancelOnDrop::new(self.shared.clone(), call_id, grace));
        let reply = reply.await.unwrap_or_else(|_| Response::problem(closing(), 0));
        if let Some(guard) = guard {
            guard.answered();
        }
        reply
    }

    /// How long a call may take; the problem where that is no time at all.
    fn time_of(&self, request: &Request) -> Result<Option<Duration>, Problem> {
        let limit = request.deadline.or(self.shared.config.limits.deadline);
        match limit.is_some_and(|limit| limit.is_zero()) {
            true => Err(stopped(ErrorCode::DeadlineExceeded, Outcome::NotStarted)),
            false => Ok(limit),
        }
    }

    /// The task that ends a call when its time is over.
    fn watchdog(&self, call_id: u64, limit: Option<Duration>, grace: Duration) -> Option<AbortHandle> {
        let shared = &self.shared;
        limit.map(|limit| tokio::spawn(end_after(shared.clone(), call_id, limit, grace)).abort_handle())
    }

    /// Puts a call into the queue; its ticket.
    pub(crate) fn enqueue(&self, request: Request, grace: Duration, reply: ReplySink) -> Result<u64, Problem> {
        let shared = &self.shared;
        if matches!(*shared.stage.borrow(), Lifecycle::Closing | Lifecycle::Closed) {
            return Err(closing());
        }
        let limit = self.time_of(&request)?;
        let mut queue = shared.queue();
        let most = shared.config.limits.waiting;
        if queue.len() >= most {
            let detail = format!("{most} calls wait for this session already; try again when some are done");
            return Err(Problem::new(ErrorCode::QueueFull, detail));
        }
        if is_looked_at(&request) {
            shared.to_look.notify_one();
        }
        let call_id = queue.next_ticket();
        let watchdog = self.watchdog(call_id, limit, grace);
        queue.push(QueuedCall { call_id, request, grace, reply, watchdog, ended: Vec::new() });
        // Looked at only now: whoever ends a stage tells those that wait, and this call waits already.
        match *shared.stage.borrow() {
            Lifecycle::Failed { .. } => shared.wanted.notify_one(),
            Lifecycle::Closed => queue.fail_waiting(&closing()),
            Lifecycle::Starting | Lifecycle::Running { .. } | Lifecycle::Closing => {}
        }
        Ok(call_id)
    }

    /// Carries out one operation on the thread that waits for the answer to this question, whose token it carries. It ends
    /// by itself: when it is stopped, the call around it goes on.
    pub async fn nest(&self, question: &str, request: Request) -> Response {
        if is_looked_at(&request) {
            let detail = "a call within a callback has the processor time and the memory of the call around it: \
                it takes no limits of its own for them";
            let epoch = self.shared.queue().epoch;
            return Response::problem(Problem::new(ErrorCode::InvalidRequest, detail), epoch);
        }
        self.reply_to(request, |request, grace, reply| self.enqueue_nested(question, request, grace, reply)).await
    }

    fn enqueue_nested(
        &self,
        question: &str,
        request: Request,
        grace: Duration,
        reply: ReplySink,
    ) -> Result<u64, Problem> {
        let limit = self.time_of(&request)?;
        let mut queue = self.shared.queue();
        let call_id = queue.next_ticket();
        let watchdog = self.watchdog(call_id, limit, grace);
        let pending = QueuedCall { call_id, request, grace, reply, watchdog: watchdog.clone(), ended: Vec::new() };
        queue.nest(question, pending).inspect_err(|_| watchdog.iter().for_each(AbortHandle::abort))?;
        Ok(call_id)
    }

    /// Answers a question. The request is `{"questionId", "value"}`, or `error` or `eof` in place of the value.
    pub fn answer(&self, body: Bytes, form: ValueForm) -> Result<(), Problem> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Named {
            question_id: String,
        }
        let named: Named = serde_json::from_slice(&body)
            .map_err(|error| Problem::new(ErrorCode::InvalidRequest, format!("the answer cannot be read: {error}")))?;
        self.shared.queue().questions().answer(&named.question_id, Told { body, form })
    }

    /// Refuses new calls, waits for those that are under way, at most for `grace`, and ends the worker.
    pub async fn close(&self, grace: Duration) {
        let shared = &self.shared;
        shared.stage.send_modify(|stage| {
            if !matches!(stage, Lifecycle::Closed) {
                *stage = Lifecycle::Closing;
            }
        });
        shared.wanted.notify_one();
        let mut stage = shared.stage.subscribe();
        let closed = async |stage: &mut watch::Receiver<Lifecycle>| {
            let _ = stage.wait_for(|stage| matches!(stage, Lifecycle::Closed)).await;
        };
        if tokio::time::timeout(grace, closed(&mut stage)).await.is_err() {
            shared.queue().kill_worker(KillReason::Closing);
            let _ = tokio::time::timeout(Duration::from_secs(5), closed(&mut stage)).await;
        }
    }

    /// Ends the worker, whatever it does, and returns the epoch of the next one when that is ready.
    pub async fn restart(&self) -> Result<u64, Problem> {
        let shared = &self.shared;
        let mut stage = shared.stage.subscribe();
        let before = match *stage.borrow_and_update() {
            Lifecycle::Running { pid } => Some(pid),
            _ => None,
        };
        shared.queue().kill_worker(KillReason::Restarting);
        if matches!(*shared.stage.borrow(), Lifecycle::Failed { .. }) {
            shared.wanted.notify_one();
            let _ = stage.changed().await;
        }
        let next = stage.wait_for(|stage| match stage {
            Lifecycle::Running { pid } => Some(*pid) != before,
            Lifecycle::Starting => false,
            Lifecycle::Failed { .. } | Lifecycle::Closing | Lifecycle::Closed => true,
        });
        match &*next.await.map_err(|_| closing())? {
            Lifecycle::Failed { problem } => return Err(problem.clone()),
            Lifecycle::Closing | Lifecycle::Closed => return Err(closing()),
            Lifecycle::Starting | Lifecycle::Running { .. } => {}
        }
        Ok(shared.queue().epoch)
    }

    /// Whether it has ended, or is about to.
    pub(crate) fn is_over(&self) -> bool {
        matches!(*self.shared.stage.borrow(), Lifecycle::Closing | Lifecycle::Closed)
    }

    /// Waits until the first worker is ready; the problem where none could be started.
    pub(crate) async fn ready(&self) -> Result<(), Problem> {
        let mut stage = self.shared.stage.subscribe();
        match &*stage.wait_for(|stage| !matches!(stage, Lifecycle::Starting)).await.map_err(|_| closing())? {
            Lifecycle::Failed { problem } => Err(problem.clone()),
            Lifecycle::Closing | Lifecycle::Closed => Err(closing()),
            Lifecycle::Starting | Lifecycle::Running { .. } => Ok(()),
        }
    }
}

pub(crate) fn closing() -> Problem {
    Problem::new(ErrorCode::ShuttingDown, "the session is closing and takes no more calls")
}
