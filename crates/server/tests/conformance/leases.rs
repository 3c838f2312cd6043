//! Handles with leases.

use std::time::Duration;

use beep_python_client::{AnyBackend, ErrorCode, Handle};
use futures_util::StreamExt;

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    unused_object_is_released,
    a_use_and_a_renewal_begin_a_lease_anew,
    leases_are_listed,
    unread_stream_has_no_lease,
    leases_run_out_beside_background_tasks,
];

/// Long enough for anything that a test does within it; where the end of one is waited for, `SHORT`.
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(60);

/// Objects that say when they are gone.
const OWN: &str = "gone = []\nclass Own:\n    def __init__(self, name): self.name = name\n    def __del__(self): gone.append(self.name)";

async fn until_gone(python: &AnyBackend, count: i64) {
    while python.evaluate::<i64>("len(gone)").await.expect("counted") < count {}
}

async fn code_of(python: &AnyBackend, object: &Handle) -> Option<ErrorCode> {
    python.get_attribute::<String>(object, "name").await.expect_err("it is released").code()
}

async fn unused_object_is_released(context: &TestContext) {
    context.python.evaluate::<()>(OWN).await.expect("defined");
    let short = context.python.with_lease(SHORT);
    let leased: Handle = short.evaluate("Own('a')").await.expect("a handle");
    let kept: Handle = context.python.evaluate("Own('kept')").await.expect("a handle");
    let module = short.import_module("collections").await.expect("imported");
    let made: Handle = short.create_object(&module, "deque", ()).await.expect("made");
    until_gone(&context.python, 1).await;
    assert_eq!(context.python.evaluate::<Vec<String>>("gone").await.expect("told"), ["a"]);
    assert_eq!(code_of(&context.python, &leased).await, Some(ErrorCode::HandleExpired));
    let told = context.python.renew_handle(&leased).await.expect_err("too late").to_string();
    assert!(told.contains("its lease of 0.06 s"), "{told}");
    let held = async || context.python.list_handles(&context.session).await.expect("a list");
    while held().await.iter().any(|held| held.handle_id == made.id()) {}
    assert_eq!(code_of(&context.python, &made).await, Some(ErrorCode::HandleExpired), "what is created too");
    assert_eq!(context.python.get_attribute::<String>(&kept, "name").await.expect("no lease"), "kept");
    context.python.create_object(&module, "deque", ()).await.expect("modules have none");
}

async fn a_use_and_a_renewal_begin_a_lease_anew(context: &TestContext) {
    let object: Handle = context.python.with_lease(LONG).evaluate("{1, 2}").await.expect("a handle");
    let left = async || {
        let list = context.python.list_handles(&context.session).await.expect("a list");
        list.iter().find(|held| held.handle_id == object.id()).and_then(|held| held.lease_left_ms).expect("a lease")
    };
    for renewal in [true, false] {
        // Only a use lets what is left grow; on a slow machine that is not seen each time.
        loop {
            while left().await > 3_599_980 {}
            let before = left().await;
            if renewal {
                context.python.renew_handle(&object).await.expect("renewed");
            } else {
                context.python.call_method::<bool>(&object, "__contains__", (1,)).await.expect("used");
            }
            if left().await > before {
                break;
            }
        }
    }
}

async fn leases_are_listed(context: &TestContext) {
    let leased: Handle = context.python.with_lease(LONG).evaluate("{1}").await.expect("a handle");
    let held: Handle = context.python.evaluate("{2}").await.expect("a handle");
    let list = context.python.list_handles(&context.session).await.expect("a list");
    let lease = |handle: &Handle| {
        let listed = list.iter().find(|listed| listed.handle_id == handle.id()).expect("listed");
        (listed.lease_ms, listed.lease_left_ms)
    };
    let (length, left) = lease(&leased);
    assert_eq!(length, Some(3_600_000));
    assert!(left.is_some_and(|left| left <= 3_600_000));
    assert_eq!(lease(&held), (None, None));
}

async fn unread_stream_has_no_lease(context: &TestContext) {
    let python = &context.python;
    python.evaluate::<()>(OWN).await.expect("defined");
    let leased = python.with_lease(SHORT);
    let mut stream = leased.stream::<String>("('x' * 200_000 for _ in range(30))").await.expect("opened");
    stream.next().await.expect("an item").expect("a value");
    // Its items wait unread: no more are asked for, so that nothing uses the stream.
    let _object: Handle = leased.evaluate("Own('later')").await.expect("a handle");
    until_gone(&context.companion(), 1).await;
    assert_eq!(stream.map(|item| item.expect("a value").len()).collect::<Vec<_>>().await, [200_000; 29]);
}

async fn leases_run_out_beside_background_tasks(context: &TestContext) {
    let python = &context.python;
    python.evaluate::<()>(OWN).await.expect("defined");
    let task = "import asyncio\nticks = 0\nasync def tick():\n    global ticks\n    while True:\n        ticks += 1\n        await asyncio.sleep(0.005)\n\
                async def start():\n    global task\n    task = asyncio.ensure_future(tick())\nawait start()";
    python.evaluate::<()>(task).await.expect("started");
    let _leased: Handle = python.with_lease(SHORT).evaluate("Own('a')").await.expect("a handle");
    until_gone(python, 1).await;
    let before: i64 = python.evaluate("ticks").await.expect("told");
    while python.evaluate::<i64>("ticks").await.expect("told") == before {}
    python.evaluate::<()>("task.cancel()\nNone").await.expect("ended");
}
