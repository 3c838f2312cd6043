//! The release of dropped handles, in the background and in batches.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use beep_python_protocol::message::DisposeRequest;
use beep_python_protocol::{CallOptions, Operation};
use tokio::runtime::{Handle, Id};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::call::{Call, Target};
use crate::transport::Transport;

/// The most handles in one request.
const BATCH: usize = 4096;

/// A message to a reaper task. Sending never waits, so that `drop` can send.
pub(crate) enum Release {
    Handle { session: Option<Arc<str>>, id: String },
    Flush(oneshot::Sender<()>),
}

pub(crate) type ReaperSender = UnboundedSender<Release>;

/// The reaper tasks, one for each tokio runtime in which handles were made: a handle must not depend on another runtime
/// than its own. A task starts with the first handle of its runtime. It ends when all clients and handles that could
/// send to it are gone and it has released what was dropped.
#[derive(Default)]
pub(crate) struct HandleReaper(Mutex<Vec<(Id, ReaperSender)>>);

impl HandleReaper {
    /// A sender to the task of the current tokio runtime, which is started if need be. Outside of a tokio runtime there is
    /// none, and handles live as long as their session.
    pub(crate) fn sender<T: Transport>(&self, transport: &T) -> Option<ReaperSender> {
        let runtime = Handle::try_current().ok()?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, sender)) = known.iter().find(|(id, sender)| *id == runtime.id() && !sender.is_closed()) {
            return Some(sender.clone());
        }
        // The task of a runtime that has ended is gone, too.
        known.retain(|(_, sender)| !sender.is_closed());
        let (sender, released) = unbounded_channel();
        // The transport alone: a client would hold a sender, and keep the task alive.
        runtime.spawn(release_all(transport.clone(), released));
        known.push((runtime.id(), sender.clone()));
        Some(sender)
    }

    /// A sender to the task of the current tokio runtime, if one was started.
    pub(crate) fn current(&self) -> Option<ReaperSender> {
        let runtime = Handle::try_current().ok()?.id();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(id, _)| *id == runtime).map(|(_, sender)| sender.clone())
    }
}

async fn release_all<T: Transport>(transport: T, mut released: UnboundedReceiver<Release>) {
    let mut batch = Vec::new();
    while released.recv_many(&mut batch, BATCH).await > 0 {
        let mut sessions: Vec<(Option<Arc<str>>, Vec<String>)> = Vec::new();
        let mut flushes = Vec::new();
        for release in mem::take(&mut batch) {
            match release {
                Release::Handle { session, id } => match sessions.iter_mut().find(|(known, _)| *known == session) {
                    Some((_, ids)) => ids.push(id),
                    None => sessions.push((session, vec![id])),
                },
                Release::Flush(done) => flushes.push(done),
            }
        }
        for (session, ids) in sessions {
            let Ok(body) = serde_json::to_vec(&DisposeRequest { handle_ids: &ids }) else { continue };
            let options = CallOptions { session, ..CallOptions::default() };
            let target = Target::Session(Operation::Dispose);
            // A session that is gone has released them already, and no caller is left to hear of another failure.
            let _ = transport.call(Call { target, body: body.into(), options, data: Vec::new() }).await;
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}
