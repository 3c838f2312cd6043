//! All sessions of a host.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{ErrorCode, Problem};

use super::cancel::cancel;
use super::life::live;
use super::session::Shared;
use super::{CallName, Session, SessionInfo};
use crate::environment::EnvironmentService;
use crate::platform::{Home, HomeError};
use crate::worker::{Lifeline, PackageError, Zygote, ZygoteConfig, ZygoteError, unpack_package};

/// How long to wait for a zygote that was told to end. One that is stopped ends with this process.
const ZYGOTE_ENDS_WITHIN: Duration = Duration::from_secs(2);

/// What a session's calls may take.
#[derive(Clone, Debug)]
pub struct SessionLimits {
    /// How long a call may take, waiting included, where it does not say itself.
    pub deadline: Option<Duration>,
    /// How long an interrupted call may take to stop before its worker is killed.
    pub grace: Duration,
    /// How many bytes of standard output, and of standard error, are kept for each call.
    pub output_cap_bytes: usize,
}

impl Default for SessionLimits {
    fn default() -> SessionLimits {
        // A loaded model is not thrown away because one call into native code takes a while to notice.
        SessionLimits { deadline: None, grace: Duration::from_secs(5), output_cap_bytes: 1 << 20 }
    }
}

/// What every session of a host is made with.
#[derive(Clone, Debug)]
pub(super) struct SessionConfig {
    pub(super) limits: SessionLimits,
    /// What Python code reaches when it calls the host.
    pub(super) environments: EnvironmentService,
}

/// Why there are no sessions.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
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

/// The sessions of one environment. Clients that name none share the default one.
#[derive(Debug)]
pub struct Sessions {
    default: Session,
    zygotes: Arc<Zygotes>,
    config: SessionConfig,
    python_version: String,
    began: Instant,
    made: AtomicU64,
    others: Mutex<HashMap<String, Session>>,
}

/// The zygote of an environment, started again when it is gone.
#[derive(Debug)]
pub(super) struct Zygotes {
    config: ZygoteConfig,
    lifeline: Lifeline,
    current: tokio::sync::Mutex<Option<Arc<Zygote>>>,
}

impl Zygotes {
    pub(super) async fn get(&self) -> Result<Arc<Zygote>, ZygoteError> {
        let mut current = self.current.lock().await;
        if let Some(zygote) = current.as_ref().filter(|zygote| !zygote.is_gone()) {
            return Ok(zygote.clone());
        }
        let zygote = Arc::new(Zygote::start(&self.config, &self.lifeline).await?);
        *current = Some(zygote.clone());
        Ok(zygote)
    }

    /// Asks no more of this zygote: the next one is a new one.
    pub(super) async fn forget(&self, zygote: &Arc<Zygote>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, zygote)) {
            current.take();
        }
    }
}

/// What to start sessions in.
#[derive(Clone, Debug)]
pub struct SessionsOptions {
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
}

impl Sessions {
    /// Starts the zygote and the default session; returns when its worker is ready.
    pub async fn start(options: SessionsOptions) -> Result<Sessions, SessionsError> {
        let package = unpack_package(&options.home.cache()?)?;
        let SessionsOptions { python, environment, home, preload, directory, limits } = options;
        let config = SessionConfig { limits, environments: EnvironmentService::new(home, environment) };
        let ready_within = Duration::from_secs(60);
        let zygotes = Arc::new(Zygotes {
            config: ZygoteConfig { python, package, preload, directory, ready_within },
            lifeline: Lifeline::new().map_err(SessionsError::Lifeline)?,
            current: tokio::sync::Mutex::default(),
        });
        let python_version = zygotes.get().await?.python_version().to_owned();
        let default = begin("default".to_owned(), "d".to_owned(), config.clone(), zygotes.clone());
        default.ready().await.map_err(SessionsError::Session)?;
        let (began, made) = (Instant::now(), AtomicU64::new(0));
        Ok(Sessions { default, zygotes, config, python_version, began, made, others: Mutex::default() })
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
        let others = self.others.lock().expect("no panic while held");
        others.get(id).cloned().ok_or_else(|| unknown(id))
    }

    /// A new, empty session; returns when its worker is ready.
    pub async fn create(&self) -> Result<Session, Problem> {
        let tag = format!("s{}", self.made.fetch_add(1, Ordering::Relaxed) + 1);
        let session = begin(tag.clone(), tag, self.config.clone(), self.zygotes.clone());
        let mut unclaimed = Unclaimed { session: Some(session.clone()) };
        session.ready().await?;
        self.others.lock().expect("no panic while held").insert(session.id().to_owned(), session.clone());
        unclaimed.session = None;
        Ok(session)
    }

    /// Cancels the calls of this name, wherever they run, and returns when they have ended; see
    /// [`CancelOutcome`] for what became of them. Without a grace each call has its own.
    pub async fn cancel(&self, name: &CallName, grace: Option<Duration>) -> CancelOutcome {
        let mut sessions: Vec<_> = self.others.lock().expect("no panic while held").values().cloned().collect();
        sessions.push(self.default.clone());
        cancel(sessions, name, grace).await
    }

    /// What is known of every session, the default one first.
    pub fn list(&self) -> Vec<SessionInfo> {
        let others = self.others.lock().expect("no panic while held");
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
        all.push(self.default.clone());
        let closing: Vec<_> =
            all.into_iter().map(|session| tokio::spawn(async move { session.close(grace).await })).collect();
        for closed in closing {
            let _ = closed.await;
        }
        if let Some(zygote) = self.zygotes.current.lock().await.take() {
            let _ = tokio::time::timeout(ZYGOTE_ENDS_WITHIN, zygote.end()).await;
        }
    }
}

/// A session that nobody has yet: closed again if whoever asked for it fails, or goes away.
struct Unclaimed {
    session: Option<Session>,
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            tokio::spawn(async move { session.close(Duration::ZERO).await });
        }
    }
}

fn unknown(id: &str) -> Problem {
    Problem::new(ErrorCode::UnknownSession, format!("there is no session '{id}'"))
}

fn begin(id: String, tag: String, config: SessionConfig, zygotes: Arc<Zygotes>) -> Session {
    let shared = Arc::new(Shared::new(id, tag, config));
    tokio::spawn(live(shared.clone(), zygotes));
    Session { shared }
}
