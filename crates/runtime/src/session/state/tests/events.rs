//! Output, client requests, nested calls and streams.

use super::fixture::{Fixture, batch_end, eval, named, outcome, problem, text, value};
use crate::session::call::{CallId, CallResult, RequestId, Response};
use crate::session::event::{ClientRequestKind, Event};
use crate::session::event_channel::{Batch, EventChannel};
use crate::session::state::client_requests::{ClientReply, HostCallId};
use crate::worker::shared_page::SLOTS;
use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{ErrorCode, Outcome, Problem, ValueForm};
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
            state.request_from_client(running, ClientRequestKind::Callback, Bytes::from_static(b"{}"), nesting(5))
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
    let asked = session
        .apply(|state, _| state.request_from_client(running, ClientRequestKind::Input, Bytes::new(), nesting(5)));
    assert_eq!(asked.err().map(|problem| problem.code), Some(ErrorCode::InvalidRequest));
}

#[test]
fn requests_of_a_call_whose_subscriber_has_gone_get_no_reply() {
    let mut session = Fixture::running();
    let (call_id, _channel) = session.call_with_callbacks(eval("callback()"));
    session.start_next();
    let running = session.running;
    let mut reply = session
        .apply(|state, _| {
            state.request_from_client(
                running,
                ClientRequestKind::Callback,
                Bytes::new(),
                HostCallId { id: 6, takes_nested: false },
            )
        })
        .expect("the client takes callbacks");
    session.detach(call_id.expect("taken"));
    assert!(reply.try_recv().is_err());
}

#[test]
fn a_call_that_is_to_stop_has_no_questions_any_more() {
    let mut session = Fixture::running();
    let (call_id, channel) = session.call_with_callbacks(eval("callback()"));
    session.start_next();
    let running = session.running;
    let ask = |session: &mut Fixture| {
        session
            .apply(|state, _| state.request_from_client(running, ClientRequestKind::Callback, Bytes::new(), nesting(5)))
    };
    let mut reply = ask(&mut session).expect("the client takes callbacks");
    let Some(Event::ClientRequest(request)) = next_event(&channel) else { panic!("no client request") };
    session.stop(call_id.expect("taken"), true);
    assert!(reply.try_recv().is_err(), "it gets no answer");
    assert_eq!(answer(&mut session, &request.id), Some(ErrorCode::UnknownQuestion));
    assert_eq!(ask(&mut session).err().map(|problem| problem.code), Some(ErrorCode::Cancelled));
    assert!(next_event(&channel).is_none(), "the client is not asked");
}

#[test]
fn a_question_that_python_does_not_wait_for_any_more_is_unknown() {
    let mut session = Fixture::running();
    let _call = session.call_with_callbacks(eval("callback()"));
    session.start_next();
    let running = session.running;
    for withdrawn in [5, 6] {
        let asked = session.apply(|state, _| {
            state.request_from_client(running, ClientRequestKind::Callback, Bytes::new(), nesting(5))
        });
        let _reply = asked.expect("the client takes callbacks");
        session.apply(|state, _| state.withdraw_client_request(withdrawn));
        let id = format!("q{}", withdrawn - 4);
        assert_eq!(answer(&mut session, &id), (withdrawn == 5).then_some(ErrorCode::UnknownQuestion));
    }
}

fn answer(session: &mut Fixture, id: &str) -> Option<ErrorCode> {
    let reply = ClientReply { body: Bytes::new(), form: ValueForm::Plain };
    session.apply(|state, _| state.answer_client_request(id, reply)).err().map(|problem| problem.code)
}

fn nesting(id: u64) -> HostCallId {
    HostCallId { id, takes_nested: true }
}

#[test]
fn output_belongs_to_the_running_call() {
    let mut session = Fixture::running();
    let (_, mut receiver) = session.call(eval("print(1)"));
    let request = session.start_next().expect("runs");
    assert!(session.state.record_output(Some(request.id), false, b"1\n"));
    session.answer(&request, value("null"));
    assert!(!session.state.record_output(Some(request.id), false, b"late"), "the session is idle");
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

/// A stream whose first batch has ended: its call.
fn paused(session: &mut Fixture) -> CallId {
    let (call_id, _channel) = session.batch(named("stream", "a"), Batch::First);
    let request = session.start_next().expect("runs");
    session.answer(&request, batch_end("h1", false));
    call_id.expect("taken")
}

fn problem_of(channel: &EventChannel) -> Problem {
    match response(channel).result {
        CallResult::Problem(problem) => *problem,
        other => panic!("no problem: {other:?}"),
    }
}

#[test]
fn paused_stream_is_cancelled_by_its_id() {
    let mut session = Fixture::running();
    let after = paused(&mut session);
    assert!(session.cancel_paused("b").is_empty());
    assert_eq!(session.cancel_paused("a"), ["h1"]);
    assert!(session.cancel_paused("a").is_empty());
    let (call_id, channel) = session.batch(named("next", "a"), Batch::Continuation { after });
    assert_eq!(call_id, None, "its subscriber was just about to ask for more");
    assert_eq!(problem_of(&channel).outcome, Some(Outcome::StateKept));
}

#[test]
fn stream_does_not_go_on_when_its_batch_ends_before_the_cancel_interrupts_it() {
    let mut session = Fixture::running();
    let (_, channel) = session.batch(named("stream", "a"), Batch::First);
    let request = session.start_next().expect("runs");
    let mut target = session.state.subscribe_cancellation(&RequestId::new("a")).pop().expect("the call");
    session.answer(&request, batch_end("h1", false));
    assert_eq!(problem_of(&channel).code, ErrorCode::Cancelled);
    assert_eq!(outcome(&mut target.outcome), Some(CancelOutcome::StateKept));
}

#[test]
fn cancelled_stream_that_is_sent_before_it_is_stopped_does_not_go_on() {
    let mut session = Fixture::new();
    let (_, channel) = session.batch(named("stream", "a"), Batch::First);
    let _targets = session.state.subscribe_cancellation(&RequestId::new("a"));
    session.link_up();
    let request = session.start_next().expect("runs");
    session.answer(&request, batch_end("h1", false));
    assert_eq!(problem_of(&channel).code, ErrorCode::Cancelled);
}

#[test]
fn paused_stream_is_a_call_in_progress() {
    let mut session = Fixture::running();
    let after = paused(&mut session);
    assert_eq!((session.state.calls_in_progress(), session.state.idle_for(session.now)), (1, None));
    session.apply(|state, effects| state.close(effects));
    assert_eq!(session.drained, 0);
    assert_eq!(session.call(eval("1")).0, None, "the session closes");
    let (call_id, _channel) = session.batch(named("next", "a"), Batch::Continuation { after });
    let request = session.start_next().expect("the stream goes on all the same");
    session.answer(&request, batch_end("h1", false));
    assert_eq!(session.drained, 0);
    session.detach(call_id.expect("taken"));
    assert_eq!((session.state.calls_in_progress(), session.drained), (0, 1));
}

#[test]
fn stream_whose_subscriber_has_gone_does_not_pause() {
    let mut session = Fixture::running();
    let (call_id, channel) = session.batch(named("stream", "a"), Batch::First);
    let request = session.start_next().expect("runs");
    channel.detach();
    session.detach(call_id.expect("taken"));
    session.answer(&request, batch_end("h1", false));
    assert_eq!(session.state.calls_in_progress(), 0);
}

#[test]
fn paused_stream_ends_with_its_worker() {
    let mut session = Fixture::running();
    let after = paused(&mut session);
    session.apply(|state, effects| state.restart(effects));
    session.link_down();
    assert_eq!(session.state.calls_in_progress(), 0);
    session.link_up();
    let (_, channel) = session.batch(named("next", "a"), Batch::Continuation { after });
    let problem = problem_of(&channel);
    assert_eq!((problem.code, problem.started), (ErrorCode::SessionRestarted, Some(true)));
}

#[test]
fn stream_has_started_also_where_its_next_batch_has_not() {
    for is_sent in [true, false] {
        let mut session = Fixture::running();
        let after = paused(&mut session);
        let _others: Vec<_> = (0..if is_sent { 0 } else { SLOTS }).map(|_| session.call(eval("1"))).collect();
        let (_, channel) = session.batch(named("next", "a"), Batch::Continuation { after });
        session.apply(|state, effects| state.restart(effects));
        session.link_down();
        assert_eq!(problem_of(&channel).started, Some(true));
    }
}

#[test]
fn later_batch_that_does_not_start_keeps_what_ran_before() {
    let mut session = Fixture::running();
    let after = paused(&mut session);
    let (call_id, _channel) = session.batch(named("next", "a"), Batch::Continuation { after });
    let mut target = session.state.subscribe_cancellation(&RequestId::new("a")).pop().expect("the call");
    session.stop(call_id.expect("taken"), true);
    assert_eq!(outcome(&mut target.outcome), Some(CancelOutcome::StateKept));
}
