//! All sessions of a host.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{DEFAULT_SESSION, ErrorCode, Limits, Problem, SessionOptions};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Semaphore;

use crate::session::call::RequestId;
use crate::session::environment_service::service::EnvironmentService;
use crate::session::inspect::SessionInfo;
use crate::session::limits::{LEAST_MEMORY_BYTES, LEAST_OPEN_FILES};
use crate::session::manager::cancel::{cancel, press_ctrl_c_by_id};
use crate::session::manager::close_on_drop::CloseOnDrop;
use crate::session::manager::expired::ExpiredSessions;
use crate::session::manager::options::{Capacity, SessionManagerError, SessionManagerOptions};
use crate::session::metrics::{Levels, MetricsFormat};
use crate::session::session::Session;
use crate::session::shared::{SessionConfig, SessionInner};
use crate::session::spin::AdaptiveSpin;
use crate::session::supervisor::supervisor::supervise;
use crate::session::zygote_pool::{ZygotePool, ZygoteSlot};
use crate::worker::lifeline::Lifeline;
use crate::worker::package::unpack as unpack_package;
use crate::worker::zygote::ZygoteConfig;
use crate::worker::zygote_variables::startup_variables;

/// The sessions of one host. Clients that name none share the default one.
#[derive(Debug)]
pub struct SessionManager {
    default: Session,
    zygotes: ZygotePool,
    config: SessionConfig,
    capacity: Capacity,
    python_version: String,
    started_at: Instant,
    last_id: AtomicU64,
    sessions: Mutex<HashMap<String, Session>>,
    /// Those that were deleted, and have not ended yet.
    ending: Arc<Mutex<HashMap<String, Session>>>,
    expired: Mutex<ExpiredSessions>,
    /// The sessions of isolated calls, each of which ends with its call.
    pub(crate) isolated: Arc<Mutex<HashMap<String, Session>>>,
    /// One for each isolated call that runs.
    pub(crate) worker_permits: Arc<Semaphore>,
    /// Whether it was told to shut down.
    stopping: AtomicBool,
}

impl SessionManager {
    /// Starts the zygote and the default session; returns when its worker is ready.
    pub async fn start(options: SessionManagerOptions) -> Result<SessionManager, SessionManagerError> {
        let package = unpack_package(&options.home.cache()?)?;
        let SessionManagerOptions {
            python,
            environment,
            home,
            preload,
            directory,
            python_path,
            stdin,
            limits,
            capacity,
            drain,
            dedicated_thread,
        } = options;
        let spin = dedicated_thread.then(|| Arc::new(AdaptiveSpin::new()));
        let environments = EnvironmentService::new(home, environment);
        let config = SessionConfig {
            limits,
            drain,
            setup: None,
            idle_timeout: None,
            spin,
            labels: BTreeMap::new(),
            metrics: Arc::default(),
            environments,
            usage_lock: None,
        };
        let ready_timeout = Duration::from_secs(60);
        let variables = BTreeMap::new();
        let zygote = ZygoteConfig { python, package, preload, directory, python_path, variables, stdin, ready_timeout };
        let zygotes = ZygotePool::new(zygote, Lifeline::new().map_err(SessionManagerError::Lifeline)?);
        let own = zygotes.slot(None, None, BTreeMap::new());
        let python_version = own.get().await?.python_version().to_owned();
        let default = start_session(DEFAULT_SESSION.to_owned(), "d".to_owned(), config.clone(), own);
        default.ready().await.map_err(SessionManagerError::Session)?;
        Ok(SessionManager {
            default,
            zygotes,
            config,
            capacity,
            python_version,
            started_at: Instant::now(),
            last_id: AtomicU64::new(0),
            sessions: Mutex::default(),
            ending: Arc::default(),
            expired: Mutex::default(),
            isolated: Arc::default(),
            stopping: AtomicBool::new(false),
            worker_permits: Arc::new(Semaphore::new(capacity.workers.max(1))),
        })
    }

    /// Under back-to-back calls (gaps below 0.2 ms), busy-polls on this thread for the next one. Does nothing otherwise, and
    /// nothing at all on a machine with one CPU. Never returns.
    pub async fn spin(&self) {
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get());
        match &self.config.spin {
            Some(spin) if cpus > 1 => spin.spin().await,
            _ => std::future::pending().await,
        }
    }

    /// The session of clients that name none.
    pub fn default_session(&self) -> &Session {
        &self.default
    }

    /// The session of this id.
    pub fn get(&self, id: &str) -> Result<Session, Problem> {
        if id == self.default.id() {
            return Ok(self.default.clone());
        }
        let mut sessions = self.sessions();
        match sessions.get(id) {
            Some(session) if session.is_closing() && !self.is_stopping() => {
                self.forget_closed(&mut sessions);
                Err(self.unknown(id))
            }
            Some(session) => Ok(session.clone()),
            None => Err(self.unknown(id)),
        }
    }

    /// As [`get`](SessionManager::get), also one that was deleted and has not ended yet.
    pub fn get_until_ended(&self, id: &str) -> Result<Session, Problem> {
        self.get(id).or_else(|unknown| self.ending.lock().get(id).cloned().ok_or(unknown))
    }

    /// A new, empty session; returns when its worker is ready. Options that are not given are the host's own.
    pub async fn create(&self, options: SessionOptions) -> Result<Session, Problem> {
        let SessionOptions { environment, python, preload, env, setup, idle_timeout_ms, drain_ms, labels, limits } =
            options;
        for (name, given) in [("idleTimeoutMs", idle_timeout_ms), ("drainMs", drain_ms)] {
            if given == Some(0) {
                return Err(Problem::new(ErrorCode::InvalidRequest, format!("'{name}' must be at least 1")));
            }
        }
        if let Some(bytes) = limits.memory_bytes.filter(|&bytes| bytes < LEAST_MEMORY_BYTES) {
            let detail = format!(
                "'memoryBytes' is {bytes}, and must be at least {LEAST_MEMORY_BYTES} (32 MiB): Python alone takes about half"
            );
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        }
        let Limits { timeout_ms, cpu_ms, processes, open_files, waiting, .. } = limits;
        for (name, given, least) in [
            ("timeoutMs", timeout_ms, 1),
            ("cpuMs", cpu_ms, 1),
            ("processes", processes, 1),
            ("openFiles", open_files, LEAST_OPEN_FILES),
            ("waiting", waiting, 1),
        ] {
            if let Some(given) = given.filter(|&given| given < least) {
                let detail = format!("'{name}' is {given}, and must be at least {least}: no call could run below that");
                return Err(Problem::new(ErrorCode::InvalidRequest, detail));
            }
        }
        let mut config = SessionConfig {
            limits: self.config.limits.with_overrides(&limits),
            drain: drain_ms.map_or(self.config.drain, Duration::from_millis),
            setup: setup_message(&env, setup.as_deref())?,
            idle_timeout: idle_timeout_ms.map(Duration::from_millis),
            spin: self.config.spin.clone(),
            labels,
            metrics: self.config.metrics.clone(),
            environments: self.config.environments.clone(),
            usage_lock: None,
        };
        let mut own_python = None;
        if environment.is_some() || python.is_some() {
            let (service, found, usage_lock) = config.environments.within(environment, python).await?;
            (config.environments, config.usage_lock) = (service, Some(Arc::new(usage_lock)));
            own_python = Some(found.python);
        }
        let zygote = self.zygotes.slot(own_python, preload, startup_variables(&env));
        let id = self.next_id();
        let session = {
            let mut sessions = self.sessions();
            self.check_not_stopping()?;
            self.forget_closed(&mut sessions);
            if sessions.len() >= self.capacity.sessions {
                let max = self.capacity.sessions;
                self.config.metrics.failed(ErrorCode::TooManySessions);
                let detail = format!("this server has {max} sessions, the most that it may have; delete one first");
                return Err(Problem::new(ErrorCode::TooManySessions, detail));
            }
            let session = start_session(id.clone(), id.clone(), config, zygote);
            sessions.insert(id, session.clone());
            session
        };
        let guard = CloseOnDrop::new(session.clone());
        session.ready().await?;
        guard.disarm();
        Ok(session)
    }

    /// An id that no other session has had.
    pub(crate) fn next_id(&self) -> String {
        format!("s{}", self.last_id.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Cancels the calls of this id in all sessions, and returns when they have ended, with what became of them. Without a
    /// `grace` each call has its own.
    pub async fn cancel(&self, request_id: &RequestId, grace: Option<Duration>) -> CancelOutcome {
        cancel(self.all_sessions(), request_id, grace).await
    }

    /// Interrupts the calls of this id once, as Ctrl-C does: each goes on if its code catches it.
    pub fn press_ctrl_c(&self, request_id: &RequestId) -> CancelOutcome {
        press_ctrl_c_by_id(self.all_sessions(), request_id)
    }

    fn all_sessions(&self) -> Vec<Session> {
        let mut sessions: Vec<_> = self.sessions().values().cloned().collect();
        sessions.extend(self.isolated.lock().values().cloned());
        sessions.push(self.default.clone());
        sessions
    }

    /// What is known of every session, the default one first.
    pub fn list(&self) -> Vec<SessionInfo> {
        let mut sessions = self.sessions();
        self.forget_closed(&mut sessions);
        let mut list: Vec<_> = sessions.values().map(Session::info).collect();
        list.sort_by(|a, b| (a.id.len(), &a.id).cmp(&(b.id.len(), &b.id)));
        list.insert(0, self.default.info());
        list
    }

    /// The metrics of all sessions, without the mark of the end. It reads `/proc` once for each worker: not for an async thread.
    pub fn metrics(&self, format: MetricsFormat) -> String {
        self.forget_closed(&mut self.sessions());
        let mut sessions = self.all_sessions();
        sessions.extend(self.ending.lock().values().cloned());
        let mut levels = Levels { sessions: sessions.len(), ..Levels::default() };
        for session in &sessions {
            let (resident_bytes, handles) = session.inner.resident_bytes_and_handles();
            levels.resident_bytes = levels.resident_bytes.saturating_add(resident_bytes);
            levels.handles = levels.handles.saturating_add(handles);
        }
        self.config.metrics.text(levels, format)
    }

    /// Ends a session and forgets it; returns when it has ended. Its calls are interrupted. The default one cannot be ended this way.
    pub async fn delete(&self, id: &str) -> Result<(), Problem> {
        let removed = self.sessions().remove(id);
        let session = removed.ok_or_else(|| self.unknown(id))?;
        let ending = self.ending.clone();
        ending.lock().insert(id.to_owned(), session.clone());
        // On a task of its own: the client that asks may go away.
        let end = async move {
            session.end().await;
            ending.lock().remove(session.id());
        };
        let _ = tokio::spawn(end).await;
        Ok(())
    }

    /// What clients of this host may do with environments.
    pub fn environments(&self) -> &EnvironmentService {
        &self.config.environments
    }

    /// Why no calls can be served now; nothing where they can. Where no worker could be started, this asks for another attempt, whose
    /// outcome the next question gets.
    pub fn not_ready(&self) -> Option<Problem> {
        self.default.not_ready()
    }

    /// Waits until the answer to [`Self::not_ready`] becomes another than `ready` says, and returns the new one.
    pub async fn readiness_after(&self, ready: bool) -> bool {
        self.default.readiness_after(ready).await
    }

    /// The version of the environment's Python, for example `3.12.1`.
    pub fn python_version(&self) -> &str {
        &self.python_version
    }

    /// How long the manager has been running.
    pub fn uptime(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// Rejects new calls everywhere, lets those in progress finish within `grace`, interrupts those that are left, and ends all
    /// workers and zygotes. Returns when their processes are gone.
    pub async fn shut_down(&self, grace: Duration) {
        self.stopping.store(true, Ordering::SeqCst);
        // They stay known: calls that are nested in those that finish name them.
        let mut all: Vec<_> = self.sessions().values().cloned().collect();
        all.extend(self.isolated.lock().values().cloned());
        all.push(self.default.clone());
        let close = |session: Session| tokio::spawn(async move { session.close(grace).await });
        let mut closing: Vec<_> = all.into_iter().map(close).collect();
        let ending: Vec<_> = self.ending.lock().values().cloned().collect();
        closing.extend(ending.into_iter().map(|session| tokio::spawn(async move { session.end_soon().await })));
        for closed in closing {
            let _ = closed.await;
        }
        self.zygotes.end().await;
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// An error once the host stops: nothing new begins.
    pub(crate) fn check_not_stopping(&self) -> Result<(), Problem> {
        match self.is_stopping() {
            false => Ok(()),
            true => {
                let detail = "the server is stopping and begins nothing new; ask again in a moment";
                Err(Problem::new(ErrorCode::ShuttingDown, detail))
            }
        }
    }

    /// Forgets the sessions that have ended, but for those that expired.
    fn forget_closed(&self, sessions: &mut HashMap<String, Session>) {
        sessions.retain(|id, session| {
            let closing = session.is_closing();
            if let (true, Some(idle)) = (closing, session.expired_after()) {
                self.expired.lock().add(id, idle);
            }
            !closing
        });
    }

    /// What is told of a session that there is not.
    fn unknown(&self, id: &str) -> Problem {
        let expired = self.expired.lock().problem(id);
        expired.unwrap_or_else(|| Problem::new(ErrorCode::UnknownSession, format!("there is no session '{id}'")))
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock()
    }
}

/// What a worker gets before its first call, if the options ask for anything.
fn setup_message(env: &BTreeMap<String, Option<String>>, code: Option<&str>) -> Result<Option<Bytes>, Problem> {
    for (name, value) in env {
        let value = value.as_deref().unwrap_or_default();
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            let detail =
                format!("'env' has {name:?}: a variable's name has no '=', and neither it nor its value a NUL");
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        }
    }
    let body = || serde_json::json!({ "env": env, "setup": code }).to_string().into_bytes();
    Ok((!env.is_empty() || code.is_some()).then(|| body().into()))
}

fn start_session(id: String, handle_prefix: String, config: SessionConfig, zygote: Arc<ZygoteSlot>) -> Session {
    let inner = Arc::new(SessionInner::new(id, handle_prefix, config, zygote));
    tokio::spawn(supervise(inner.clone()));
    Session { inner }
}
