//! Output, client requests, nested calls and streams.

use super::fixture::{Fixture, batch_end, eval, named, outcome, problem, text, value};
use crate::session::call::{CallResult, RequestId, Response};
use crate::session::event::{ClientRequestKind, Event};
use crate::session::event_channel::{Batch, EventChannel};
use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{ErrorCode, Outcome};
use bytes::Bytes;
use std::task::{Context, Poll, Waker};

fn next_event(channel: &EventChannel) -> Option<Event> {
    match channel.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(event) => Some(event),
        Poll::Pending => None,
    }
}

fn response(channel: &EventChannel) -> Response {
    match next_event(channel) {
        Some(Event::Response(response)) => *response,
        other => panic!("no response: {other:?}"),
    }
}

#[test]
fn nested_call_runs_within_the_call_that_asks_and_ends_with_it() {
    let mut session = Fixture::running();
    let (_, channel) = session.call_with_callbacks(eval("callback()"));
    let around = session.start_next().expect("runs");
    let running = session.running;
    let mut reply = session
        .apply(|state, _| {
            state.request_from_client(running, ClientRequestKind::Callback, Bytes::from_static(b"{}"), Some(5))
        })
        .expect("the client takes callbacks");
    let Some(Event::ClientRequest(request)) = next_event(&channel) else { panic!("no client request") };
    let (_, mut first) = session.nest(&request.id, eval("1"));
    let (_, mut second) = session.nest(&request.id, eval("2"));
    let nested = session.start_next().expect("runs");
    assert_eq!(nested.host_call, Some(5));
    session.answer(&nested, value("1"));
    assert_eq!(text(&mut first).0, "1");
    session.answer(&around, value("done"));
    let left = problem(&mut second);
    assert_eq!((left.code, left.started), (ErrorCode::UnknownQuestion, Some(false)));
    assert!(reply.try_recv().is_err());
    let (_, mut late) = session.nest(&request.id, eval("3"));
    assert_eq!(problem(&mut late).code, ErrorCode::UnknownQuestion);
}

#[test]
fn client_without_the_capability_is_not_asked() {
    let mut session = Fixture::running();
    let _call = session.call_with_callbacks(eval("input()"));
    session.start_next();
    let running = session.running;
    let asked =
        session.apply(|state, _| state.request_from_client(running, ClientRequestKind::Input, Bytes::new(), None));
    assert_eq!(asked.err().map(|problem| problem.code), Some(ErrorCode::InvalidRequest));
}

#[test]
fn requests_of_a_call_whose_subscriber_has_gone_get_no_reply() {
    let mut session = Fixture::running();
    let (call_id, _channel) = session.call_with_callbacks(eval("callback()"));
    session.start_next();
    let running = session.running;
    let mut reply = session
        .apply(|state, _| state.request_from_client(running, ClientRequestKind::Callback, Bytes::new(), None))
        .expect("the client takes callbacks");
    session.state.detach_subscriber(call_id.expect("taken"));
    assert!(reply.try_recv().is_err());
}

#[test]
fn output_belongs_to_the_running_call() {
    let mut session = Fixture::running();
    let (_, mut receiver) = session.call(eval("print(1)"));
    let request = session.start_next().expect("runs");
    assert!(session.state.record_output(request.id, false, b"1\n"));
    session.answer(&request, value("null"));
    assert!(!session.state.record_output(request.id, false, b"late"), "the session is idle");
    assert_eq!(receiver.try_recv().expect("a response").output.stdout, "1\n");
}

#[test]
fn stop_that_comes_as_a_batch_ends_ends_the_stream() {
    let mut session = Fixture::running();
    let (call_id, channel) = session.batch(named("stream", "a"), Batch::First);
    let request = session.start_next().expect("runs");
    session.stop(call_id.expect("taken"), true);
    session.answer(&request, batch_end("h1", false));
    let CallResult::Problem(problem) = response(&channel).result else { panic!("it was stopped") };
    assert_eq!(problem.outcome, Some(Outcome::StateKept));
    let dispose = session.start_next().expect("the stream is disposed of");
    assert_eq!(dispose.body, r#"{"handleIds":["h1"]}"#);
    session.answer(&dispose, value("null"));
    assert_eq!(session.state.calls_in_progress(), 0);
}

#[test]
fn paused_stream_is_cancelled_by_its_id() {
    let mut session = Fixture::running();
    let (_, channel) = session.batch(named("stream", "a"), Batch::First);
    let request = session.start_next().expect("runs");
    session.answer(&request, batch_end("h1", false));
    assert!(session.state.cancel_paused(&RequestId::new("b")).is_empty());
    assert_eq!(session.state.cancel_paused(&RequestId::new("a")), ["h1"]);
    assert!(matches!(response(&channel).result, CallResult::Problem(_)));
}

#[test]
fn later_batch_that_does_not_start_keeps_what_ran_before() {
    let mut session = Fixture::running();
    let (call_id, _channel) = session.batch(named("next", "a"), Batch::Continuation);
    let mut target = session.state.subscribe_cancellation(&RequestId::new("a")).pop().expect("the call");
    session.stop(call_id.expect("taken"), true);
    assert_eq!(outcome(&mut target.outcome), Some(CancelOutcome::StateKept));
}
