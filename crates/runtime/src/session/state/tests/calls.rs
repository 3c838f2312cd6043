//! Calls: sent ahead, answered, stopped, bounded.

use std::time::Duration;

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{CallLimits, ErrorCode, Frame, Outcome};
use bytes::Bytes;

use super::fixture::{Fixture, eval, named, outcome, problem, text, value};
use crate::session::call::{Request, RequestId};
use crate::session::error::KillReason;
use crate::session::limits::SessionLimits;
use crate::session::state::calls::StopResult;
use crate::worker::shared_page::SLOTS;
use crate::worker::wire::{WireId, WorkerAnswer};

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
fn call_whose_caller_has_its_answer_leaves_the_queue() {
    let mut session = Fixture::with_limits(SessionLimits { waiting: 3, ..SessionLimits::default() });
    session.link_up();
    let (_runaway, calls) = (session.call(eval("busy")), [session.call(eval("1")), session.call(eval("2"))]);
    let _running = session.start_next().expect("the first");
    assert_eq!(session.call(eval("3")).0, None, "the queue is full");
    for (call_id, mut receiver) in calls {
        assert_eq!(session.stop(call_id.expect("taken"), true), StopResult::NotStarted);
        assert_eq!(problem(&mut receiver).outcome, Some(Outcome::NotStarted));
    }
    assert!(session.call(eval("3")).0.is_some() && session.call(eval("4")).0.is_some(), "their places are free");
    assert_eq!(session.call(eval("5")).0, None, "and taken again");
}

#[test]
fn call_that_waits_for_a_worker_says_what_for() {
    let mut session = Fixture::new();
    let (call_id, mut receiver) = session.call(eval("1"));
    session.apply(|state, _| state.pause("workers die as soon as they begin".to_owned()));
    session.stop(call_id.expect("taken"), true);
    assert!(problem(&mut receiver).detail.ends_with("it waited for a worker: workers die as soon as they begin"));
    session.apply(|state, effects| state.restart(effects));
    assert_eq!(session.starts, 1, "a restart on request ends the pause");
    session.link_up();
    session.apply(|state, effects| state.restart(effects));
    assert_eq!(session.starts, 1);
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
    session.answer(&request, WorkerAnswer::Cancelled { told: Bytes::from_static(b"{}") });
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
    let at = Frame { file: "<session 1>".into(), line: 1, ..Frame::default() };
    session.apply(|state, effects| state.kill_for_call(call_id, vec![at.clone()], effects));
    assert!(session.killed);
    session.link_down();
    let stopped = problem(&mut stopped);
    assert_eq!((stopped.code, stopped.outcome), (ErrorCode::Cancelled, Some(Outcome::StateLost)));
    assert_eq!(stopped.traceback, [at]);
    let behind = problem(&mut behind);
    assert_eq!((behind.code, behind.started), (ErrorCode::SessionRestarted, Some(false)));
    assert_eq!(session.state.stats().epoch, 2);
    assert_eq!(session.state.stats().kill_reason, None, "the next worker was not killed");
}

#[test]
fn late_sample_does_not_kill_the_session_of_a_call_that_stopped() {
    let mut session = Fixture::with_limits(SessionLimits { memory_bytes: Some(1), ..SessionLimits::default() });
    session.link_up();
    let (call_id, mut stopped) = session.call(eval("1"));
    let received = session.start_next().expect("runs");
    session.stop_for(call_id.expect("taken"), ErrorCode::MemoryExceeded);
    session.answer(&received, WorkerAnswer::Cancelled { told: Bytes::from_static(b"{}") });
    session.apply(|state, effects| state.kill_over_limit(ErrorCode::MemoryExceeded, effects));
    assert!(!session.killed, "it is of the time before the call ended");
    session.apply(|state, effects| state.settle(None, effects));
    let stopped = problem(&mut stopped);
    assert_eq!((stopped.code, stopped.outcome), (ErrorCode::MemoryExceeded, Some(Outcome::StateKept)));
    session.apply(|state, effects| state.kill_over_limit(ErrorCode::MemoryExceeded, effects));
    assert!(session.killed);
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
    session.answer(&second, value("2"));
    assert_eq!(session.waited, [Duration::ZERO, Duration::from_secs(4)]);
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
