//! The session core on a thread of its own. It drains output, keeps deadlines and notices deaths whatever the caller's
//! threads do, and calls may come from any tokio runtime.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use beep_python_runtime::session::SessionManager;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OnceCell, oneshot};

use super::options::{LocalOptions, session_manager_options};
use crate::error::Error;

/// A host in this process. Its first call starts it.
pub(super) struct EmbeddedHost {
    pub(super) options: LocalOptions,
    running: OnceCell<Running>,
    /// More than one when a caller abandoned a start and another one began.
    threads: Mutex<Vec<HostThread>>,
}

/// Sessions, and the tokio runtime that carries out their operations.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) sessions: Arc<SessionManager>,
    pub(super) runtime: Handle,
}

/// A thread that runs until `stop`.
struct HostThread {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl EmbeddedHost {
    pub(super) fn new(options: LocalOptions) -> EmbeddedHost {
        EmbeddedHost { options, running: OnceCell::new(), threads: Mutex::default() }
    }

    /// The running core, started if need be. After a failed start the next call tries again.
    pub(super) async fn running(&self) -> Result<&Running, Error> {
        let failed = |source| Error::Connect { endpoint: self.options.python.to_string(), source };
        self.running.get_or_try_init(|| self.start()).await.map_err(failed)
    }

    /// The running core, if it was started.
    pub(super) fn started(&self) -> Option<&Running> {
        self.running.get()
    }

    async fn start(&self) -> io::Result<Running> {
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = oneshot::channel();
        let options = self.options.clone();
        let thread =
            thread::Builder::new().name("beep-python".to_owned()).spawn(move || serve(&options, ready, stopped))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(HostThread { stop, thread });
        started.await.unwrap_or_else(|_| Err(io::Error::other("the thread that starts Python ended")))
    }

    /// Ends all workers at once, and returns when they are gone.
    pub(super) fn stop(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for HostThread { stop, thread } in threads {
            let _ = stop.send(());
            let _ = thread.join(); // a thread that panicked has ended, too
        }
    }
}

/// Starts the sessions, passes them to `ready`, and runs them until `stopped`, or until no caller waits for them any more.
fn serve(options: &LocalOptions, ready: oneshot::Sender<io::Result<Running>>, mut stopped: oneshot::Receiver<()>) {
    let prepared = session_manager_options(options).map_err(io::Error::other);
    let prepared = prepared.and_then(|options| Ok((options, Builder::new_current_thread().enable_all().build()?)));
    let (options, runtime) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return drop(ready.send(Err(error))),
    };
    runtime.block_on(async {
        let started = tokio::select! {
            started = SessionManager::start(options) => started,
            _ = &mut stopped => return,
        };
        let sessions = match started {
            Ok(sessions) => Arc::new(sessions),
            Err(error) => return drop(ready.send(Err(io::Error::other(error)))),
        };
        let running = Running { sessions: sessions.clone(), runtime: Handle::current() };
        if ready.send(Ok(running)).is_ok() {
            let _ = stopped.await;
        }
        sessions.shut_down(Duration::ZERO).await;
    });
}

/// Stops the host with the last client.
pub(super) struct StopOnDrop(pub(super) Arc<EmbeddedHost>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl fmt::Debug for EmbeddedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedHost").field("options", &self.options).finish_non_exhaustive()
    }
}
