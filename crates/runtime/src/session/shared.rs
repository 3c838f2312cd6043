//! What the session's handle and its supervisor share: the state, the link, and the way of carrying out effects.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, broadcast, watch};

use crate::environment::UsageLock;
use crate::session::call::{CallResult, Response};
use crate::session::environment_service::service::EnvironmentService;
use crate::session::limits::SessionLimits;
use crate::session::metrics::SessionMetrics;
use crate::session::spin::AdaptiveSpin;
use crate::session::state::effect::{Effect, Effects};
use crate::session::state::lifecycle::Lifecycle;
use crate::session::state::state::SessionState;
use crate::session::zygote_pool::ZygoteSlot;
use crate::worker::data_ledger::DataLedger;
use crate::worker::data_link::DataLink;
use crate::worker::resource_usage::resident_bytes;
use crate::worker::scratch::ScratchPool;
use crate::worker::shared_page::{SLOTS, SharedPage};
use crate::worker::wire::{HostMessage, TakesData, WireId};
use crate::worker::worker::Worker;
use crate::worker::write_queue::WriteQueue;

/// What a session is made with.
#[derive(Clone, Debug)]
pub(crate) struct SessionConfig {
    pub(crate) limits: SessionLimits,
    /// How long its end may take.
    pub(crate) drain: Duration,
    /// What each worker does before its first call: a JSON object, `{"env", "setup"}`.
    pub(crate) setup: Option<Bytes>,
    /// The session ends after so long without a call.
    pub(crate) idle_timeout: Option<Duration>,
    /// The spin of the host's thread, where that thread does nothing but pass on calls.
    pub(crate) spin: Option<Arc<AdaptiveSpin>>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) metrics: Arc<SessionMetrics>,
    /// What Python code reaches when it calls the host.
    pub(crate) environments: EnvironmentService,
    /// Keeps the session's environment from being deleted, where it is not the host's own.
    pub(crate) usage_lock: Option<Arc<UsageLock>>,
}

/// The link to a worker that takes calls.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) worker: Arc<Worker>,
    pub(crate) page: Arc<SharedPage>,
    /// Requests on their way to the worker.
    pub(crate) requests: Arc<WriteQueue>,
    /// On the host pair: answers, and nested requests, on their way to the worker.
    pub(crate) host: Arc<WriteQueue>,
    /// Memory on its way.
    pub(crate) data: Arc<DataLink>,
}

/// One session, as its handles and its supervisor share it.
#[derive(Debug)]
pub(crate) struct SessionInner {
    pub(crate) id: String,
    /// The first part of the ids of its handles, so that one session's are never another's.
    pub(crate) handle_prefix: String,
    pub(crate) config: SessionConfig,
    pub(crate) zygote: Arc<ZygoteSlot>,
    /// What its data take while this host has them.
    pub(crate) data: Arc<DataLedger>,
    /// Memory for its answers.
    pub(crate) scratch: Arc<ScratchPool>,
    /// Held until the session is closed: a waiting delete of its environment can go on then.
    usage_lock: Mutex<Option<Arc<UsageLock>>>,
    core: Mutex<Core>,
    /// Held while the stacks of the worker are written and read.
    pub(crate) inspecting: tokio::sync::Mutex<()>,
    /// What became of a debugger that was asked for while a call runs.
    pub(crate) debugger: broadcast::Sender<Bytes>,
    /// Asks for a worker though the last start failed.
    pub(crate) start_requested: Notify,
    /// No call is left in a session that closes.
    pub(crate) drained: Notify,
    /// A call came whose limits only sampling shows to be exceeded.
    pub(crate) poll_requested: Notify,
    /// Whether the next call requests that, whatever its limits: its session was idle, and is sampled rarely.
    pub(crate) awaits_call: AtomicBool,
    /// The calls that have had their response.
    pub(crate) tally: Tally,
    /// Publishes the lifecycle to observers. Nothing is decided by it: the state decides, under its lock.
    lifecycle: watch::Sender<Lifecycle>,
}

/// How many calls have had their response.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    /// Counts this one.
    pub(crate) fn add(&self, response: &Response) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if matches!(response.result, CallResult::Problem(_) | CallResult::Exception(_)) {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All of them, and those that failed.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.answered.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct Core {
    state: SessionState,
    link: Option<Link>,
    /// Kept for its memory.
    effects: Effects,
}

impl SessionInner {
    pub(crate) fn new(
        id: String,
        handle_prefix: String,
        mut config: SessionConfig,
        zygote: Arc<ZygoteSlot>,
    ) -> SessionInner {
        let usage_lock = Mutex::new(config.usage_lock.take());
        let state = SessionState::new(&config.limits, Instant::now());
        let lifecycle = watch::Sender::new(state.lifecycle().clone());
        config.metrics.starts.inc();
        let data = DataLedger::new(config.limits.data_limit(), config.limits.data_count);
        SessionInner {
            id,
            handle_prefix,
            config,
            zygote,
            data: Arc::new(data),
            scratch: Arc::default(),
            usage_lock,
            core: Mutex::new(Core { state, link: None, effects: Effects::new() }),
            inspecting: tokio::sync::Mutex::default(),
            debugger: broadcast::Sender::new(1),
            start_requested: Notify::new(),
            drained: Notify::new(),
            poll_requested: Notify::new(),
            awaits_call: AtomicBool::new(false),
            tally: Tally::default(),
            lifecycle,
        }
    }

    /// The config of another session like this one.
    pub(crate) fn template(&self) -> SessionConfig {
        let usage_lock = self.usage_lock.lock().clone();
        SessionConfig { usage_lock, ..self.config.clone() }
    }

    /// Reads the state, and the link where there is one.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&SessionState, Option<&Link>) -> T) -> T {
        let core = self.core();
        read(&core.state, core.link.as_ref())
    }

    /// Makes a transition and carries out its effects, all under one lock: messages to the worker keep the order of the
    /// transitions.
    pub(crate) fn update<T>(&self, transition: impl FnOnce(&mut SessionState, Option<&Link>, &mut Effects) -> T) -> T {
        self.core().update(self, transition)
    }

    /// A worker takes calls over this link from now on. Returns false where nothing is left for it to do.
    pub(crate) fn link_up(&self, link: Link) -> bool {
        let mut core = self.core();
        let pid = link.worker.pid();
        core.link = Some(link);
        let taken = core.update(self, |state, _, effects| state.link_up(pid, Instant::now(), effects));
        if !taken {
            core.link = None;
        }
        taken
    }

    /// The worker is gone, as `exit` says.
    pub(crate) fn link_down(&self, exit: &beep_python_protocol::WorkerDeath) {
        let mut core = self.core();
        core.update(self, |state, link, effects| {
            state.link_down(&self.id, exit, |slot| has_started(link, slot), Instant::now(), effects);
        });
        core.link = None;
        self.scratch.clear();
    }

    /// The resident memory of its worker, and how many objects that says it holds for clients, within the session's limit.
    pub(crate) fn resident_bytes_and_handles(&self) -> (u64, u64) {
        let Some(link) = self.read(|_, link| link.cloned()) else { return (0, 0) };
        let handles = link.page.handles().min(self.config.limits.handles.unwrap_or(u64::MAX));
        (resident_bytes(link.worker.pid()).unwrap_or(0), handles)
    }

    /// The worker is gone for good.
    pub(crate) fn closed(&self) {
        self.usage_lock.lock().take();
        self.update(|state, _, effects| state.closed(effects));
    }

    /// Asks the call that runs to let a debugger listen, as soon as its main thread runs Python.
    pub(crate) fn ask_for_debugger(&self) {
        let worker =
            self.read(|_, link| link.inspect(|link| link.page.request_debugger()).map(|link| link.worker.clone()));
        worker.iter().for_each(|worker| worker.send_interrupt());
    }

    /// Nobody waits for the debugger any more.
    pub(crate) fn withdraw_debugger(&self) {
        self.read(|_, link| link.iter().for_each(|link| link.page.withdraw_debugger()));
    }

    /// Watches the lifecycle.
    pub(crate) fn observe(&self) -> watch::Receiver<Lifecycle> {
        self.lifecycle.subscribe()
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock()
    }

    fn carry_out(&self, effect: Effect, link: Option<&Link>) {
        match effect {
            Effect::Send(message) => {
                if let Some(link) = link {
                    self.send(message, link);
                }
            }
            Effect::Reply(sink, response) => {
                if let CallResult::Problem(problem) = &response.result {
                    self.config.metrics.failed(problem.code);
                }
                if sink.is_of_client() {
                    self.tally.add(&response);
                }
                sink.send(response);
            }
            Effect::Waited(time) => self.config.metrics.waited(time),
            Effect::ReportCancel(waiter, outcome) => drop(waiter.send(outcome)),
            Effect::CallsEnded(calls) => {
                if let Some(spin) = &self.config.spin {
                    spin.ended(calls);
                }
            }
            Effect::Interrupt { since } => link.iter().for_each(|link| link.worker.interrupt(link.page.clone(), since)),
            Effect::EndRequests(requests) => drop(requests),
            Effect::Kill => link.iter().for_each(|link| link.worker.kill()),
            Effect::StartWorker => self.start_requested.notify_one(),
            Effect::Drained => self.drained.notify_one(),
            Effect::PollUsage => self.poll_requested.notify_one(),
            Effect::Publish(lifecycle) => drop(self.lifecycle.send_replace(lifecycle)),
        }
    }

    fn send(&self, mut message: HostMessage, link: &Link) {
        if let HostMessage::Request { request, .. } = &mut message
            && request.takes == TakesData::Bytes
        {
            let lent =
                self.scratch.lend(request.id.0, |memory| link.data.send(request.id, &request.data, Some(memory)));
            request.lends = lent.is_ok();
        }
        if let HostMessage::Request { request, .. } | HostMessage::Nested { request, .. } = &message
            && !request.data.is_empty()
            && !request.lends
            && let Err(error) = link.data.send(request.id, &request.data, None)
        {
            tracing::warn!("the data of a call cannot be sent to its worker, which will say so: {error}");
        }
        let queue = match &message {
            HostMessage::Request { request, .. } => {
                link.page.clear(request.id.slot());
                if let Some(spin) = &self.config.spin {
                    spin.sent();
                }
                &link.requests
            }
            HostMessage::Setup(_) | HostMessage::SessionLimits(_) => &link.requests,
            HostMessage::Nested { request, .. } => {
                link.page.clear(SLOTS + request.id.slot());
                &link.host
            }
            HostMessage::HostResult { .. } | HostMessage::HostError { .. } | HostMessage::HostProgress { .. } => {
                &link.host
            }
        };
        queue.push(|out| message.encode(out));
    }
}

impl Core {
    fn update<T>(
        &mut self,
        inner: &SessionInner,
        transition: impl FnOnce(&mut SessionState, Option<&Link>, &mut Effects) -> T,
    ) -> T {
        let Core { state, link, effects } = self;
        let link = link.as_ref();
        let result = transition(state, link, effects);
        effects.drain(..).for_each(|effect| inner.carry_out(effect, link));
        result
    }
}

/// The id of the request that the worker runs, or ran last.
pub(crate) fn running(link: Option<&Link>) -> WireId {
    WireId(link.map_or(0, |link| link.page.running()))
}

/// Keeps the request in this slot from starting. Returns whether it has started already.
pub(crate) fn cancel_slot(link: Option<&Link>, slot: usize) -> bool {
    // In this order, and the worker does it the other way round: it marks the start, then looks for the cancel.
    link.iter().for_each(|link| link.page.cancel(slot));
    has_started(link, slot)
}

/// Whether the request in this slot has started.
pub(crate) fn has_started(link: Option<&Link>, slot: usize) -> bool {
    link.is_some_and(|link| link.page.started(slot))
}
