//! All sessions of a host.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{ErrorCode, Problem, SessionOptions};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::environment::UsageLock;
use crate::platform::{Home, HomeError};
use crate::session::call::RequestId;
use crate::session::environment_service::service::EnvironmentService;
use crate::session::limits::LEAST_MEMORY_BYTES;
use crate::session::limits::SessionLimits;
use crate::session::manager::cancel::cancel;
use crate::session::session::SessionInner;
use crate::session::session::{Session, SessionInfo};
use crate::session::spin::AdaptiveSpin;
use crate::session::supervisor::exit_report::begin_to_watch_memory;
use crate::session::supervisor::supervisor::live;
use crate::session::zygote_pool::{ZygotePool, ZygoteSlot};
use crate::worker::lifeline::Lifeline;
use crate::worker::package::{PackageError, unpack as unpack_package};
use crate::worker::zygote::{ZygoteConfig, ZygoteError};

/// What every session of a host is made with.
#[derive(Clone, Debug)]
pub(crate) struct SessionConfig {
    pub(crate) limits: SessionLimits,
    /// After so long without a call it ends.
    pub(crate) idle_timeout: Option<Duration>,
    /// The calls of all sessions, where their timing is looked at.
    pub(crate) traffic: Option<Arc<AdaptiveSpin>>,
    pub(crate) labels: BTreeMap<String, String>,
    /// What Python code reaches when it calls the host.
    pub(crate) environments: EnvironmentService,
    /// That its environment is in use, where it is not the host's own.
    pub(crate) in_use: Option<Arc<UsageLock>>,
}

/// Why there are no sessions.
#[derive(Debug, thiserror::Error)]
pub enum SessionManagerError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The Python side could not be unpacked.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The lifeline could not be made.
    #[error("cannot make the lifeline pipe")]
    Lifeline(#[source] std::io::Error),
    /// The interpreter does not start.
    #[error(transparent)]
    Zygote(#[from] ZygoteError),
    /// The default session does not start.
    #[error("{0}")]
    Session(Problem),
}

/// The sessions of one host. Clients that name none share the default one.
#[derive(Debug)]
pub struct SessionManager {
    default: Session,
    environments: ZygotePool,
    config: SessionConfig,
    capacity: Capacity,
    python_version: String,
    began: Instant,
    made: AtomicU64,
    others: Mutex<HashMap<String, Session>>,
    /// The sessions of isolated calls, each of which ends with its call.
    pub(crate) isolated: Arc<Mutex<HashMap<String, Session>>>,
    /// For isolated calls that run at once.
    pub(crate) places: Arc<Semaphore>,
}

/// How much of everything a host may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// How many sessions, beside the default one.
    pub sessions: usize,
    /// How many isolated calls run at once.
    pub workers: usize,
}

impl Default for Capacity {
    fn default() -> Capacity {
        let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get());
        Capacity { sessions: 1000, workers }
    }
}

/// What to start sessions in.
#[derive(Clone, Debug)]
pub struct SessionManagerOptions {
    /// The environment's interpreter, as it stands in the environment.
    pub python: PathBuf,
    /// The environment's folder.
    pub environment: PathBuf,
    /// Where environments are kept, and what can be made again.
    pub home: Home,
    /// Modules to import once, for all workers.
    pub preload: Vec<String>,
    /// The working directory of the workers; this process's own when not given.
    pub directory: Option<PathBuf>,
    /// What a session's calls may take, where they do not say themselves.
    pub limits: SessionLimits,
    /// How many sessions and workers there may be.
    pub capacity: Capacity,
    /// Whether the thread on which this runs does nothing but pass on calls: then a worker wakes up where it runs, if nothing
    /// else is under way, and [`SessionManager::spin`] is of use.
    pub dedicated_thread: bool,
}

impl SessionManager {
    /// Starts the zygote and the default session; returns when its worker is ready.
    pub async fn start(options: SessionManagerOptions) -> Result<SessionManager, SessionManagerError> {
        let package = unpack_package(&options.home.cache()?)?;
        let SessionManagerOptions { python, environment, home, preload, directory, limits, capacity, dedicated_thread } =
            options;
        let traffic = dedicated_thread.then(|| Arc::new(AdaptiveSpin::new()));
        let environments = EnvironmentService::new(home, environment);
        let (idle_timeout, labels, in_use) = (None, BTreeMap::new(), None);
        let config = SessionConfig { limits, idle_timeout, traffic, labels, environments, in_use };
        let ready_timeout = Duration::from_secs(60);
        let zygote = ZygoteConfig { python, package, preload, directory, ready_timeout };
        begin_to_watch_memory();
        let environments = ZygotePool::new(zygote, Lifeline::new().map_err(SessionManagerError::Lifeline)?);
        let own = environments.zygotes(None, None);
        let python_version = own.get().await?.python_version().to_owned();
        let default = begin("default".to_owned(), "d".to_owned(), config.clone(), own);
        default.ready().await.map_err(SessionManagerError::Session)?;
        Ok(SessionManager {
            default,
            environments,
            config,
            capacity,
            python_version,
            began: Instant::now(),
            made: AtomicU64::new(0),
            others: Mutex::default(),
            isolated: Arc::default(),
            places: Arc::new(Semaphore::new(capacity.workers.max(1))),
        })
    }

    /// Keeps this thread awake, for a fifth of a millisecond at most, when calls come one closely after the other; it sleeps
    /// otherwise, and always where there is one CPU only. Never returns.
    pub async fn spin(&self) {
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get());
        match &self.config.traffic {
            Some(traffic) if cpus > 1 => traffic.spin().await,
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
        let mut others = self.others.lock().expect("no panic while held");
        match others.get(id) {
            Some(session) if session.is_over() => {
                others.remove(id);
                Err(unknown(id))
            }
            Some(session) => Ok(session.clone()),
            None => Err(unknown(id)),
        }
    }

    /// A new, empty session; returns when its worker is ready. What is not asked for is as this host has it.
    pub async fn create(&self, asked: SessionOptions) -> Result<Session, Problem> {
        let SessionOptions { environment, preload, idle_timeout_ms, labels, limits } = asked;
        if idle_timeout_ms == Some(0) {
            return Err(Problem::new(ErrorCode::InvalidRequest, "'idleTimeoutMs' must be at least 1"));
        }
        if let Some(bytes) = limits.memory_bytes.filter(|&bytes| bytes < LEAST_MEMORY_BYTES) {
            let detail = format!(
                "'memoryBytes' is {bytes}, and must be at least {LEAST_MEMORY_BYTES} (32 MiB): Python alone takes about half"
            );
            return Err(Problem::new(ErrorCode::InvalidRequest, detail));
        }
        let mut config = SessionConfig {
            limits: self.config.limits.but(&limits),
            idle_timeout: idle_timeout_ms.map(Duration::from_millis),
            traffic: self.config.traffic.clone(),
            labels,
            environments: self.config.environments.clone(),
            in_use: None,
        };
        let mut python = None;
        if let Some(environment) = environment {
            let (service, found, in_use) = config.environments.within(environment).await?;
            (config.environments, config.in_use) = (service, Some(Arc::new(in_use)));
            python = Some(found.python);
        }
        let tag = self.next_tag();
        let session = {
            let mut others = self.others.lock().expect("no panic while held");
            others.retain(|_, session| !session.is_over());
            if others.len() >= self.capacity.sessions {
                let most = self.capacity.sessions;
                let detail = format!("this server has {most} sessions, the most that it may have; delete one first");
                return Err(Problem::new(ErrorCode::TooManySessions, detail));
            }
            let session = begin(tag.clone(), tag.clone(), config, self.environments.zygotes(python, preload));
            others.insert(tag, session.clone());
            session
        };
        let unclaimed = CloseOnDrop::new(session.clone());
        session.ready().await?;
        unclaimed.claimed();
        Ok(session)
    }

    /// Part of the handles' ids of a session, and no other's.
    pub(crate) fn next_tag(&self) -> String {
        format!("s{}", self.made.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Cancels the calls of this name, wherever they run, and returns when they have ended; see
    /// [`CancelOutcome`] for what became of them. Without a grace each call has its own.
    pub async fn cancel(&self, name: &RequestId, grace: Option<Duration>) -> CancelOutcome {
        let mut sessions: Vec<_> = self.others.lock().expect("no panic while held").values().cloned().collect();
        sessions.extend(self.isolated.lock().expect("no panic while held").values().cloned());
        sessions.push(self.default.clone());
        cancel(sessions, name, grace).await
    }

    /// What is known of every session, the default one first.
    pub fn list(&self) -> Vec<SessionInfo> {
        let mut others = self.others.lock().expect("no panic while held");
        others.retain(|_, session| !session.is_over());
        let mut list: Vec<_> = others.values().map(Session::info).collect();
        list.sort_by(|a, b| (a.id.len(), &a.id).cmp(&(b.id.len(), &b.id)));
        list.insert(0, self.default.info());
        list
    }

    /// Ends a session and forgets it. The default one cannot be ended this way.
    pub async fn delete(&self, id: &str, grace: Duration) -> Result<(), Problem> {
        let session = self.others.lock().expect("no panic while held").remove(id).ok_or_else(|| unknown(id))?;
        // On its own, so that it is done even if whoever asked goes away.
        let _ = tokio::spawn(async move { session.close(grace).await }).await;
        Ok(())
    }

    /// Work on environments, as this host's clients are allowed to do it.
    pub fn environments(&self) -> &EnvironmentService {
        &self.config.environments
    }

    /// The version of the environment's Python, for example `3.12.1`.
    pub fn python_version(&self) -> &str {
        &self.python_version
    }

    /// How long they have been there.
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// Refuses new calls everywhere, lets those under way finish within `grace`, and ends all workers and the zygote;
    /// returns when their processes are gone.
    pub async fn shut_down(&self, grace: Duration) {
        let mut all: Vec<_> = self.others.lock().expect("no panic while held").drain().map(|(_, s)| s).collect();
        all.extend(self.isolated.lock().expect("no panic while held").drain().map(|(_, session)| session));
        all.push(self.default.clone());
        let closing: Vec<_> =
            all.into_iter().map(|session| tokio::spawn(async move { session.close(grace).await })).collect();
        for closed in closing {
            let _ = closed.await;
        }
        self.environments.end().await;
    }
}

/// A session that nobody has yet: closed again if whoever asked for it fails, or goes away.
pub(crate) struct CloseOnDrop {
    session: Option<Session>,
}

impl CloseOnDrop {
    pub(crate) fn new(session: Session) -> CloseOnDrop {
        CloseOnDrop { session: Some(session) }
    }

    /// Somebody has it now.
    pub(crate) fn claimed(mut self) {
        self.session = None;
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let (Some(session), Ok(runtime)) = (self.session.take(), Handle::try_current()) {
            runtime.spawn(async move { session.close(Duration::ZERO).await });
        }
    }
}

fn unknown(id: &str) -> Problem {
    Problem::new(ErrorCode::UnknownSession, format!("there is no session '{id}'"))
}

fn begin(id: String, tag: String, config: SessionConfig, zygotes: Arc<ZygoteSlot>) -> Session {
    let shared = Arc::new(SessionInner::new(id, tag, config, zygotes));
    tokio::spawn(live(shared.clone()));
    Session { shared }
}
