//! Events over gRPC: one message each, and the status in the trailers after the last.

use std::pin::Pin;

use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::grpc::{encode, full_details};
use beep_python_protocol::{ErrorCode, GrpcCode, Problem, ValueForm};
use beep_python_runtime::session::service::json::{ArrayFormat, Chunks, EncodedResponse, encode_response, event_json};
use beep_python_runtime::session::{CallResult, ClientRequestKind, Event, Response};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use http::HeaderMap;
use http_body::Frame;

use crate::events::BATCH_BYTES;
use crate::rpc::reply;
use crate::rpc::status::{status, trailers_of};

/// Messages, then the trailers.
pub(super) type Messages = Pin<Box<dyn Stream<Item = Frame<Bytes>> + Send>>;

/// Encodes all events, as they come.
pub(super) fn encode_events(events: impl Stream<Item = Event> + Send + 'static, form: ValueForm) -> Messages {
    Box::pin(stream::unfold(Next::Event(Box::pin(events)), move |next| async move {
        let mut events = match next {
            Next::Event(events) => events,
            Next::Trailers(trailers) => return Some((Frame::trailers(trailers), Next::End)),
            Next::End => return None,
        };
        let mut next: Option<Event> = Some(events.next().await?);
        let mut out = BytesMut::new();
        while let Some(event) = next {
            let omitted_bytes = match &event {
                Event::Stdout(output) | Event::Stderr(output) => output.omitted_bytes,
                _ => 0,
            };
            let (message, trailers) = encode_event(event, form).await;
            out.extend_from_slice(&encode(&m::Event { event: Some(message), omitted_bytes }));
            if let Some(trailers) = trailers {
                return Some((Frame::data(out.freeze()), Next::Trailers(trailers)));
            }
            if out.len() >= BATCH_BYTES {
                break;
            }
            next = events.next().now_or_never().flatten();
        }
        Some((Frame::data(out.freeze()), Next::Event(events)))
    }))
}

enum Next<S> {
    Event(Pin<Box<S>>),
    Trailers(HeaderMap),
    End,
}

/// The message of an event, and the trailers where it is the last.
async fn encode_event(event: Event, form: ValueForm) -> (m::event::Event, Option<HeaderMap>) {
    use m::event::Event as E;

    let event = match event {
        Event::Stdout(output) => {
            String::from_utf8(output.bytes).map_or_else(|raw| E::StdoutRaw(raw.into_bytes()), E::Stdout)
        }
        Event::Stderr(output) => {
            String::from_utf8(output.bytes).map_or_else(|raw| E::StderrRaw(raw.into_bytes()), E::Stderr)
        }
        Event::Response(response) => return encode_last(*response, form).await,
        Event::Display(_) => E::DisplayJson(json(&event_json(&event))),
        Event::Log(_) => E::LogJson(json(&event_json(&event))),
        Event::Progress(_) => E::ProgressJson(json(&event_json(&event))),
        Event::ClearOutput { .. } => E::ClearOutputJson(json(&event_json(&event))),
        Event::Session(_) => E::SessionJson(json(&event_json(&event))),
        Event::Item(_) | Event::ItemHandle(_) => E::ItemJson(json(&event_json(&event))),
        Event::ClientRequest(ref request) => {
            let json = json(&event_json(&event));
            match request.kind {
                ClientRequestKind::Input => E::InputRequestJson(json),
                ClientRequestKind::Callback => E::CallbackJson(json),
            }
        }
    };
    (event, None)
}

async fn encode_last(response: Response, form: ValueForm) -> (m::event::Event, Option<HeaderMap>) {
    if let Response { result: CallResult::Exception(object), output, epoch } = response {
        return failed(&reply::exception(&object, output, epoch).unwrap_or_else(|problem| problem));
    }
    match encode_response(response, ArrayFormat::of(form)).await {
        EncodedResponse::Json(body) => {
            (m::event::Event::ResultJson(json(&body)), Some(HeaderMap::from_iter([status(GrpcCode::Ok)])))
        }
        EncodedResponse::Problem(problem) => failed(&problem),
        EncodedResponse::Exception(_) | EncodedResponse::Floats { .. } | EncodedResponse::Datum { .. } => {
            failed(&Problem::new(ErrorCode::Internal, "arrays are not followed"))
        }
    }
}

fn failed(problem: &Problem) -> (m::event::Event, Option<HeaderMap>) {
    (m::event::Event::Error(full_details(problem)), Some(trailers_of(problem)))
}

fn json(body: &Chunks) -> String {
    String::from_utf8_lossy(&body.contiguous()).into_owned()
}
