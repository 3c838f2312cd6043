//! Dropped handles are released in the background, as many in one request as have gathered.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use beep_python_protocol::Operation;
use beep_python_protocol::message::DisposeRequest;
use tokio::runtime::{Handle, Id};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::PythonHostBackend;
use crate::call::{Call, CallOptions, Target};

/// The most handles in one request.
const BATCH: usize = 4096;

/// What the background task is told. Sending never waits, so that it can be done in `drop`.
pub(crate) enum Release {
    Handle { session: Option<Arc<str>>, id: String },
    Flush(oneshot::Sender<()>),
}

pub(crate) type ReaperSender = UnboundedSender<Release>;

/// The ways to the background tasks, one for each tokio runtime that the backends are used in, started when the first
/// handle is made there: a handle must not depend on another runtime than its own. A task ends when the backends and
/// handles that could tell it anything are gone, and all that was dropped is released.
#[derive(Default)]
pub(crate) struct HandleReaper(Mutex<Vec<(Id, ReaperSender)>>);

impl HandleReaper {
    /// The way to a running task. Outside of a tokio runtime there is none, and handles live as long as their session.
    pub(crate) fn reaper<B: PythonHostBackend>(&self, backend: &B) -> Option<ReaperSender> {
        let runtime = Handle::try_current().ok()?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, reaper)) = known.iter().find(|(id, reaper)| *id == runtime.id() && !reaper.is_closed()) {
            return Some(reaper.clone());
        }
        // Such a task is gone when its runtime is.
        known.retain(|(_, reaper)| !reaper.is_closed());
        let (reaper, released) = unbounded_channel();
        let mut backend = backend.clone();
        // Without the way to itself, or the task would keep itself alive, and without what callers keep alive.
        *backend.context_mut() = crate::Context::default();
        runtime.spawn(release_all(backend, released));
        known.push((runtime.id(), reaper.clone()));
        Some(reaper)
    }

    /// The way to the task of the current tokio runtime, where one was started.
    pub(crate) fn current(&self) -> Option<ReaperSender> {
        let runtime = Handle::try_current().ok()?.id();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(id, _)| *id == runtime).map(|(_, reaper)| reaper.clone())
    }
}

async fn release_all<B: PythonHostBackend>(backend: B, mut released: UnboundedReceiver<Release>) {
    let mut batch = Vec::new();
    while released.recv_many(&mut batch, BATCH).await > 0 {
        let mut sessions: Vec<(Option<Arc<str>>, Vec<String>)> = Vec::new();
        let mut waiting = Vec::new();
        for release in mem::take(&mut batch) {
            match release {
                Release::Handle { session, id } => match sessions.iter_mut().find(|(known, _)| *known == session) {
                    Some((_, ids)) => ids.push(id),
                    None => sessions.push((session, vec![id])),
                },
                Release::Flush(done) => waiting.push(done),
            }
        }
        for (session, ids) in sessions {
            let Ok(body) = serde_json::to_vec(&DisposeRequest { handle_ids: &ids }) else { continue };
            let options = CallOptions { session, ..CallOptions::default() };
            let target = Target::Session(Operation::Dispose);
            // A session that is gone has released them already, and nobody is left to be told of any other failure.
            let _ = backend.perform(Call { target, body: body.into(), options }).await;
        }
        for done in waiting {
            let _ = done.send(());
        }
    }
}
