//! Callbacks that outlive the call to which they are passed.

use std::sync::Arc;

use beep_python_client::{AnyBackend, CallbackCall, Error, ErrorCode, Handle, SessionEvent, SessionEvents, Value};
use futures_util::StreamExt;
use tokio::task::JoinHandle;

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    later_calls_of_any_client_call_it,
    a_thread_calls_it_while_no_call_runs,
    calls_nest_in_it,
    a_deadline_strikes_the_call_that_waits_for_it,
    it_ends_with_its_handle,
    it_ends_with_its_events,
    a_restart_ends_it,
    there_must_be_a_subscription_that_answers,
];

/// A client with a callback `twice`, which it keeps as `builtins.twice`, and answers while the task lives.
struct Kept {
    python: AnyBackend,
    handle: Handle,
    answering: JoinHandle<()>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

async fn keep(context: &TestContext) -> Kept {
    let python = context.companion().with_callback("twice", |call: CallbackCall| async move {
        Ok::<Value, Error>(match call.args.first() {
            Some(Value::Tuple(items)) => Value::Tuple([items.clone(), items.clone()].concat()),
            _ => Value::from(2 * call.arg::<i64>(0)?),
        })
    });
    keep_as(context, python, "twice").await
}

async fn keep_as(context: &TestContext, python: AnyBackend, name: &str) -> Kept {
    let events = python.session_events(&context.session).await.expect("subscribed");
    let handle = python.keep_callback(&events, name).await.expect("kept");
    let code = format!("import builtins\nbuiltins.{name} = {name}\nNone");
    python.evaluate_with::<()>(&code, [(name, &handle)]).await.expect("passed");
    Kept { python, handle, answering: tokio::spawn(read_all(events)) }
}

async fn read_all(mut events: SessionEvents) {
    while events.next().await.is_some() {}
}

/// What a call of `twice` raises.
async fn refusal(python: &AnyBackend) -> String {
    let told = python.evaluate::<()>("twice(1)").await.expect_err("it has ended");
    let exception = told.exception().expect("raised");
    assert_eq!(exception.kind, "beep_python.HostError");
    exception.message.clone()
}

async fn later_calls_of_any_client_call_it(context: &TestContext) {
    let kept = keep(context).await;
    assert_eq!(kept.python.evaluate::<i64>("twice(4)").await.expect("answered"), 8);
    // This one has no callbacks, and takes no events.
    let other = context.companion();
    assert_eq!(other.evaluate::<i64>("twice(twice(5))").await.expect("answered"), 20);
    assert!(other.evaluate::<bool>("twice((1, b'x')) == (1, b'x', 1, b'x')").await.expect("answered"));
    let fails = "import beep_python\ntry: twice('x')\nexcept beep_python.CallbackError as error: told = 'told'\ntold";
    assert_eq!(other.evaluate::<String>(fails).await.expect("answered"), "told");
}

async fn a_thread_calls_it_while_no_call_runs(context: &TestContext) {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let python = context.companion().with_callback("hear", move |call: CallbackCall| {
        let tell = tell.clone();
        async move {
            assert!(call.reentry_token.is_none(), "a thread carries out no calls");
            tell.send(call.arg::<i64>(0)?).expect("heard");
            Ok::<(), Error>(())
        }
    });
    let _kept = keep_as(context, python, "hear").await;
    let code = "import threading\ngo = threading.Event()\nthread = threading.Thread(target=lambda: (go.wait(), hear(7)))\nthread.start()";
    context.python.evaluate::<()>(code).await.expect("begun");
    context.python.evaluate::<()>("threading.Timer(0, go.set).start()").await.expect("begun");
    assert_eq!(told.recv().await, Some(7));
    context.python.evaluate::<()>("thread.join()").await.expect("answered");
}

async fn calls_nest_in_it(context: &TestContext) {
    let asking = context.companion();
    let python = context.companion().with_callback("ask", move |call: CallbackCall| {
        let asking = asking.nested_in(&call);
        async move { asking.evaluate::<i64>("x + 1").await }
    });
    let _kept = keep_as(context, python, "ask").await;
    assert_eq!(context.python.evaluate::<i64>("x = 41\nask()").await.expect("answered"), 42);
}

async fn a_deadline_strikes_the_call_that_waits_for_it(context: &TestContext) {
    let asked = Arc::new(tokio::sync::Notify::new());
    let begun = asked.clone();
    let python = context.companion().with_callback("wait", move |_: CallbackCall| {
        begun.notify_one();
        std::future::pending::<Result<(), Error>>()
    });
    let _kept = keep_as(context, python, "wait").await;
    let named = context.companion().with_request_id(&format!("waits {}", context.name()));
    let call = tokio::spawn({
        let named = named.clone();
        async move { named.evaluate::<()>("kept = 1\nwait()").await }
    });
    asked.notified().await;
    named.cancel(&format!("waits {}", context.name())).await.expect("cancelled");
    let told = call.await.expect("no panic").expect_err("was cancelled");
    assert_eq!(told.code(), Some(ErrorCode::Cancelled));
    assert_eq!(context.python.evaluate::<i64>("kept").await.expect("the session goes on"), 1);
}

async fn it_ends_with_its_handle(context: &TestContext) {
    let kept = keep(context).await;
    assert_eq!(kept.python.evaluate::<i64>("twice(1)").await.expect("answered"), 2);
    kept.python.dispose_handle(kept.handle.clone()).await.expect("disposed of");
    assert!(refusal(&context.python).await.contains("was released by its client"));
}

async fn it_ends_with_its_events(context: &TestContext) {
    let python = context.companion().with_callback("twice", |_: CallbackCall| async { Ok::<i64, Error>(0) });
    let events = python.session_events(&context.session).await.expect("subscribed");
    let handle = python.keep_callback(&events, "twice").await.expect("kept");
    let code = "import builtins\nbuiltins.twice = twice\nNone";
    python.evaluate_with::<()>(code, [("twice", &handle)]).await.expect("passed");
    // Nobody answers the call that waits when they end.
    let waiting = {
        let python = context.companion();
        tokio::spawn(async move { refusal(&python).await })
    };
    drop(events);
    let told = waiting.await.expect("no panic");
    assert!(told.contains("the client has gone") || told.contains("has ended its subscription"), "{told}");
    while !refusal(&context.python).await.contains("has ended its subscription") {}
    match python.keep_callback(&python.session_events(&context.session).await.expect("subscribed"), "twice").await {
        Ok(_) => {}
        Err(error) => panic!("another subscription keeps it: {error:?}"),
    }
}

async fn a_restart_ends_it(context: &TestContext) {
    let python = context.companion().with_callback("twice", |_: CallbackCall| async { Ok::<i64, Error>(3) });
    let mut events = python.session_events(&context.session).await.expect("subscribed");
    let handle = python.keep_callback(&events, "twice").await.expect("kept");
    context.python.restart_session(&context.session).await.expect("restarted");
    // What the session says at its end comes before.
    while !matches!(events.next().await.expect("it goes on"), Ok(SessionEvent::Restarted(_))) {}
    let lost = python.evaluate_with::<()>("twice()", [("twice", &handle)]).await.expect_err("lost");
    assert_eq!(lost.code(), Some(ErrorCode::HandleLost));
    // The subscription goes on, and keeps the callbacks of the new epoch.
    let handle = python.keep_callback(&events, "twice").await.expect("kept");
    let answering = tokio::spawn(read_all(events));
    assert_eq!(python.evaluate_with::<i64>("twice()", [("twice", &handle)]).await.expect("answered"), 3);
    answering.abort();
}

async fn there_must_be_a_subscription_that_answers(context: &TestContext) {
    let events = context.companion().session_events(&context.session).await.expect("subscribed");
    let refused = context.python.keep_callback(&events, "f").await.expect_err("it answers none");
    assert_eq!(refused.code(), Some(ErrorCode::InvalidRequest));
    assert!(refused.to_string().contains("made without 'callbacks' among its capabilities"), "{refused}");
}
