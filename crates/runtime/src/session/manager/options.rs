//! What a session manager starts with, and why it may not start.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::Problem;

use crate::platform::{Home, HomeError};
use crate::session::limits::SessionLimits;
use crate::worker::package::PackageError;
use crate::worker::zygote_error::ZygoteError;

/// How many sessions and workers a host may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// The number of sessions beside the default one.
    pub sessions: usize,
    /// The number of isolated calls that run at once.
    pub workers: usize,
}

impl Default for Capacity {
    fn default() -> Capacity {
        let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get());
        Capacity { sessions: 1000, workers }
    }
}

/// What a session manager starts with.
#[derive(Clone, Debug)]
pub struct SessionManagerOptions {
    /// The environment's interpreter, as it stands in the environment.
    pub python: PathBuf,
    /// The environment's folder.
    pub environment: PathBuf,
    /// The home of environments and caches.
    pub home: Home,
    /// Modules to import once, for all workers.
    pub preload: Vec<String>,
    /// The working directory of the workers; this process's own when not given.
    pub directory: Option<PathBuf>,
    /// Folders that modules are imported from, before the environment's own.
    pub python_path: Vec<PathBuf>,
    /// What the workers read as descriptor 0, where they do not ask their clients.
    pub stdin: Option<Arc<OwnedFd>>,
    /// The limits of a session, where it has none of its own.
    pub limits: SessionLimits,
    /// The number of sessions and workers.
    pub capacity: Capacity,
    /// How long the end of a session may take: the interrupt of its calls, and what a program does at its end.
    pub drain: Duration,
    /// Whether the manager's thread does nothing but pass on calls. Then a worker wakes up on that thread's CPU when nothing
    /// else is in flight, and [`SessionManager::spin`](super::manager::SessionManager::spin) pays.
    pub dedicated_thread: bool,
}

/// Why the session manager could not start.
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
