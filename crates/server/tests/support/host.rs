//! A host in this process, on a thread and in a home of its own.

use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use beep_python_runtime::interpreter::{Interpreter, PythonRuntimeManager, SearchPaths, discover};
use beep_python_runtime::platform::Home;
use beep_python_runtime::session::{Capacity, SessionLimits, SessionManager, SessionManagerOptions};
use beep_python_server::auth::{AcceptedTokens, AccessConfig, AccessPolicy, DefaultToken};
use beep_python_server::stage::{ListeningSockets, Stage};
use beep_python_server::{BodyBudget, Bounds, BoundsConfig, ServerContext};
use tokio::sync::watch;

/// A running host; stopped and waited for when dropped.
pub struct Running {
    pub folder: tempfile::TempDir,
    stage: watch::Sender<Stage>,
    thread: Option<JoinHandle<()>>,
}

/// How much of everything there may be.
#[derive(Default)]
pub struct Most {
    pub capacity: Capacity,
    pub bounds: BoundsConfig,
}

/// One Python of each minor version of the machine, the newest first.
pub fn pythons() -> &'static [Interpreter] {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let mut found = discover(&home, &SearchPaths::from_env()).expect("a search");
        found.dedup_by_key(|python| python.version.series());
        assert!(!found.is_empty(), "these tests need a CPython of 3.9 or later");
        found
    })
}

/// The newest of them.
pub fn newest() -> &'static Interpreter {
    &pythons()[0]
}

impl Running {
    /// Starts one with the newest Python, and serves a backend of it.
    pub fn start<F>(
        config: AccessConfig,
        serve: impl FnOnce(Arc<ServerContext>, watch::Receiver<Stage>) -> F + Send + 'static,
    ) -> Running
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        Running::start_in(tempfile::tempdir().expect("a folder"), config, serve)
    }

    /// The same, in this folder.
    pub fn start_in<F>(
        folder: tempfile::TempDir,
        config: AccessConfig,
        serve: impl FnOnce(Arc<ServerContext>, watch::Receiver<Stage>) -> F + Send + 'static,
    ) -> Running
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        Running::start_with(newest(), folder, config, serve)
    }

    /// The same, with this Python.
    pub fn start_with<F>(
        python: &Interpreter,
        folder: tempfile::TempDir,
        config: AccessConfig,
        serve: impl FnOnce(Arc<ServerContext>, watch::Receiver<Stage>) -> F + Send + 'static,
    ) -> Running
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        Running::start_up_to(Most::default(), python, folder, config, serve)
    }

    /// The same, with no more of everything than this.
    pub fn start_up_to<F>(
        most: Most,
        python: &Interpreter,
        folder: tempfile::TempDir,
        config: AccessConfig,
        serve: impl FnOnce(Arc<ServerContext>, watch::Receiver<Stage>) -> F + Send + 'static,
    ) -> Running
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let home = Home::open(folder.path()).expect("a home");
        let manager = PythonRuntimeManager::new(home.clone());
        let runtime = manager.adopt(python).expect("adopted");
        manager.set_default(&runtime.id).expect("the default");
        let python = python.path.clone();
        let token = DefaultToken::File(folder.path().join("token"));
        let tokens = AcceptedTokens::open(&home, token).expect("a token");
        let (stage, mut stages) = watch::channel(Stage::Serving);
        let telling = stage.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let sessions = SessionManager::start(SessionManagerOptions {
                    python,
                    environment: home.root().join("environments/none"),
                    home: home.clone(),
                    preload: Vec::new(),
                    directory: None,
                    python_path: Vec::new(),
                    stdin: None,
                    limits: SessionLimits::default(),
                    capacity: most.capacity,
                    drain: Duration::from_secs(5),
                    dedicated_thread: true,
                })
                .await
                .expect("sessions start");
                let sessions = Arc::new(sessions);
                let lingering = sessions.clone();
                tokio::spawn(async move { lingering.spin().await });
                let host = Arc::new(ServerContext {
                    sessions: sessions.clone(),
                    access: AccessPolicy::new(config, tokens),
                    tls: None,
                    bodies: BodyBudget::new(BodyBudget::DEFAULT_BYTES),
                    bounds: Bounds::new(most.bounds).expect("as many descriptors"),
                    kept_events: Arc::default(),
                });
                let watching = host.clone();
                tokio::spawn(async move { watching.access.watch_tokens().await });
                let serving = tokio::spawn(serve(host, stages.clone()));
                let _ = stages.wait_for(|stage| stage.is_stopping()).await;
                sessions.shut_down(Duration::from_secs(5)).await;
                let _ = telling.send(Stage::Closing(ListeningSockets::Kept));
                serving.await.expect("no panic").expect("served");
            });
        });
        Running { folder, stage, thread: Some(thread) }
    }

    /// Tells it to stop, without waiting for it.
    pub fn tell_to_stop(&self) {
        // A server that closes already would wait for its connections for ever if it served again.
        self.stage.send_if_modified(|stage| {
            let is_serving = !stage.is_stopping();
            if is_serving {
                *stage = Stage::Draining(ListeningSockets::Kept);
            }
            is_serving
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tell_to_stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}
