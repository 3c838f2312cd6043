//! Each transition by itself.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{CallLimits, ErrorCode, Outcome, Problem};
use bytes::Bytes;

use super::fixture::{Fixture, batch_end, eval, named, outcome, problem, text, value};
use crate::session::call::{CallResult, Request, RequestId, Response};
use crate::session::error::KillReason;
use crate::session::event::{ClientRequestKind, Event};
use crate::session::event_channel::{Batch, EventChannel};
use crate::session::limits::SessionLimits;
use crate::session::state::calls::StopResult;
use crate::session::state::lifecycle::Lifecycle;
use crate::worker::shared_page::SLOTS;
use crate::worker::wire::{WireId, WorkerAnswer};

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
fn call_that_arrives_while_a_worker_starts_is_sent_once_it_runs() {
    let mut session = Fixture::new();
    let (_, mut receiver) = session.call(eval("1"));
    assert!(session.inbox.is_empty());
    session.link_up();
    let request = session.start_next().expect("the request");
    session.answer(&request, value("1"));
    assert_eq!(text(&mut receiver), ("1".to_owned(), 1));
}

#[test]
fn as_many_calls_as_there_are_slots_are_sent_ahead() {
    let mut session = Fixture::running();
    let mut receivers: Vec<_> = (0..=SLOTS).map(|n| session.call(eval(&n.to_string())).1).collect();
    assert_eq!(session.inbox.len(), SLOTS);
    assert_eq!(session.inbox.iter().filter(|request| request.pipelined).count(), SLOTS - 1);
    let first = session.start_next().expect("the first");
    session.answer(&first, value("first"));
    assert_eq!(session.inbox.len(), SLOTS, "the next one takes its slot");
    assert_eq!(session.inbox.back().map(|request| request.id.slot()), Some(first.id.slot()));
    assert_eq!(text(&mut receivers[0]).0, "first");
}

#[test]
fn call_beyond_the_queue_is_rejected() {
    let mut session = Fixture::with_limits(SessionLimits { waiting: 1, ..SessionLimits::default() });
    let _first = session.call(eval("1"));
    let (call_id, mut receiver) = session.call(eval("2"));
    assert_eq!(call_id, None);
    assert_eq!(problem(&mut receiver).code, ErrorCode::QueueFull);
}

#[test]
fn answer_that_belongs_to_no_call_changes_nothing() {
    let mut session = Fixture::running();
    let (_, mut receiver) = session.call(eval("1"));
    let mut request = session.start_next().expect("the request");
    let id = request.id;
    request.id = WireId(id.0 + SLOTS as u64);
    session.answer(&request, value("wrong"));
    request.id = id;
    session.answer(&request, value("right"));
    session.answer(&request, value("again"));
    assert_eq!(text(&mut receiver).0, "right");
    assert_eq!(session.state.calls_in_progress(), 0);
}

#[test]
fn result_over_the_limit_becomes_a_problem() {
    let mut session = Fixture::running();
    let limits = Some(Box::new(CallLimits { result_bytes: Some(3), ..CallLimits::default() }));
    let (_, mut receiver) = session.call(Request { limits, ..eval("1") });
    let request = session.start_next().expect("the request");
    session.answer(&request, value("1234"));
    assert_eq!(problem(&mut receiver).code, ErrorCode::ResultTooLarge);
}

#[test]
fn queued_call_is_stopped_before_it_starts() {
    let mut session = Fixture::new();
    let (call_id, mut receiver) = session.call(named("1", "a"));
    let mut target = session.state.subscribe_cancellation(&RequestId::new("a")).pop().expect("the call");
    assert_eq!(session.stop(call_id.expect("taken"), true), StopResult::Answered);
    assert_eq!(problem(&mut receiver).outcome, Some(Outcome::NotStarted));
    assert_eq!(outcome(&mut target.outcome), Some(CancelOutcome::NotStarted));
    session.link_up();
    assert!(session.inbox.is_empty());
}

#[test]
fn call_that_was_sent_and_has_not_started_never_starts() {
    let mut session = Fixture::running();
    let (call_id, mut receiver) = session.call(eval("1"));
    assert_eq!(session.stop(call_id.expect("taken"), true), StopResult::NotStarted);
    assert_eq!(problem(&mut receiver).outcome, Some(Outcome::NotStarted));
    assert_eq!(session.interrupts, 0);
    assert!(session.start_next().is_none(), "the worker passes it by");
    assert_eq!(session.state.calls_in_progress(), 0);
    assert_eq!(session.replies, 1);
}

#[test]
fn running_call_is_interrupted_and_keeps_the_state() {
    let mut session = Fixture::running();
    let (call_id, mut receiver) = session.call(named("1", "a"));
    let mut target = session.state.subscribe_cancellation(&RequestId::new("a")).pop().expect("the call");
    let request = session.start_next().expect("runs");
    assert_eq!(session.stop(call_id.expect("taken"), true), StopResult::Running);
    assert_eq!(session.interrupts, 1);
    assert_eq!(outcome(&mut target.outcome), None);
    session.answer(&request, WorkerAnswer::Cancelled { started: true });
    assert_eq!(problem(&mut receiver).outcome, Some(Outcome::StateKept));
    assert_eq!(outcome(&mut target.outcome), Some(CancelOutcome::StateKept));
    assert_eq!(session.stop(call_id.expect("taken"), true), StopResult::Answered);
}

#[test]
fn last_step_of_the_escalation_does_not_interrupt() {
    let mut session = Fixture::running();
    let (call_id, _receiver) = session.call(eval("1"));
    session.start_next();
    assert_eq!(session.stop(call_id.expect("taken"), false), StopResult::Running);
    assert_eq!(session.interrupts, 0);
}

#[test]
fn call_that_was_not_stopped_in_time_loses_the_state_and_others_are_told_why() {
    let mut session = Fixture::running();
    let (call_id, mut stopped) = session.call(eval("1"));
    let (_, mut behind) = session.call(eval("2"));
    session.start_next();
    let call_id = call_id.expect("taken");
    session.stop(call_id, true);
    session.apply(|state, effects| state.kill_for_call(call_id, effects));
    assert!(session.killed);
    session.link_down();
    let stopped = problem(&mut stopped);
    assert_eq!((stopped.code, stopped.outcome), (ErrorCode::Cancelled, Some(Outcome::StateLost)));
    let behind = problem(&mut behind);
    assert_eq!((behind.code, behind.started), (ErrorCode::SessionRestarted, Some(false)));
    assert_eq!(session.state.stats().epoch, 2);
    assert_eq!(session.state.stats().kill_reason, None, "the next worker was not killed");
}

#[test]
fn worker_is_stuck_only_while_none_of_its_calls_has_started() {
    let mut session = Fixture::running();
    let (_first, _first_receiver) = session.call(eval("1"));
    let (second, _second_receiver) = session.call(eval("2"));
    let second = second.expect("taken");
    session.start_next();
    session.stop(second, true);
    let started = session.started;
    session.apply(|state, effects| state.kill_if_stuck(second, |slot| started[slot], effects));
    assert!(!session.killed, "the first call runs");
    session.apply(|state, effects| state.kill_if_stuck(second, |_| false, effects));
    assert!(session.killed);
    assert_eq!(session.state.stats().kill_reason, Some(KillReason::WorkerStuck));
}

#[test]
fn death_of_the_worker_answers_every_call_and_begins_the_next_epoch() {
    let mut session = Fixture::running();
    let mut receivers: Vec<_> = (0..SLOTS + 3).map(|n| session.call(eval(&n.to_string())).1).collect();
    session.start_next();
    session.link_down();
    for (n, receiver) in receivers.iter_mut().enumerate() {
        let lost = problem(receiver);
        assert_eq!((lost.code, lost.started), (ErrorCode::WorkerDied, Some(n == 0)));
    }
    assert!(matches!(session.state.lifecycle(), Lifecycle::Starting));
    session.link_up();
    let (_, mut receiver) = session.call(eval("1"));
    let request = session.start_next().expect("the request");
    session.answer(&request, value("1"));
    assert_eq!(text(&mut receiver), ("1".to_owned(), 2));
}

#[test]
fn answer_of_the_worker_before_ends_no_call_of_this_one() {
    let mut session = Fixture::running();
    let _before = session.call(eval("1"));
    let late = session.start_next().expect("the request");
    session.link_down();
    session.link_up();
    let (_, mut receiver) = session.call(eval("2"));
    session.answer(&late, value("late"));
    assert!(receiver.try_recv().is_err());
    let request = session.start_next().expect("the request");
    session.answer(&request, value("2"));
    assert_eq!(text(&mut receiver), ("2".to_owned(), 2));
}

#[test]
fn failed_start_answers_those_who_wait_and_the_next_call_tries_again() {
    let mut session = Fixture::new();
    let (_, mut waiting) = session.call(eval("1"));
    let no_python = Problem::new(ErrorCode::WorkerUnavailable, "no Python");
    session.apply(|state, effects| state.fail(no_python, effects));
    assert_eq!(problem(&mut waiting).code, ErrorCode::WorkerUnavailable);
    assert_eq!(session.starts, 0);
    let _next = session.call(eval("2"));
    assert_eq!(session.starts, 1);
    assert!(matches!(session.state.lifecycle(), Lifecycle::Starting));
    session.link_up();
    assert_eq!(session.inbox.len(), 1);
}

#[test]
fn restart_kills_the_worker_or_starts_one_after_a_failure() {
    let mut session = Fixture::running();
    let link = session.apply(|state, effects| state.restart(effects));
    assert_eq!(link.map(|link| link.epoch), Some(1));
    assert!(session.killed);
    session.link_down();
    session.apply(|state, effects| state.fail(Problem::new(ErrorCode::WorkerUnavailable, "no Python"), effects));
    assert_eq!(session.apply(|state, effects| state.restart(effects)), None);
    assert_eq!(session.starts, 1);
}

#[test]
fn closing_session_rejects_new_calls_and_is_drained_after_the_last_one() {
    let mut session = Fixture::running();
    let (_, mut in_progress) = session.call(eval("1"));
    session.apply(|state, effects| state.close(effects));
    assert_eq!(session.drained, 0);
    let (_, mut rejected) = session.call(eval("2"));
    assert_eq!(problem(&mut rejected).code, ErrorCode::ShuttingDown);
    let request = session.start_next().expect("the request");
    session.answer(&request, value("1"));
    assert_eq!(session.drained, 1);
    assert_eq!(text(&mut in_progress).0, "1");
    session.link_down();
    session.apply(|state, effects| state.closed(effects));
    assert!(matches!(session.state.lifecycle(), Lifecycle::Closed));
}

#[test]
fn nothing_leads_back_from_closing() {
    let mut session = Fixture::new();
    session.apply(|state, effects| state.close(effects));
    assert!(!session.link_up(), "there is nothing to do for a worker");
    session.apply(|state, effects| state.fail(Problem::new(ErrorCode::WorkerUnavailable, "no Python"), effects));
    session.apply(|state, effects| state.restart(effects));
    assert!(session.state.lifecycle().is_closing());
    assert_eq!(session.starts, 0);
}

#[test]
fn calls_that_wait_for_a_worker_are_still_carried_out_while_their_session_closes() {
    let mut session = Fixture::new();
    let (_, mut receiver) = session.call(eval("1"));
    session.apply(|state, effects| state.close(effects));
    assert!(session.link_up());
    let request = session.start_next().expect("the request");
    session.answer(&request, value("1"));
    assert_eq!(text(&mut receiver).0, "1");
    assert_eq!(session.drained, 1);
}

#[test]
fn abandoned_session_answers_calls_that_wait_for_a_worker() {
    let mut session = Fixture::new();
    let (_, mut receiver) = session.call(eval("1"));
    session.apply(|state, effects| state.close(effects));
    session.apply(|state, effects| state.abandon(effects));
    assert_eq!(problem(&mut receiver).code, ErrorCode::ShuttingDown);
    assert_eq!(session.drained, 1);
}

#[test]
fn stop_of_the_last_queued_call_drains_a_closing_session() {
    let mut session = Fixture::new();
    let (call_id, _receiver) = session.call(eval("1"));
    session.apply(|state, effects| state.close(effects));
    session.stop(call_id.expect("taken"), true);
    assert_eq!(session.drained, 1);
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

#[test]
fn session_is_idle_from_its_last_call_or_its_worker_on() {
    let mut session = Fixture::new();
    session.now += Duration::from_secs(9);
    session.link_up();
    assert_eq!(session.state.idle_for(session.now), Some(Duration::ZERO), "starting is not idling");
    let _call = session.call(eval("1"));
    assert_eq!(session.state.idle_for(session.now), None);
    let request = session.start_next().expect("runs");
    session.now += Duration::from_secs(1);
    session.answer(&request, value("1"));
    let later = session.now + Duration::from_secs(3);
    assert_eq!(session.state.idle_for(later), Some(Duration::from_secs(3)));
}

#[test]
fn running_time_begins_when_the_call_before_has_ended() {
    let mut session = Fixture::running();
    let _first = session.call(eval("1"));
    let _second = session.call(eval("2"));
    let first = session.start_next().expect("runs");
    session.now += Duration::from_secs(4);
    session.answer(&first, value("1"));
    let second = session.start_next().expect("runs");
    session.now += Duration::from_secs(2);
    assert_eq!(session.state.running_for(second.id, session.now), Some(Duration::from_secs(2)));
}

#[test]
fn calls_with_sampled_limits_are_polled_while_they_wait_and_run() {
    let mut session = Fixture::running();
    let limits = Some(Box::new(CallLimits { cpu_ms: Some(5), ..CallLimits::default() }));
    let _call = session.call(Request { limits, ..eval("1") });
    assert!(session.state.needs_polling());
    let request = session.start_next().expect("runs");
    assert!(session.state.running_call(request.id).is_some());
    session.answer(&request, value("1"));
    assert!(!session.state.needs_polling());
}

#[test]
fn every_change_of_the_lifecycle_is_published() {
    let mut session = Fixture::running();
    session.link_down();
    session.apply(|state, effects| state.close(effects));
    session.apply(|state, effects| state.closed(effects));
    let published: Vec<_> = session.published.iter().map(|lifecycle| format!("{lifecycle:?}")).collect();
    let running = "Running(LinkId { epoch: 1, pid: 7 })";
    assert_eq!(published, [running, "Starting", "Closing(None)", "Closed"]);
}
