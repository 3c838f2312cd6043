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

use super::cancel::CancelIfGone;
use super::caps::is_looked_at;
use super::ladder::end_after;
use super::questions::Told;
use super::queue::Queue;
use super::sessions::SessionConfig;
use super::unanswered::{Killed, stopped};
use super::under_way::{Pending, ReplyTo};
use super::zygotes::Zygotes;
use super::{Reply, Request};
use crate::environment::InUse;
use crate::worker::resident_bytes;

/// An isolated namespace with its handles, living in one worker. Cheap to clone; all clones are the same session.
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) shared: Arc<Shared>,
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
pub(super) struct Shared {
    pub(super) id: String,
    /// Part of its handles' ids, so that one session's are never another's.
    pub(super) tag: String,
    pub(super) config: SessionConfig,
    pub(super) zygotes: Arc<Zygotes>,
    /// That its environment is in use, until it is closed: whoever waits for that can delete the environment then.
    in_use: Mutex<Option<Arc<InUse>>>,
    queue: Mutex<Queue>,
    /// Held while the stacks of the worker are written and read.
    pub(super) inspecting: tokio::sync::Mutex<()>,
    /// A call came while there was no worker.
    pub(super) wanted: Notify,
    /// A call came that has to be looked at while it runs.
    pub(super) to_look: Notify,
    /// What the life of the session has come to.
    pub(super) stage: watch::Sender<Stage>,
}

/// Where a session stands.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// A worker is being started.
    Starting,
    /// A worker takes calls.
    Serving { pid: i32 },
    /// No worker could be started; the next call tries again.
    Broken { problem: Problem },
    /// Calls are finished, new ones refused.
    Closing,
    /// Its worker is gone for good.
    Closed,
}

impl Shared {
    pub(super) fn new(id: String, tag: String, mut config: SessionConfig, zygotes: Arc<Zygotes>) -> Shared {
        let in_use = Mutex::new(config.in_use.take());
        let queue = Mutex::new(Queue::new(&config.limits, config.traffic.clone()));
        let inspecting = tokio::sync::Mutex::default();
        Shared {
            id,
            tag,
            config,
            zygotes,
            in_use,
            queue,
            inspecting,
            wanted: Notify::new(),
            to_look: Notify::new(),
            stage: watch::Sender::new(Stage::Starting),
        }
    }

    /// What a session like this one is made with.
    pub(super) fn config(&self) -> SessionConfig {
        let in_use = self.in_use.lock().expect("no panic while held").clone();
        SessionConfig { in_use, ..self.config.clone() }
    }

    /// Its worker is gone for good.
    pub(super) fn closed(&self) {
        self.in_use.lock().expect("no panic while held").take();
        self.stage.send_replace(Stage::Closed);
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
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
            Stage::Serving { pid } => Some(pid),
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
    pub async fn call(&self, request: Request) -> Reply {
        self.reply_to(request, |request, grace, reply| self.enqueue(request, grace, reply)).await
    }

    /// Waits for the reply to a call that the function enqueues.
    async fn reply_to(
        &self,
        request: Request,
        enqueue: impl FnOnce(Request, Duration, ReplyTo) -> Result<u64, Problem>,
    ) -> Reply {
        let grace = request.grace.unwrap_or(self.shared.config.limits.grace);
        let cancel_if_gone = request.cancel_if_gone;
        let (sender, reply) = oneshot::channel();
        let ticket = match enqueue(request, grace, ReplyTo::Caller(sender)) {
            Ok(ticket) => ticket,
            Err(problem) => return Reply::problem(problem, self.shared.queue().epoch),
        };
        let guard = cancel_if_gone.then(|| CancelIfGone::new(self.shared.clone(), ticket, grace));
        let reply = reply.await.unwrap_or_else(|_| Reply::problem(closing(), 0));
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
    fn watchdog(&self, ticket: u64, limit: Option<Duration>, grace: Duration) -> Option<AbortHandle> {
        let shared = &self.shared;
        limit.map(|limit| tokio::spawn(end_after(shared.clone(), ticket, limit, grace)).abort_handle())
    }

    /// Puts a call into the queue; its ticket.
    pub(super) fn enqueue(&self, request: Request, grace: Duration, reply: ReplyTo) -> Result<u64, Problem> {
        let shared = &self.shared;
        if matches!(*shared.stage.borrow(), Stage::Closing | Stage::Closed) {
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
        let ticket = queue.next_ticket();
        let watchdog = self.watchdog(ticket, limit, grace);
        queue.push(Pending { ticket, request, grace, reply, watchdog, ended: Vec::new() });
        // Looked at only now: whoever ends a stage tells those that wait, and this call waits already.
        match *shared.stage.borrow() {
            Stage::Broken { .. } => shared.wanted.notify_one(),
            Stage::Closed => queue.fail_waiting(&closing()),
            Stage::Starting | Stage::Serving { .. } | Stage::Closing => {}
        }
        Ok(ticket)
    }

    /// Carries out one operation on the thread that waits for the answer to this question, whose token it carries. It ends
    /// by itself: when it is stopped, the call around it goes on.
    pub async fn nest(&self, question: &str, request: Request) -> Reply {
        if is_looked_at(&request) {
            let detail = "a call within a callback has the processor time and the memory of the call around it: \
                it takes no limits of its own for them";
            let epoch = self.shared.queue().epoch;
            return Reply::problem(Problem::new(ErrorCode::InvalidRequest, detail), epoch);
        }
        self.reply_to(request, |request, grace, reply| self.enqueue_nested(question, request, grace, reply)).await
    }

    fn enqueue_nested(
        &self,
        question: &str,
        request: Request,
        grace: Duration,
        reply: ReplyTo,
    ) -> Result<u64, Problem> {
        let limit = self.time_of(&request)?;
        let mut queue = self.shared.queue();
        let ticket = queue.next_ticket();
        let watchdog = self.watchdog(ticket, limit, grace);
        let pending = Pending { ticket, request, grace, reply, watchdog: watchdog.clone(), ended: Vec::new() };
        queue.nest(question, pending).inspect_err(|_| watchdog.iter().for_each(AbortHandle::abort))?;
        Ok(ticket)
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
            if !matches!(stage, Stage::Closed) {
                *stage = Stage::Closing;
            }
        });
        shared.wanted.notify_one();
        let mut stage = shared.stage.subscribe();
        let closed = async |stage: &mut watch::Receiver<Stage>| {
            let _ = stage.wait_for(|stage| matches!(stage, Stage::Closed)).await;
        };
        if tokio::time::timeout(grace, closed(&mut stage)).await.is_err() {
            shared.queue().kill_worker(Killed::Closing);
            let _ = tokio::time::timeout(Duration::from_secs(5), closed(&mut stage)).await;
        }
    }

    /// Ends the worker, whatever it does, and returns the epoch of the next one when that is ready.
    pub async fn restart(&self) -> Result<u64, Problem> {
        let shared = &self.shared;
        let mut stage = shared.stage.subscribe();
        let before = match *stage.borrow_and_update() {
            Stage::Serving { pid } => Some(pid),
            _ => None,
        };
        shared.queue().kill_worker(Killed::Restarting);
        if matches!(*shared.stage.borrow(), Stage::Broken { .. }) {
            shared.wanted.notify_one();
            let _ = stage.changed().await;
        }
        let next = stage.wait_for(|stage| match stage {
            Stage::Serving { pid } => Some(*pid) != before,
            Stage::Starting => false,
            Stage::Broken { .. } | Stage::Closing | Stage::Closed => true,
        });
        match &*next.await.map_err(|_| closing())? {
            Stage::Broken { problem } => return Err(problem.clone()),
            Stage::Closing | Stage::Closed => return Err(closing()),
            Stage::Starting | Stage::Serving { .. } => {}
        }
        Ok(shared.queue().epoch)
    }

    /// Whether it has ended, or is about to.
    pub(super) fn is_over(&self) -> bool {
        matches!(*self.shared.stage.borrow(), Stage::Closing | Stage::Closed)
    }

    /// Waits until the first worker is ready; the problem where none could be started.
    pub(super) async fn ready(&self) -> Result<(), Problem> {
        let mut stage = self.shared.stage.subscribe();
        match &*stage.wait_for(|stage| !matches!(stage, Stage::Starting)).await.map_err(|_| closing())? {
            Stage::Broken { problem } => Err(problem.clone()),
            Stage::Closing | Stage::Closed => Err(closing()),
            Stage::Starting | Stage::Serving { .. } => Ok(()),
        }
    }
}

pub(super) fn closing() -> Problem {
    Problem::new(ErrorCode::ShuttingDown, "the session is closing and takes no more calls")
}
