//! Callbacks that are kept, and those who answer them.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem, ValueForm};
use bytes::Bytes;
use tokio::sync::oneshot;

use super::fixture::{Fixture, eval, value};
use crate::session::call::RequestId;
use crate::session::error::KillReason;
use crate::session::event::Event;
use crate::session::event_channel::EventChannel;
use crate::session::state::client_requests::{ClientReply, HostCallId, NO_CALL};
use crate::session::state::subscribers::{Subscriber, SubscriptionId};
use crate::worker::wire::WireId;

/// Subscribes, and reads the first event.
fn subscribe(session: &mut Fixture, callbacks: Option<ValueForm>) -> (SubscriptionId, Arc<EventChannel>) {
    let channel = Arc::<EventChannel>::default();
    let request_id = Some(RequestId::new("follows"));
    let subscriber = Subscriber { channel: channel.clone(), request_id, callbacks };
    let id = session.apply(|state, _| state.subscribe(subscriber, "a1")).expect("taken");
    let Some(Event::Session(first)) = next(&channel) else { panic!("no first event") };
    let first: serde_json::Value = serde_json::from_slice(&first.contiguous()).expect("JSON");
    let told = first.get("subscriptionId").and_then(|id| id.as_str()).map(str::to_owned);
    assert_eq!(told, callbacks.map(|_| id.to_string()));
    (id, channel)
}

fn next(channel: &EventChannel) -> Option<Event> {
    match channel.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(event) => Some(event),
        Poll::Pending => None,
    }
}

fn ask(session: &mut Fixture, call: WireId, over: SubscriptionId) -> Result<oneshot::Receiver<ClientReply>, Problem> {
    let host_call = HostCallId { id: 5, takes_nested: call != NO_CALL };
    session.apply(|state, _| state.ask_subscriber(call, &over.to_string(), Bytes::from_static(b"{}"), host_call))
}

fn code(asked: Result<oneshot::Receiver<ClientReply>, Problem>) -> Option<ErrorCode> {
    asked.err().map(|problem| problem.code)
}

#[test]
fn the_named_subscription_is_asked_or_the_only_one_that_answers() {
    let mut session = Fixture::running();
    let (deaf, _events) = subscribe(&mut session, None);
    let keep =
        |session: &Fixture, over: Option<&str>| session.state.keep_callback(over).map_err(|problem| problem.detail);
    assert!(keep(&session, None).unwrap_err().contains("there is none that answers"));
    let (one, first) = subscribe(&mut session, Some(ValueForm::Exact));
    assert_eq!(keep(&session, None), Ok((one, ValueForm::Exact)));
    let (two, second) = subscribe(&mut session, Some(ValueForm::Plain));
    assert!(keep(&session, None).unwrap_err().contains("2 subscriptions"));
    assert_eq!(keep(&session, Some(&two.to_string())), Ok((two, ValueForm::Plain)));
    for unknown in [deaf.to_string().as_str(), "e99", "2", ""] {
        assert!(keep(&session, Some(unknown)).unwrap_err().contains("no subscription"), "{unknown}");
    }
    let _reply = ask(&mut session, NO_CALL, two).expect("asked");
    assert!(matches!(next(&second), Some(Event::ClientRequest(_))) && next(&first).is_none());
}

#[test]
fn who_goes_is_not_asked_and_answers_nothing() {
    let mut session = Fixture::running();
    let (one, _first) = subscribe(&mut session, Some(ValueForm::Exact));
    let (two, _second) = subscribe(&mut session, Some(ValueForm::Exact));
    let (mut of_one, mut of_two) =
        (ask(&mut session, NO_CALL, one).expect("asked"), ask(&mut session, NO_CALL, two).expect("asked"));
    session.apply(|state, _| state.unsubscribe(one));
    assert_eq!(of_one.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
    assert_eq!(of_two.try_recv().unwrap_err(), oneshot::error::TryRecvError::Empty);
    assert_eq!(code(ask(&mut session, NO_CALL, one)), Some(ErrorCode::InvalidRequest));
    assert!(session.apply(|state, _| state.end_subscriptions(&RequestId::new("follows"))));
    assert_eq!(of_two.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
    assert_eq!(code(ask(&mut session, NO_CALL, two)), Some(ErrorCode::InvalidRequest));
}

#[test]
fn questions_that_are_not_read_are_bounded() {
    let mut session = Fixture::running();
    let (over, events) = subscribe(&mut session, Some(ValueForm::Plain));
    let asked = |session: &mut Fixture| {
        let asked = ask(session, NO_CALL, over);
        session.apply(|state, _| state.withdraw_client_request(5)); // nobody waits for it any more
        code(asked)
    };
    for _ in 0..256 {
        assert_eq!(asked(&mut session), None);
    }
    assert_eq!(asked(&mut session), Some(ErrorCode::QueueFull));
    next(&events);
    assert_eq!(asked(&mut session), None);
}

#[test]
fn a_question_of_no_call_outlives_calls_and_takes_none_within() {
    let mut session = Fixture::running();
    let (over, events) = subscribe(&mut session, Some(ValueForm::Plain));
    let (_, _call) = session.call(eval("1"));
    let running = session.start_next().expect("runs");
    let mut of_nobody = ask(&mut session, NO_CALL, over).expect("asked");
    let mut of_the_call = ask(&mut session, running.id, over).expect("asked");
    session.answer(&running, value("1"));
    assert_eq!(of_the_call.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
    assert_eq!(of_nobody.try_recv().unwrap_err(), oneshot::error::TryRecvError::Empty);
    let Some(Event::ClientRequest(question)) = next(&events) else { panic!("no question") };
    let (_, mut nested) = session.nest(&question.id, eval("2"));
    assert_eq!(super::fixture::problem(&mut nested).code, ErrorCode::InvalidRequest);
    let reply = ClientReply { body: Bytes::new(), form: ValueForm::Plain };
    session.apply(|state, _| state.answer_client_request(&question.id, reply)).expect("it waits");
    assert!(of_nobody.try_recv().is_ok());
}

#[test]
fn a_call_that_is_to_stop_asks_nobody_any_more() {
    let mut session = Fixture::running();
    let (over, _events) = subscribe(&mut session, Some(ValueForm::Plain));
    let (call_id, _call) = session.call(eval("callback()"));
    let running = session.start_next().expect("runs").id;
    let mut waiting = ask(&mut session, running, over).expect("asked");
    session.stop(call_id.expect("taken"), true);
    assert_eq!(waiting.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
    assert_eq!(code(ask(&mut session, running, over)), Some(ErrorCode::Cancelled));
    assert!(ask(&mut session, NO_CALL, over).is_ok(), "a thread may");
}

#[test]
fn a_worker_that_is_to_end_has_no_questions() {
    for restart in [true, false] {
        let mut session = Fixture::running();
        let (over, _events) = subscribe(&mut session, Some(ValueForm::Plain));
        let mut waiting = ask(&mut session, NO_CALL, over).expect("asked");
        let by = session.now + Duration::from_secs(5);
        match restart {
            true => drop(session.apply(|state, effects| state.end(KillReason::Restarting, by, effects))),
            false => session.apply(|state, effects| state.close(effects)),
        }
        assert_eq!(waiting.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
        assert_eq!(code(ask(&mut session, NO_CALL, over)), Some(ErrorCode::Cancelled));
        if restart {
            session.link_down();
            session.link_up();
            assert!(ask(&mut session, NO_CALL, over).is_ok(), "the subscription goes on");
        }
    }
}
