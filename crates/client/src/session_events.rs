//! Following a session.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use beep_python_protocol::message::{Display, LogRecord, Progress, SessionEpoch};
use futures_util::{Stream, StreamExt};

use crate::error::Error;
use crate::event::{Event, EventStream};

/// What happens in a session while no call runs that it belongs to: a [`Stream`], which ends with the session.
///
/// Callbacks of the client that are [kept](crate::Client::keep_callback) run while it is polled, and end when it is dropped.
#[derive(Debug)]
pub struct SessionEvents {
    events: EventStream,
    first: SessionEpoch,
    /// Whether output comes as it was written, without marks where bytes are left out.
    raw_output: bool,
    /// What comes behind the bytes that were told to be left out.
    behind_omitted: Option<Event>,
}

/// One thing that happens in a session and belongs to no call that runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// Code wrote to standard output.
    Stdout(String),
    /// Code wrote to standard error.
    Stderr(String),
    /// Code wrote bytes to standard output that are no UTF-8; for clients made [`with_raw_output`](crate::Client::with_raw_output).
    StdoutBytes(Vec<u8>),
    /// Code wrote bytes to standard error that are no UTF-8.
    StderrBytes(Vec<u8>),
    /// So many bytes of the output are left out here, since nothing read them in time; for clients made
    /// [`with_raw_output`](crate::Client::with_raw_output). Others find a mark in the text.
    Omitted(u64),
    /// Code displayed an object.
    Display(Display),
    /// Code logged a record.
    Log(LogRecord),
    /// Code told how far it is.
    Progress(Progress),
    /// Clear what code has shown.
    ClearOutput {
        /// Not before it shows something else.
        wait: bool,
    },
    /// The session was restarted.
    Restarted(SessionEpoch),
}

impl SessionEvents {
    /// Waits until the host has subscribed.
    pub(crate) async fn read(mut events: EventStream, raw_output: bool) -> Result<SessionEvents, Error> {
        match events.next().await {
            Some(Ok(Event::Session(epoch))) => {
                Ok(SessionEvents { events, first: epoch, raw_output, behind_omitted: None })
            }
            Some(Err(error)) => Err(error),
            other => Err(Error::malformed(format!("a session's events began with {other:?}"))),
        }
    }

    /// The session's epoch when the subscription began.
    pub fn session_epoch(&self) -> u64 {
        self.first.session_epoch
    }

    /// The session.
    pub(crate) fn session(&self) -> &str {
        &self.first.session_id
    }

    /// The subscription, where its client answers callbacks.
    pub(crate) fn subscription_id(&self) -> Option<&str> {
        self.first.subscription_id.as_deref()
    }
}

impl Stream for SessionEvents {
    type Item = Result<SessionEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<SessionEvent, Error>>> {
        loop {
            let next = match self.behind_omitted.take() {
                Some(event) => Some(Ok(event)),
                None => {
                    let next = ready!(self.events.poll_next_unpin(cx));
                    let omitted = next.as_ref().and_then(|next| next.as_ref().ok()).map_or(0, Event::omitted_bytes);
                    if omitted > 0 && self.raw_output {
                        self.behind_omitted = next.and_then(Result::ok);
                        return Poll::Ready(Some(Ok(SessionEvent::Omitted(omitted))));
                    }
                    next
                }
            };
            return Poll::Ready(Some(Ok(match next {
                Some(Ok(Event::Stdout { text, .. })) => SessionEvent::Stdout(text),
                Some(Ok(Event::Stderr { text, .. })) => SessionEvent::Stderr(text),
                Some(Ok(Event::StdoutBytes { bytes, .. })) => SessionEvent::StdoutBytes(bytes),
                Some(Ok(Event::StderrBytes { bytes, .. })) => SessionEvent::StderrBytes(bytes),
                Some(Ok(Event::Display(display))) => SessionEvent::Display(display),
                Some(Ok(Event::Log(record))) => SessionEvent::Log(record),
                Some(Ok(Event::Progress(progress))) => SessionEvent::Progress(progress),
                Some(Ok(Event::ClearOutput { wait })) => SessionEvent::ClearOutput { wait },
                Some(Ok(Event::Session(epoch))) => SessionEvent::Restarted(epoch),
                Some(Ok(Event::Item(_) | Event::InputRequest { .. } | Event::Callback { .. })) => continue,
                Some(Ok(Event::Result(_))) | None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            })));
        }
    }
}
