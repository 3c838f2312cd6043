//! Reading the messages of a worker.

use std::sync::Arc;
use std::time::Instant;

use crate::platform::spawn_blocking;
use crate::session::error::KillReason;
use crate::session::event::Event;
use crate::session::shared::{SessionInner, has_started};
use crate::session::supervisor::spawn::AnswerPipe;
use crate::session::supervisor::stdio::StdioPump;
use crate::worker::frame::FrameError;
use crate::worker::passed_json::{is_json, json_in};
use crate::worker::wire::WorkerMessage;

/// Shorter messages are checked at once; longer ones on another thread.
const CHECKED_AT_ONCE: usize = 256 << 10;

/// Reads messages until the worker closes its end, or breaks the rules of the wire.
pub(crate) async fn read_messages(
    inner: Arc<SessionInner>,
    mut answers: AnswerPipe,
    stdio: Arc<StdioPump>,
    span: tracing::Span,
) {
    while answers.read().await {
        let mut drained = false;
        loop {
            match answers.next() {
                Ok(Some(message)) => {
                    if !drained {
                        // The output of a call comes before its answer. A worker starts no call before the output of the call
                        // before was drained, so all that belongs to the messages at hand is there now.
                        stdio.drain_whole(&inner);
                        drained = true;
                    }
                    match checked(message).await {
                        Ok(message) => take_message(&inner, message),
                        Err(error) => return span.in_scope(|| end_worker(&inner, &stdio, &error)),
                    }
                }
                Ok(None) => break,
                Err(error) => return span.in_scope(|| end_worker(&inner, &stdio, &error)),
            }
        }
    }
}

/// The message, once it is known that what goes on to clients as JSON is that.
async fn checked(mut message: WorkerMessage) -> Result<WorkerMessage, FrameError> {
    let Some((body, shape)) = json_in(&mut message) else { return Ok(message) };
    let is_sound = match body.len() {
        0..CHECKED_AT_ONCE => is_json(body, shape),
        _ => {
            let mut taken = std::mem::take(body);
            let (checked, is_sound) = spawn_blocking(move || {
                let is_sound = is_json(&mut taken, shape);
                (taken, is_sound)
            })
            .await;
            *body = checked;
            is_sound
        }
    };
    if is_sound { Ok(message) } else { Err(FrameError::NotJson) }
}

/// A worker that breaks the rules of the wire is not understood any more.
pub(crate) fn end_worker(inner: &SessionInner, stdio: &StdioPump, error: &FrameError) {
    tracing::error!("{error}; the worker is killed");
    stdio.tell(inner, &error.to_string());
    let why = if matches!(error, FrameError::NoMemory) { KillReason::NoMemory } else { KillReason::BrokeLink };
    inner.update(|state, _, effects| state.kill(why, effects));
}

fn take_message(inner: &SessionInner, message: WorkerMessage) {
    tracing::trace!(session = inner.id, %message, "a message of the worker");
    inner.update(|state, link, effects| match message {
        WorkerMessage::Answer { id, answer } => {
            state.complete(id, answer, |slot| has_started(link, slot), Instant::now(), effects);
        }
        WorkerMessage::NestedAnswer { id, answer } => state.complete_nested(id, answer, effects),
        WorkerMessage::Display { id, body } => drop(state.emit(id, Event::Display(body))),
        WorkerMessage::Item { id, body, is_handle: false } => drop(state.emit(id, Event::Item(body))),
        WorkerMessage::Item { id, body, is_handle: true } => drop(state.emit(id, Event::ItemHandle(body))),
        WorkerMessage::Ready
        | WorkerMessage::HostCall { .. }
        | WorkerMessage::ClientCall { .. }
        | WorkerMessage::Withdraw { .. }
        | WorkerMessage::Debugger { .. }
        | WorkerMessage::Output { .. } => {
            tracing::warn!("the worker sent a message that has no place on this link");
        }
    });
}
