//! Reading the messages of a worker.

use std::sync::Arc;
use std::time::Instant;

use serde::de::IgnoredAny;

use crate::platform::spawn_blocking;
use crate::session::error::KillReason;
use crate::session::event::Event;
use crate::session::shared::{SessionInner, has_started};
use crate::session::supervisor::spawn::AnswerPipe;
use crate::session::supervisor::stdio::StdioPump;
use crate::worker::chunks::Chunks;
use crate::worker::frame::FrameError;
use crate::worker::wire::{WorkerAnswer, WorkerMessage};

/// A message that is shorter is checked at once; a longer one where it holds up nobody.
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

/// The message, once it is known that what goes on to clients as JSON is JSON: else code that writes to the link could make up whole
/// answers to others, who read the same connection.
async fn checked(message: WorkerMessage) -> Result<WorkerMessage, FrameError> {
    let Some(body) = json_in(&message) else { return Ok(message) };
    let is_json = match body.len() {
        0..CHECKED_AT_ONCE => is_json(body),
        _ => {
            let body = body.clone();
            spawn_blocking(move || is_json(&body)).await
        }
    };
    if is_json { Ok(message) } else { Err(FrameError::NotJson) }
}

/// What of a message is passed on as JSON, unread.
fn json_in(message: &WorkerMessage) -> Option<&Chunks> {
    match message {
        WorkerMessage::Answer { answer, .. } | WorkerMessage::NestedAnswer { answer, .. } => json_of(answer),
        WorkerMessage::Display { body, .. } | WorkerMessage::Item { body, .. } => Some(body),
        _ => None,
    }
}

fn json_of(answer: &WorkerAnswer) -> Option<&Chunks> {
    match answer {
        WorkerAnswer::Value(body) | WorkerAnswer::Handle(body) => Some(body),
        WorkerAnswer::Object(body) | WorkerAnswer::Exception(body) => Some(body),
        WorkerAnswer::Late { answer, .. } => json_of(answer),
        _ => None,
    }
}

fn is_json(body: &Chunks) -> bool {
    let body = body.contiguous();
    std::str::from_utf8(&body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
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
