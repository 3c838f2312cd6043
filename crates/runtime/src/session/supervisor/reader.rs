//! Reading the messages of a worker.

use std::sync::Arc;
use std::time::Instant;

use crate::session::event::Event;
use crate::session::shared::{SessionInner, has_started};
use crate::session::supervisor::spawn::AnswerPipe;
use crate::session::supervisor::stdio::StdioPump;
use crate::worker::wire::WorkerMessage;

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
                        stdio.drain(&inner);
                        drained = true;
                    }
                    take_message(&inner, message);
                }
                Ok(None) => break,
                Err(error) => return span.in_scope(|| tracing::error!("{error}")),
            }
        }
    }
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
