//! The running call, by which a session is interrupted without an id.

use beep_python_protocol::Outcome;
use beep_python_protocol::message::CancelOutcome;
use bytes::Bytes;

use super::fixture::{Fixture, eval, named, outcome, problem, text, value};
use crate::session::call::Request;
use crate::session::state::calls::StopResult;
use crate::session::state::reply_sink::ReplySink;
use crate::worker::wire::WorkerAnswer;

fn target(session: &mut Fixture) -> Option<u64> {
    let running = session.running;
    session.apply(|state, _| state.subscribe_current(running)).map(|target| target.call_id.0)
}

fn behind(session: &mut Fixture, of: u64) -> Vec<u64> {
    let of = crate::session::call::CallId(of);
    session.apply(|state, _| state.calls_behind(of)).into_iter().map(|(call_id, _)| call_id.0).collect()
}

#[test]
fn idle_session_has_no_running_call() {
    assert_eq!(target(&mut Fixture::new()), None);
    let mut session = Fixture::running();
    assert_eq!(target(&mut session), None);
    let _call = session.call(eval("1"));
    let request = session.start_next().expect("it runs");
    session.answer(&request, value("1"));
    assert_eq!(target(&mut session), None, "the page still names it, and it is over");
}

#[test]
fn call_that_runs_is_the_running_one_else_the_next() {
    let mut session = Fixture::new();
    let _calls: Vec<_> = (0..40).map(|n| session.call(eval(&n.to_string()))).collect();
    assert_eq!(target(&mut session), Some(1), "there is no worker yet");
    session.link_up();
    assert_eq!(target(&mut session), Some(1), "it was sent, and has not started");
    let first = session.start_next().expect("it runs");
    assert_eq!(target(&mut session), Some(1));
    assert_eq!(behind(&mut session, 1), (2..=40).collect::<Vec<_>>());
    session.answer(&first, value("1"));
    assert_eq!(target(&mut session), Some(2));
    let _second = session.start_next().expect("it runs");
    assert_eq!(target(&mut session), Some(2));
}

#[test]
fn calls_with_an_answer_and_those_of_the_session_are_no_clients() {
    let mut session = Fixture::running();
    let now = session.now;
    let own = crate::session::state::calls::NewCall {
        request: eval("own"),
        grace: std::time::Duration::ZERO,
        reply: ReplySink::Discard,
    };
    session.apply(|state, effects| state.enqueue(own, |_| None, now, effects));
    let (stopped, _answer) = session.call(eval("stopped"));
    let (_, _waiting) = session.call(eval("waiting"));
    let _own = session.start_next().expect("it runs");
    assert_eq!(session.stop(stopped.expect("taken"), true), StopResult::NotStarted);
    assert_eq!(target(&mut session), Some(3));
    assert!(behind(&mut session, 3).is_empty());
}

#[test]
fn outcome_of_the_running_call_is_told() {
    let mut session = Fixture::running();
    let (call_id, _answer) = session.call(eval("1"));
    let request = session.start_next().expect("it runs");
    let running = session.running;
    let mut target = session.apply(|state, _| state.subscribe_current(running)).expect("it runs");
    assert_eq!(session.stop(call_id.expect("taken"), true), StopResult::Running);
    assert_eq!(outcome(&mut target.outcome), None);
    session.answer(&request, value("1"));
    assert_eq!(outcome(&mut target.outcome), Some(CancelOutcome::Finished));
}

#[test]
fn ctrl_c_reaches_the_call_that_runs_and_keeps_another_from_starting() {
    let mut session = Fixture::running();
    let (running, mut answer) = session.call(eval("1"));
    let (waiting, mut waits) = session.call(eval("2"));
    let request = session.start_next().expect("it runs");
    assert_eq!(session.press_ctrl_c(running.expect("taken")), CancelOutcome::Interrupted);
    assert_eq!(session.interrupts, 1);
    assert_eq!(session.press_ctrl_c(waiting.expect("taken")), CancelOutcome::NotStarted);
    assert_eq!(problem(&mut waits).outcome, Some(Outcome::NotStarted));
    session.answer(&request, WorkerAnswer::Late { answer: Box::new(value("caught")), at: Bytes::new() });
    assert_eq!(text(&mut answer).0, "caught", "the code went on: its answer is as any other");
    assert_eq!(session.press_ctrl_c(running.expect("taken")), CancelOutcome::NotStarted);
    assert_eq!(session.interrupts, 1);
}

#[test]
fn calls_are_described_in_the_order_of_their_turns() {
    let mut session = Fixture::running();
    let local = Request { request_id: Some(crate::session::call::RequestId::on_connection(1, "7")), ..eval("3") };
    let _calls = [session.call(eval("1")), session.call(named("2", "mine")), session.call(local)];
    let _running = session.start_next().expect("it runs");
    let later = session.now + std::time::Duration::from_millis(70);
    let (running, waiting) = session.state.describe_calls(session.running, 100, later);
    let running = running.expect("it runs");
    assert_eq!((running.call_id, running.operation.as_str(), running.age_ms), (1, "eval", 70));
    let waiting: Vec<_> = waiting.iter().map(|call| (call.call_id, call.request_id.as_deref())).collect();
    assert_eq!(waiting, [(2, Some("mine")), (3, None)], "no other connection can name the last");
    assert_eq!(session.state.describe_calls(session.running, 1, later).1.len(), 1);
}
