//! The events of a call: one message for each.

use std::io;

use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::grpc::{EVENTS, FRAME_HEAD_BYTES};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream;
use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use prost::Message;

use super::channel::Exchanged;
use super::status::{failure, status};
use crate::error::Error;
use crate::event::{Event, EventStream, is_last};
use crate::http::endpoint::Endpoint;

struct Messages {
    body: Incoming,
    read: BytesMut,
    endpoint: String,
    ended: bool,
}

pub(super) async fn subscribe(endpoint: &Endpoint, response: Response<Incoming>) -> Result<EventStream, Error> {
    // An error before the first event is in the headers, or is a message of its own type before the trailers.
    let is_events = response.headers().contains_key(EVENTS);
    if !is_events {
        let answer = Exchanged::collect(endpoint, response).await?;
        return Err(failure(status(&answer), &answer));
    }
    let body = response.into_body();
    let messages = Messages { body, read: BytesMut::new(), endpoint: endpoint.to_string(), ended: false };
    let events = stream::unfold(messages, |mut messages| async move {
        if messages.ended {
            return None;
        }
        let event = messages.next().await;
        messages.ended = is_last(&event);
        Some((event, messages))
    });
    Ok(EventStream::new(events))
}

impl Messages {
    async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(message) = self.message() {
                let read = m::Event::decode(message).map_err(|error| Error::malformed(error.to_string()))?;
                if let Some(event) = event(read)? {
                    return Ok(event);
                }
                continue;
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.read.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(self.lost(error)),
                None => {
                    let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the events ended without a result");
                    return Err(self.lost(error));
                }
            }
        }
    }

    /// The next whole message.
    fn message(&mut self) -> Option<Bytes> {
        let head = self.read.first_chunk::<FRAME_HEAD_BYTES>()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if self.read.len() < FRAME_HEAD_BYTES + length {
            return None;
        }
        self.read.advance(FRAME_HEAD_BYTES);
        Some(self.read.split_to(length).freeze())
    }

    fn lost(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::ConnectionLost { endpoint: self.endpoint.clone(), may_have_run: true, source: source.into() }
    }
}

pub(super) fn event(message: m::Event) -> Result<Option<Event>, Error> {
    use m::event::Event as E;
    let omitted_bytes = message.omitted_bytes;
    match message.event {
        None => Ok(None),
        Some(E::Stdout(text)) => Ok(Some(Event::Stdout { text, omitted_bytes })),
        Some(E::Stderr(text)) => Ok(Some(Event::Stderr { text, omitted_bytes })),
        Some(E::StdoutRaw(bytes)) => Ok(Some(Event::StdoutBytes { bytes, omitted_bytes })),
        Some(E::StderrRaw(bytes)) => Ok(Some(Event::StderrBytes { bytes, omitted_bytes })),
        Some(E::DisplayJson(json)) => Event::read("display", &json.into()),
        Some(E::LogJson(json)) => Event::read("log", &json.into()),
        Some(E::ProgressJson(json)) => Event::read("progress", &json.into()),
        Some(E::SessionJson(json)) => Event::read("session", &json.into()),
        Some(E::ItemJson(json)) => Event::read("item", &json.into()),
        Some(E::InputRequestJson(json)) => Event::read("input_request", &json.into()),
        Some(E::CallbackJson(json)) => Event::read("callback", &json.into()),
        Some(E::ClearOutputJson(json)) => Event::read("clear_output", &json.into()),
        Some(E::ResultJson(json)) => Event::read("result", &json.into()),
        Some(E::Error(details)) => Err(Error::from_body(500, details.problem_json.as_bytes())),
    }
}
