//! The session core, on a thread of its own: output is drained, deadlines are kept and deaths are noticed whatever the
//! caller's threads do meanwhile, and it does not matter from which tokio runtime calls come.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use beep_python_runtime::session::SessionManager;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OnceCell, oneshot};

use super::LocalOptions;
use super::options::sessions_options;
use crate::Error;

/// Started by its first call.
pub(super) struct EmbeddedHost {
    pub(super) options: LocalOptions,
    running: OnceCell<Running>,
    /// More than one where a caller gave up waiting for the start, and another began anew.
    threads: Mutex<Vec<HostThread>>,
}

/// Sessions, and the tokio runtime in which all that is asked of them is done.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) sessions: Arc<SessionManager>,
    pub(super) runtime: Handle,
}

/// A thread, which ends when it is told to.
struct HostThread {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl EmbeddedHost {
    pub(super) fn new(options: LocalOptions) -> EmbeddedHost {
        EmbeddedHost { options, running: OnceCell::new(), threads: Mutex::default() }
    }

    /// The running core; where it does not run yet, it is started. A failed start is tried again by the next call.
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
        let (tell, told) = oneshot::channel();
        let options = self.options.clone();
        let thread =
            thread::Builder::new().name("beep-python".to_owned()).spawn(move || serve(&options, tell, stopped))?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(HostThread { stop, thread });
        told.await.unwrap_or_else(|_| Err(io::Error::other("the thread that starts Python ended")))
    }

    /// Ends all workers at once, and returns when they are gone.
    pub(super) fn stop(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for HostThread { stop, thread } in threads {
            let _ = stop.send(());
            let _ = thread.join(); // one that panicked has ended, too
        }
    }
}

/// Starts the sessions, tells of them, and keeps them until it is told to stop, or until nobody waits any more.
fn serve(options: &LocalOptions, tell: oneshot::Sender<io::Result<Running>>, mut stopped: oneshot::Receiver<()>) {
    let prepared = sessions_options(options).map_err(io::Error::other);
    let prepared = prepared.and_then(|options| Ok((options, Builder::new_current_thread().enable_all().build()?)));
    let (options, runtime) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return drop(tell.send(Err(error))),
    };
    runtime.block_on(async {
        let started = tokio::select! {
            started = SessionManager::start(options) => started,
            _ = &mut stopped => return,
        };
        let sessions = match started {
            Ok(sessions) => Arc::new(sessions),
            Err(error) => return drop(tell.send(Err(io::Error::other(error)))),
        };
        let running = Running { sessions: sessions.clone(), runtime: Handle::current() };
        if tell.send(Ok(running)).is_ok() {
            let _ = stopped.await;
        }
        sessions.shut_down(Duration::ZERO).await;
    });
}

impl fmt::Debug for EmbeddedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedHost").field("options", &self.options).finish_non_exhaustive()
    }
}
