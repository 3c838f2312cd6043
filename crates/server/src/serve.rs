//! The server process: sessions in one environment, and the backends that serve them.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::Limits;
use beep_python_runtime::platform::{Home, HomeError, InheritedSignals};
use beep_python_runtime::session::{
    Capacity, SessionLimits, SessionManager, SessionManagerError, SessionManagerOptions,
};
use rustix::process::{Resource, Rlimit};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::allocator;
use crate::auth::{AcceptedTokens, AccessConfig, AccessPolicy, DefaultToken, TokenError, TokenText};
use crate::body_budget::BodyBudget;
use crate::bounds::{Bounds, BoundsConfig, TooManyConnections};
use crate::launch::{
    ActivatedSockets, BindError, Endpoint, HTTP, NamedSockets, NewRecord, PIPE, RPC, RecordError, ServerRecord,
    check_inherited, hand_over, record_of_this_process, remove_record, write_record,
};
use crate::server_context::ServerContext;
use crate::stage::{ListeningSockets, Stage};
use crate::tls::{Tls, TlsError, TlsFiles};
use crate::traces::{self, TraceSettings};
use crate::unix_socket::{self, Pipe, PipeError};
use crate::{http, rpc};

const MAX_DESCRIPTORS: u64 = 65536;

/// The configuration of a server.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where its record is kept.
    pub home: Home,
    /// Its id.
    pub id: String,
    /// The name of the environment, for people.
    pub environment: String,
    /// The environment's folder.
    pub environment_path: PathBuf,
    /// The interpreter, as it stands in the environment.
    pub python: PathBuf,
    /// Modules to import once, for all workers.
    pub preload: Vec<String>,
    /// Folders that modules are imported from, before the environment's own.
    pub python_path: Vec<PathBuf>,
    /// The limits of calls that neither the call nor its session sets.
    pub limits: Limits,
    /// How many sessions and workers there may be.
    pub capacity: Capacity,
    /// Which requests are authorized.
    pub access: AccessConfig,
    /// The certificate that HTTP and RPC show over TLS; without it they speak none.
    pub tls: Option<TlsFiles>,
    /// Whether it may listen where other machines reach it without TLS.
    pub insecure_remote: bool,
    /// The file of the default token; that of the home when absent.
    pub token_file: Option<PathBuf>,
    /// How much memory the bodies of all requests may take together.
    pub max_bodies_bytes: u64,
    /// How many connections and requests it serves at once.
    pub bounds: BoundsConfig,
    /// Where spans of its calls go.
    pub traces: TraceSettings,
    /// Its log file; none in the foreground.
    pub log: Option<PathBuf>,
    /// The arguments that start such a server again.
    pub arguments: Vec<String>,
    /// How long calls under way may take once the server is told to stop.
    pub drain: Duration,
    /// Whether it ends with its standard input, a pipe whose other end its starter holds; it leaves no log then.
    pub stop_at_end_of_input: bool,
}

/// Why a server did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The sessions did not start.
    #[error("the Python side did not start")]
    SessionManager(#[from] SessionManagerError),
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// TLS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The pipe cannot be made.
    #[error(transparent)]
    Pipe(#[from] PipeError),
    /// Other machines could reach a socket that it inherited.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// It has too few descriptors.
    #[error(transparent)]
    Bounds(#[from] TooManyConnections),
    /// The record cannot be kept.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A socket or a signal failed.
    #[error("the server cannot {what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// Runs a server until it is told to stop (SIGTERM, SIGINT, or SIGHUP unless that is ignored, as under `nohup`) and has finished what
/// was under way.
///
/// A failure before it is ready is reported to its starter, too.
pub async fn run(options: ServeOptions, inherited: ActivatedSockets) -> Result<(), ServeError> {
    let ActivatedSockets { http: listeners, pipe, rpc, stdin, token, ready, manager } = inherited;
    allocator::share_one_arena();
    raise_descriptor_limit();
    beep_python_peer::prepare();
    let failed = |what| move |source| ServeError::System { what, source };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed("watch for signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed("watch for signals"))?;
    let hangup = (!InheritedSignals::now().ignores(SignalKind::hangup().as_raw_value())).then(SignalKind::hangup);
    let mut hangup = hangup.map(signal).transpose().map_err(failed("watch for signals"))?;
    let (server, pipe, mut record) = match start(&options, &listeners, pipe, &rpc, stdin, token).await {
        Ok(started) => started,
        Err(error) => {
            ready.failed(&error);
            return Err(error);
        }
    };
    traces::start(&options.traces, &options.id);
    let sockets = named(&listeners, pipe.as_ref(), &rpc).map_err(failed("share its sockets"))?;
    let (stage, stages) = watch::channel(Stage::Serving);
    let mut serving = JoinSet::new();
    if let Some(pipe) = pipe {
        serving.spawn(unix_socket::serve(pipe, server.clone(), stages.clone()));
    }
    serving.spawn(rpc::serve(rpc, server.clone(), stages.clone()));
    serving.spawn(http::serve(listeners, server.clone(), stages));
    let watching = server.clone();
    tokio::spawn(async move { watching.access.watch_tokens().await });
    let spinning = server.clone();
    tokio::spawn(async move { spinning.sessions.spin().await });
    let bodies = server.bodies.clone();
    tokio::spawn(async move { bodies.trim().await });
    tracing::info!("ready");
    ready.ready(&record);
    manager.ready();
    let (manager, living) = (Arc::new(manager), server.clone());
    let kept = manager.clone();
    tokio::spawn(async move { kept.keep_alive(|| drop(living.sessions.not_ready())).await });
    let orphaned = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        Some(_) = async { hangup.as_mut()?.recv().await } => false,
        () = end_of_input(), if options.stop_at_end_of_input => true,
    };
    tracing::info!("stopping: calls under way have {:?}", options.drain);
    manager.stopping(options.drain);
    record.stopping = true;
    let noted = write_record(&options.home, &record);
    let left_to = match hand_over(&options.home, &options.id, &sockets) {
        true => ListeningSockets::HandedOver,
        false => ListeningSockets::Kept,
    };
    drop(sockets);
    let _ = stage.send(Stage::Draining(left_to));
    server.sessions.shut_down(options.drain).await;
    let _ = stage.send(Stage::Closing(left_to));
    let _ = tokio::time::timeout(Duration::from_secs(2), serving.join_all()).await;
    traces::stop().await;
    tracing::info!("stopped");
    remove_record(&options.home, &record)?;
    if let (true, Some(log)) = (orphaned, &options.log) {
        let _ = std::fs::remove_file(log); // nobody reads it
    }
    Ok(noted?)
}

/// The listening sockets, for a successor.
fn named(http: &[TcpListener], pipe: Option<&Pipe>, rpc: &[TcpListener]) -> io::Result<NamedSockets> {
    let mut named = NamedSockets::new();
    for (name, listeners) in [(HTTP, http), (RPC, rpc)] {
        for listener in listeners {
            named.push((name, listener.try_clone()?.into()));
        }
    }
    if let Some(pipe) = pipe {
        named.push((PIPE, pipe.share()?));
    }
    Ok(named)
}

/// Returns when the other end of standard input is closed; never when that is no pipe.
async fn end_of_input() {
    let opened =
        std::io::stdin().as_fd().try_clone_to_owned().and_then(tokio::net::unix::pipe::Receiver::from_owned_fd);
    match opened {
        Ok(mut input) => while input.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {},
        Err(error) => {
            tracing::warn!("cannot watch standard input for the end of the starter: {error}");
            std::future::pending().await
        }
    }
}

async fn start(
    options: &ServeOptions,
    listeners: &[TcpListener],
    pipe: Option<UnixListener>,
    rpc: &[TcpListener],
    stdin: Option<OwnedFd>,
    token: Option<TokenText>,
) -> Result<(Arc<ServerContext>, Option<Pipe>, ServerRecord), ServeError> {
    if std::env::var_os("PYTHONPATH").is_some_and(|path| !path.is_empty()) {
        tracing::info!("PYTHONPATH is not passed on to sessions: `start --python-path` names folders for them");
    }
    check_inherited(listeners.iter().chain(rpc), options.tls.is_some() || options.insecure_remote)?;
    let bounds = Bounds::new(options.bounds)?;
    let pipe = pipe.map(Pipe::open).transpose()?;
    let (default, token_file) = match token {
        Some(text) => (DefaultToken::Given(text.token()), None),
        None => {
            let path = options.token_file.clone().unwrap_or_else(|| options.home.root().join("token"));
            (DefaultToken::File(path.clone()), Some(path))
        }
    };
    let tls = options.tls.clone().map(Tls::open).transpose()?;
    let tokens = AcceptedTokens::open(&options.home, default)?;
    let sessions = SessionManager::start(SessionManagerOptions {
        python: options.python.clone(),
        environment: options.environment_path.clone(),
        home: options.home.clone(),
        preload: options.preload.clone(),
        directory: None,
        python_path: options.python_path.clone(),
        stdin: stdin.map(Arc::new),
        limits: SessionLimits::default().with_overrides(&options.limits),
        capacity: options.capacity,
        drain: options.drain,
        dedicated_thread: true,
    })
    .await?;
    let mut endpoints = Vec::new();
    let tcp = |backend: &str, scheme, listeners: &[TcpListener]| match listeners.first() {
        None => Ok(None),
        Some(listener) => {
            let source = |source| ServeError::System { what: "tell its own address", source };
            let mut address = listener.local_addr().map_err(source)?;
            if address.ip().is_unspecified() {
                address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
            }
            Ok::<_, ServeError>(Some(Endpoint { backend: backend.to_owned(), url: format!("{scheme}://{address}") }))
        }
    };
    endpoints.extend(tcp("http", if tls.is_some() { "https" } else { "http" }, listeners)?);
    if let Some(pipe) = &pipe {
        endpoints.push(Endpoint { backend: "pipe".to_owned(), url: pipe.url() });
    }
    endpoints.extend(tcp("rpc", if tls.is_some() { "grpcs" } else { "grpc" }, rpc)?);
    let record = record_of_this_process(NewRecord {
        id: options.id.clone(),
        endpoints,
        environment: options.environment.clone(),
        environment_path: options.environment_path.clone(),
        python_version: sessions.python_version().to_owned(),
        log: options.log.clone(),
        token_file,
        certificate: tls.as_ref().map(|tls| tls.files().certificate.clone()),
        arguments: options.arguments.clone(),
        settings: settings(options),
        temporary: options.stop_at_end_of_input,
    })?;
    write_record(&options.home, &record)?;
    let access = AccessPolicy::new(AccessConfig { any_host: tls.is_some(), ..options.access.clone() }, tokens);
    let bodies = BodyBudget::new(options.max_bodies_bytes);
    let server =
        ServerContext { sessions: Arc::new(sessions), access, tls, bodies, bounds, kept_events: Arc::default() };
    Ok((Arc::new(server), pipe, record))
}

/// A session takes ten descriptors, and the usual soft limit of 1024 is for programs that use select(2).
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(MAX_DESCRIPTORS, |maximum| maximum.min(MAX_DESCRIPTORS));
    if limit.current.is_some_and(|current| current < most) {
        let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
    }
}

/// The settings that `status` shows.
fn settings(options: &ServeOptions) -> BTreeMap<String, serde_json::Value> {
    let timeout = options.limits.timeout_ms.map(|timeout| ("timeoutMs".to_owned(), json!(timeout)));
    let limits = (!options.limits.is_empty()).then(|| ("limits".to_owned(), json!(options.limits)));
    let preload = (!options.preload.is_empty()).then(|| ("preload".to_owned(), json!(options.preload)));
    timeout.into_iter().chain(limits).chain(preload).collect()
}
