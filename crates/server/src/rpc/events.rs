//! Events over gRPC: one message each, and the status in the trailers after the last.

use std::pin::Pin;

use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::grpc::{encode, full_details};
use beep_python_protocol::{ErrorCode, GrpcCode, Problem, ValueForm};
use beep_python_runtime::session::service::json::{Chunks, EncodedResponse, Told, tell};
use beep_python_runtime::session::{Event, EventStream};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Stream, stream};
use http::HeaderMap;
use http_body::Frame;

use super::grpc::{status, trailers_of};

/// Events that are ready go together, up to so many bytes.
const CHUNK_BYTES: usize = 32 << 10;

/// Messages, then the trailers.
pub(super) type Messages = Pin<Box<dyn Stream<Item = Frame<Bytes>> + Send>>;

/// All events, as they come.
pub(super) fn messages(events: EventStream, form: ValueForm) -> Messages {
    Box::pin(stream::unfold(Next::Event(Box::new(events)), move |next| async move {
        let mut events = match next {
            Next::Event(events) => events,
            Next::Trailers(trailers) => return Some((Frame::trailers(trailers), Next::End)),
            Next::End => return None,
        };
        let mut next: Option<Event> = Some(events.next().await?);
        let mut out = BytesMut::new();
        while let Some(event) = next {
            let (message, trailers) = written(tell(event, form).await);
            out.extend_from_slice(&encode(&m::Event { event: Some(message) }));
            if let Some(trailers) = trailers {
                return Some((Frame::data(out.freeze()), Next::Trailers(trailers)));
            }
            if out.len() >= CHUNK_BYTES {
                break;
            }
            next = events.next().now_or_never().flatten();
        }
        Some((Frame::data(out.freeze()), Next::Event(events)))
    }))
}

enum Next {
    Event(Box<EventStream>),
    Trailers(HeaderMap),
    End,
}

/// An event as a message, and the trailers where it is the last.
fn written(told: Told) -> (m::event::Event, Option<HeaderMap>) {
    use m::event::Event as E;

    #[derive(serde::Deserialize)]
    struct Written {
        text: String,
    }
    let plain =
        |body: &Chunks| serde_json::from_slice(&body.contiguous()).map_or_else(|_| String::new(), |w: Written| w.text);
    let event = match told {
        Told::Event("stdout", body) => E::Stdout(plain(&body)),
        Told::Event("stderr", body) => E::Stderr(plain(&body)),
        Told::Event("display", body) => E::DisplayJson(json(&body)),
        Told::Event("item", body) => E::ItemJson(json(&body)),
        Told::Event("input_request", body) => E::InputRequestJson(json(&body)),
        Told::Event(_, body) => E::CallbackJson(json(&body)),
        Told::Response(EncodedResponse::Json(body)) => {
            return (E::ResultJson(json(&body)), Some(HeaderMap::from_iter([status(GrpcCode::Ok)])));
        }
        Told::Response(EncodedResponse::Exception(body)) => {
            let read = serde_json::from_slice::<Problem>(&body.contiguous());
            return failed(&read.unwrap_or_else(|error| Problem::new(ErrorCode::Internal, error.to_string())));
        }
        Told::Response(EncodedResponse::Problem(problem)) => return failed(&problem),
        Told::Response(EncodedResponse::Floats { .. }) => {
            return failed(&Problem::new(ErrorCode::Internal, "arrays are not followed"));
        }
    };
    (event, None)
}

fn failed(problem: &Problem) -> (m::event::Event, Option<HeaderMap>) {
    (m::event::Event::Error(full_details(problem)), Some(trailers_of(problem)))
}

fn json(body: &Chunks) -> String {
    String::from_utf8_lossy(&body.contiguous()).into_owned()
}
