//! The lifecycle: workers come and go, sessions fail and close.

use super::fixture::{Fixture, eval, problem, text, value};
use crate::session::error::KillReason;
use crate::session::state::lifecycle::Lifecycle;
use crate::worker::shared_page::SLOTS;
use crate::worker::wire::WorkerAnswer;
use beep_python_protocol::{ErrorCode, Outcome, Problem};
use bytes::Bytes;
use std::time::Duration;

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
fn worker_that_is_to_end_is_drained_when_its_running_call_has_stopped() {
    for why in [KillReason::Closing, KillReason::Restarting] {
        let mut session = Fixture::running();
        let (call_id, mut running) = session.call(eval("1"));
        let (behind, mut ahead) = session.call(eval("2"));
        let call_id = call_id.expect("taken");
        let waiting: Vec<_> = (0..SLOTS).map(|n| session.call(eval(&n.to_string())).1).collect();
        let request = session.start_next().expect("runs");
        if why == KillReason::Closing {
            session.apply(|state, effects| state.close(effects));
        }
        let by = session.now;
        let told = session.apply(|state, effects| state.end(why, by, effects));
        assert_eq!(told.len(), SLOTS, "those that the worker has");
        assert!(told.iter().any(|(id, _)| *id == call_id));
        let mut last = waiting.into_iter().last().expect("some");
        let queued = problem(&mut last);
        assert_eq!((queued.code, queued.started), (why.code(), Some(false)));
        assert_eq!(session.apply(|state, effects| state.end(why, by, effects)), [], "they are being stopped");
        for (id, _) in told {
            session.stop_for(id, why.code());
        }
        assert_eq!(problem(&mut ahead).outcome, Some(Outcome::NotStarted), "{behind:?}");
        assert_eq!(session.drained, 0);
        session.answer(&request, WorkerAnswer::Cancelled { told: Bytes::from_static(b"{}") });
        let stopped = problem(&mut running);
        assert_eq!((stopped.code, stopped.started, stopped.outcome), (why.code(), Some(true), None));
        while !session.inbox.is_empty() {
            session.start_next();
        }
        assert!(session.drained > 0 && session.inbox.is_empty());
        session.link_down();
        assert_eq!(session.state.ends_by(), None);
    }
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
fn every_change_of_the_lifecycle_is_published() {
    let mut session = Fixture::running();
    session.link_down();
    session.apply(|state, effects| state.close(effects));
    session.apply(|state, effects| state.closed(effects));
    let published: Vec<_> = session.published.iter().map(|lifecycle| format!("{lifecycle:?}")).collect();
    let running = "Running(LinkId { epoch: 1, pid: 7 })";
    assert_eq!(published, [running, "Starting", "Closing(None)", "Closed"]);
}
