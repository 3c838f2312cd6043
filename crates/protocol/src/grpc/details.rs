//! The details of an error status: a `google.rpc.Status` with our [`ErrorDetails`].

use bytes::Bytes;
use prost::Message;

use super::messages::ErrorDetails;
use crate::exception::{Frame, PythonException};
use crate::problem::Problem;

/// Many clients accept no more than 8 KiB of headers, and base64 makes the details a third longer.
const MAX_JSON_BYTES: usize = 3 << 10;
/// The length of the message beside them.
const MAX_MESSAGE_BYTES: usize = 400;
const TYPE_URL: &str = "type.googleapis.com/beep.python.runtime.ErrorDetails";

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// The message and the details of a problem, shortened to what headers can carry.
pub fn encode_details(problem: &Problem) -> (String, Vec<u8>) {
    let message = beginning(&problem.detail, MAX_MESSAGE_BYTES);
    let value = details(&shortened(problem)).encode_to_vec().into();
    let any = Any { type_url: TYPE_URL.to_owned(), value };
    let code = i32::from(problem.code.grpc_code().number());
    let status = Status { code, message: message.clone(), details: vec![any] };
    (message, status.encode_to_vec())
}

/// The whole problem, for a client that requests it.
pub fn full_details(problem: &Problem) -> ErrorDetails {
    details(problem)
}

/// The problem in the details of a status; `None` if they are not ours.
pub fn decode_details(details: &[u8]) -> Option<Problem> {
    let status = Status::decode(details).ok()?;
    let any = status.details.into_iter().find(|any| any.type_url == TYPE_URL)?;
    serde_json::from_str(&ErrorDetails::decode(any.value).ok()?.problem_json).ok()
}

fn details(problem: &Problem) -> ErrorDetails {
    let exception = problem.exception.as_ref();
    ErrorDetails {
        code: problem.code.as_str().to_owned(),
        problem_json: serde_json::to_string(problem).unwrap_or_default(),
        exception_type: exception.map(|exception| exception.kind.clone()).unwrap_or_default(),
        exception_message: exception.map(|exception| exception.message.clone()).unwrap_or_default(),
    }
}

/// The problem in ever shorter versions: what is needed least goes first.
fn shortened(problem: &Problem) -> Problem {
    let fits = |problem: &Problem| details(problem).encoded_len() <= MAX_JSON_BYTES;
    let mut short = problem.clone();
    for step in 0.. {
        if fits(&short) {
            break;
        }
        match step {
            // What Python wrote says no more than the fields.
            0 => short.exception.iter_mut().for_each(|exception| exception.text = None),
            1 => (short.stdout, short.stderr) = (end(&short.stdout, 200), end(&short.stderr, 200)),
            2 => short.exception.iter_mut().for_each(|exception| drop_locals(exception)),
            3 => {
                short.exception = short.exception.map(|exception| Box::new(without_family(*exception, 4)));
                if let Some(death) = &mut short.death {
                    death.stderr_tail = end(&death.stderr_tail, 200);
                }
                short.answer.clear();
                keep_last(&mut short.traceback, 4);
            }
            4 => {
                short.detail = beginning(&short.detail, MAX_MESSAGE_BYTES);
                short.exception = short.exception.map(|exception| Box::new(without_family(*exception, 0)));
                short.traceback.clear();
            }
            _ => {
                let detail = beginning(&problem.detail, MAX_MESSAGE_BYTES);
                return Problem {
                    exception: short.exception.map(|exception| Box::new(bare(*exception))),
                    ..Problem::new(problem.code, detail)
                };
            }
        }
    }
    short
}

/// Of the variables those of the innermost frame are left.
fn drop_locals(exception: &mut PythonException) {
    let outer = exception.traceback.len().saturating_sub(1);
    exception.traceback[..outer].iter_mut().for_each(|frame| frame.locals.clear());
    exception.cause.iter_mut().chain(&mut exception.context).for_each(|before| drop_locals(before));
    exception.exceptions.iter_mut().for_each(drop_locals);
}

/// The exception alone, with the innermost of its frames.
fn without_family(exception: PythonException, frames: usize) -> PythonException {
    let PythonException { kind, mut message, suggestion, mut traceback, syntax, .. } = exception;
    message = beginning(&message, 2 * MAX_MESSAGE_BYTES);
    keep_last(&mut traceback, frames);
    traceback.iter_mut().for_each(|frame| frame.locals.clear());
    PythonException { kind, message, suggestion, traceback, syntax, ..PythonException::default() }
}

fn keep_last(traceback: &mut Vec<Frame>, frames: usize) {
    traceback.drain(..traceback.len().saturating_sub(frames));
}

fn bare(exception: PythonException) -> PythonException {
    let (kind, message) =
        (beginning(&exception.kind, MAX_MESSAGE_BYTES), beginning(&exception.message, MAX_MESSAGE_BYTES));
    PythonException { kind, message, ..PythonException::default() }
}

fn beginning(text: &str, bytes: usize) -> String {
    match (0..=bytes).rev().find(|&at| text.is_char_boundary(at)) {
        Some(at) if text.len() > bytes => format!("{}…", &text[..at]),
        _ => text.to_owned(),
    }
}

fn end(text: &str, bytes: usize) -> String {
    match (text.len().saturating_sub(bytes)..text.len()).find(|&at| text.is_char_boundary(at)) {
        Some(at) if text.len() > bytes => format!("…{}", &text[at..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn a_problem_comes_back_as_it_was() {
        let mut problem = Problem::new(ErrorCode::PythonException, "ValueError: ä");
        problem.exception =
            Some(Box::new(PythonException { kind: "ValueError".into(), message: "ä".into(), ..Default::default() }));
        problem.stdout = "printed".into();
        let (message, details) = encode_details(&problem);
        assert_eq!(message, "ValueError: ä");
        assert_eq!(decode_details(&details), Some(problem));
        assert_eq!(decode_details(b"\xff"), None);
    }

    #[test]
    fn a_long_problem_is_shortened_to_what_headers_carry() {
        let frame = Frame {
            file: "f".repeat(200),
            line: 1,
            function: "g".repeat(200),
            code: Some("c".repeat(200)),
            ..Frame::default()
        };
        let long = PythonException {
            kind: "ValueError".into(),
            message: "\u{1}ß".repeat(10_000),
            traceback: vec![frame; 50],
            notes: vec!["n".repeat(9000)],
            ..Default::default()
        };
        let exception = PythonException { cause: Some(Box::new(long.clone())), ..long };
        let problem = Problem {
            exception: Some(Box::new(exception)),
            stdout: "x".repeat(1 << 20),
            ..Problem::new(ErrorCode::PythonException, "\u{1}ß".repeat(10_000))
        };
        let (message, details) = encode_details(&problem);
        assert!(message.len() <= MAX_MESSAGE_BYTES + 3 && details.len() < 5 << 10, "{}", details.len());
        let short = decode_details(&details).expect("ours");
        assert_eq!(short.code, ErrorCode::PythonException);
        assert_eq!(short.exception.expect("an exception").kind, "ValueError");
        assert_eq!(full_details(&problem).exception_type, "ValueError");
    }
}
