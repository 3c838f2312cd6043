//! Writing responses and events as lines.

use std::borrow::Cow;

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::session::service::json::{Chunks, EncodedEvent, EncodedResponse};
use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;

use crate::auth::client::Client;
use crate::events::splice_object;
use crate::rejection_log::{log_denied, log_rejection};
use crate::unix_socket::request::Id;

/// The line of a response.
pub(super) fn response(id: Option<&Id>, encoded: EncodedResponse) -> Chunks {
    match encoded {
        EncodedResponse::Json(body) if is_one_line(&body) => framed(id, br#""result":"#, body),
        EncodedResponse::Exception(body) if is_one_line(&body) => failure(id, &detail_of(&body), body),
        EncodedResponse::Problem(problem) => error(id, &problem),
        EncodedResponse::Json(_) | EncodedResponse::Exception(_) => {
            let detail = "the worker's answer has line breaks in it, which JSON of ours never has; it is withheld";
            error(id, &Problem::new(ErrorCode::Internal, detail))
        }
        EncodedResponse::Floats { .. } => {
            error(id, &Problem::new(ErrorCode::Internal, "arrays go as JSON over a pipe"))
        }
        EncodedResponse::Datum { .. } => {
            error(id, &Problem::new(ErrorCode::Internal, "the request did not say how data are to go"))
        }
    }
}

/// The line of a response with data: `how` says how these go.
pub(super) fn datum(id: Option<&Id>, about: &Chunks, how: &str) -> Chunks {
    // What the worker says of its data was read and written anew, so it is one line.
    framed_until(id, br#""result":"#, about.clone(), format!("{how}}}\n").into())
}

/// The line of an event, `{"id":ID,"event":"NAME",…}`, or of the response.
pub(super) fn event(id: Option<&Id>, event: EncodedEvent, out: &mut BytesMut) {
    match event {
        EncodedEvent::Response(encoded) => response(id, encoded).iter().for_each(|piece| out.put_slice(piece)),
        EncodedEvent::Event(name, body) => {
            out.put_u8(b'{');
            if let Some(id) = id {
                out.put_slice(br#""id":"#);
                out.put_slice(id);
                out.put_u8(b',');
            }
            out.put_slice(br#""event":""#);
            out.put_slice(name.as_bytes());
            out.put_u8(b'"');
            splice_object(&body, out);
            out.put_u8(b'\n');
        }
    }
}

/// The line of an error.
pub(super) fn error(id: Option<&Id>, problem: &Problem) -> Chunks {
    log_rejection(problem);
    unlogged(id, problem)
}

/// The line of the error of a client that was not let in.
pub(super) fn denied(problem: &Problem, client: Client) -> Chunks {
    log_denied(problem, client);
    unlogged(None, problem)
}

fn unlogged(id: Option<&Id>, problem: &Problem) -> Chunks {
    let text = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    let written = serde_json::to_vec(text).and_then(|text| Ok((text, serde_json::to_vec(problem)?)));
    let (text, body) = written.unwrap_or_else(|_| (br#""the error cannot be written""#.to_vec(), b"null".to_vec()));
    failure(id, &text, Chunks::one(body))
}

fn failure(id: Option<&Id>, text: &[u8], body: Chunks) -> Chunks {
    framed(id, &[br#""error":"#, text, br#","errorInfo":"#].concat(), body)
}

/// `{"id":ID,` `head` `body` `}` and the end of the line.
fn framed(id: Option<&Id>, head: &[u8], body: Chunks) -> Chunks {
    framed_until(id, head, body, Bytes::from_static(b"}\n"))
}

/// The same with another end.
fn framed_until(id: Option<&Id>, head: &[u8], body: Chunks, end: Bytes) -> Chunks {
    let mut start = BytesMut::with_capacity(16 + head.len() + id.map_or(0, |id| id.len()) + 128);
    start.put_slice(b"{");
    if let Some(id) = id {
        start.put_slice(br#""id":"#);
        start.put_slice(id);
        start.put_slice(b",");
    }
    start.put_slice(head);
    std::iter::once(start.freeze()).chain(body.iter().cloned()).chain([end]).collect()
}

/// A worker runs code that need not be friendly: what it sends must not pass for further answers.
fn is_one_line(body: &Chunks) -> bool {
    body.iter().all(|piece| memchr::memchr2(b'\n', b'\r', piece).is_none())
}

/// The `detail` of a problem document, as it is written there.
fn detail_of(document: &Chunks) -> Vec<u8> {
    #[derive(Deserialize)]
    struct Detail<'a> {
        #[serde(borrow)]
        detail: Cow<'a, str>,
    }
    let document = document.contiguous();
    let detail = serde_json::from_slice::<Detail<'_>>(&document).map(|found| found.detail).unwrap_or_default();
    let text = if detail.is_empty() { ErrorCode::PythonException.title() } else { &*detail };
    serde_json::to_vec(text).unwrap_or_else(|_| br#""Python raised an exception""#.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_cannot_forge_a_line() {
        for forged in ["1\n{\"result\":2}", "1\r", "{}\n"] {
            let answered = response(None, EncodedResponse::Json(Chunks::one(forged.as_bytes().to_vec()))).contiguous();
            let text = std::str::from_utf8(&answered).unwrap();
            assert_eq!(text.find('\n'), Some(text.len() - 1), "{text}");
            assert!(text.contains(r#""code":"internal""#), "{text}");
        }
    }

    #[test]
    fn detail_of_an_exception_is_the_error() {
        for (detail, error) in [(r#""E: \"x\"""#, r#""E: \"x\"""#), (r#""""#, r#""Python raised an exception""#)] {
            let body = format!(r#"{{"detail":{detail},"exception":{{}}}}"#);
            let answered =
                response(Some(&Bytes::from_static(b"7")), EncodedResponse::Exception(Chunks::one(body.clone())))
                    .contiguous();
            assert_eq!(answered, format!("{{\"id\":7,\"error\":{error},\"errorInfo\":{body}}}\n"));
        }
    }
}
