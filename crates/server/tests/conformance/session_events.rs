//! Following a session: what happens in it and belongs to no call that runs.

use beep_python_client::{
    AnyBackend, Error, ErrorCode, ExecutionEvent, InterruptRequest, SessionEvent, SessionEvents, SessionOptions,
};
use beep_python_protocol::DeathCause;
use futures_util::StreamExt;

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    threads_and_tasks_print_after_their_call,
    children_print_while_no_call_runs,
    what_is_no_text_comes_as_bytes_where_it_is_asked_for,
    displays_come_in_order,
    a_line_without_its_end_is_not_held_back,
    a_call_streams_a_line_without_its_end,
    a_restart_is_told,
    the_events_end_with_their_session,
    the_events_of_a_session_that_expires_end_with_that_error,
    a_subscription_is_cancelled_by_its_id,
    a_subscriber_that_does_not_read_loses_the_middle,
    subscribers_are_limited,
    a_subscriber_does_not_keep_a_session,
];

async fn events(context: &TestContext) -> SessionEvents {
    context.companion().session_events(&context.session).await.expect("subscribed")
}

/// The next event.
async fn next(events: &mut SessionEvents) -> SessionEvent {
    events.next().await.expect("an event").expect("no error")
}

/// What is written until there is as much of it.
async fn written(events: &mut SessionEvents, length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        match next(events).await {
            SessionEvent::Stdout(more) => text.push_str(&more),
            other => panic!("{other:?} after {text:?}"),
        }
    }
    text
}

async fn run(python: &AnyBackend, code: &str) {
    python.evaluate::<()>(code).await.expect("run");
}

async fn threads_and_tasks_print_after_their_call(context: &TestContext) {
    let mut events = events(context).await;
    assert_eq!(events.session_epoch(), 1);
    let code = "import threading, asyncio\ngo = threading.Event()\ndef late():\n    go.wait()\n    print('of the thread')\n\
                thread = threading.Thread(target=late)\nthread.start()\nprint('of the call')";
    run(&context.python, code).await;
    // What the thread prints is not this call's, although this call runs.
    let (seen, result) =
        super::events::shown(&context.companion(), "go.set()\nthread.join()\nprint('of another')").await;
    result.expect("done");
    assert_eq!(seen, ["out:of another\n"]);
    assert_eq!(written(&mut events, 14).await, "of the thread\n");
    let code = "gate = asyncio.Event()\nasync def later():\n    await gate.wait()\n    print('of the task')\n\
                task = asyncio.get_running_loop().create_task(later())\nawait asyncio.sleep(0)";
    run(&context.python, code).await;
    run(&context.companion(), "gate.set()\nawait task").await;
    assert_eq!(written(&mut events, 12).await, "of the task\n");
}

async fn children_print_while_no_call_runs(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let code = format!(
        "import os, subprocess\nos.mkfifo({gate:?})\nchild = subprocess.Popen(['sh', '-c', 'read line < \"$0\"; printf of-a-child', {gate:?}])\nNone",
        gate = gate.to_str().expect("UTF-8")
    );
    let mut events = events(context).await;
    run(&context.python, &code).await;
    tokio::fs::write(&gate, "go\n").await.expect("opened");
    assert_eq!(written(&mut events, 10).await, "of-a-child");
    run(&context.python, "child.wait()\nNone").await;
}

async fn what_is_no_text_comes_as_bytes_where_it_is_asked_for(context: &TestContext) {
    let mut text = events(context).await;
    let raw = context.companion().with_raw_output().session_events(&context.session).await;
    let mut raw = raw.expect("subscribed");
    let code = "import threading\ndef late():\n    sys.stdout.buffer.write(b'\\xff\\x00')\n    sys.stdout.flush()\n    print('end')\n\
                import sys\ngo = threading.Event()\nthread = threading.Thread(target=lambda: (go.wait(), late()))\nthread.start()";
    run(&context.python, code).await;
    run(&context.companion(), "go.set()\nthread.join()").await;
    assert_eq!(written(&mut text, 8).await, "\u{fffd}\0end\n");
    let mut bytes = Vec::new();
    while bytes.len() < 6 {
        match next(&mut raw).await {
            SessionEvent::Stdout(text) => bytes.extend(text.into_bytes()),
            SessionEvent::StdoutBytes(raw) => bytes.extend(raw),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bytes, b"\xff\0end\n");
}

async fn displays_come_in_order(context: &TestContext) {
    let mut events = events(context).await;
    let code = "import sys, threading\ndef show():\n    print('before')\n    display({'n': 1})\n    print('after', file=sys.stderr)\n\
                thread = threading.Thread(target=lambda: (go.wait(), show()))\ngo = threading.Event()\nthread.start()";
    run(&context.python, code).await;
    run(&context.companion(), "go.set()\nthread.join()").await;
    assert_eq!(written(&mut events, 7).await, "before\n");
    let SessionEvent::Display(display) = next(&mut events).await else { panic!("no display") };
    assert_eq!(display.data["text/plain"], "{'n': 1}");
    assert!(matches!(next(&mut events).await, SessionEvent::Stderr(text) if text == "after\n"));
}

async fn a_line_without_its_end_is_not_held_back(context: &TestContext) {
    let mut events = events(context).await;
    let code = "import threading\ngo, end = threading.Event(), threading.Event()\n\
                def late():\n    go.wait()\n    print('50 %', end='')\n    end.wait()\n    print(' 100 %', end='')\n\
                thread = threading.Thread(target=late)\nthread.start()";
    run(&context.python, code).await;
    // Its call has ended.
    run(&context.python, "go.set()").await;
    assert_eq!(written(&mut events, 4).await, "50 %");
    run(&context.python, "end.set()\nthread.join()").await;
    assert_eq!(written(&mut events, 6).await, " 100 %");
}

async fn a_call_streams_a_line_without_its_end(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    let code = format!(
        "import os, subprocess, threading\nos.mkfifo({gate:?})\nprint('a', end='')\n\
         subprocess.run(['sh', '-c', 'read line < \"$0\"; printf b', {gate:?}])\nprint('c', end='')\nthreading.Event().wait()",
        gate = gate.to_str().expect("UTF-8")
    );
    let mut execution = context.python.execute(&code).await.expect("started");
    let mut text = String::new();
    while text != "abc" {
        match execution.next().await.expect("goes on") {
            ExecutionEvent::Stdout(more) => text.push_str(&more),
            other => panic!("{other:?} after {text:?}"),
        }
        if text == "a" {
            tokio::fs::write(&gate, "go\n").await.expect("opened");
        }
    }
    let interrupted = context.companion().interrupt_session(&context.session, &InterruptRequest::default()).await;
    interrupted.expect("interrupted");
    execution.result::<()>().await.expect_err("was interrupted");
}

async fn a_restart_is_told(context: &TestContext) {
    let mut events = events(context).await;
    assert_eq!(context.python.restart_session(&context.session).await.expect("restarted"), 2);
    let SessionEvent::Restarted(epoch) = next(&mut events).await else { panic!("not a restart") };
    assert_eq!((epoch.session_id.as_str(), epoch.session_epoch), (context.session.as_str(), 2));
    assert_eq!(epoch.death.expect("a death").cause, Some(DeathCause::Host));
    let code =
        "import threading\ngo = threading.Event()\nthreading.Thread(target=lambda: (go.wait(), print('anew'))).start()";
    run(&context.python, code).await;
    // Its call has ended.
    run(&context.python, "go.set()").await;
    assert_eq!(written(&mut events, 5).await, "anew\n");
    context.python.evaluate::<()>("import os; os._exit(3)").await.expect_err("it ends its process");
    let SessionEvent::Restarted(epoch) = next(&mut events).await else { panic!("not a restart") };
    assert_eq!((epoch.session_epoch, epoch.death.expect("a death").exit_code), (3, Some(3)));
}

/// A session with events of its own, and these.
async fn other(context: &TestContext, options: &SessionOptions) -> (String, SessionEvents) {
    let session = context.python.create_session_with(options).await.expect("a session");
    let events = context.stranger().session_events(&session).await.expect("subscribed");
    (session, events)
}

async fn the_events_end_with_their_session(context: &TestContext) {
    let (session, mut events) = other(context, &SessionOptions::default()).await;
    let python = context.python.with_session(&session);
    run(&python, "import atexit\natexit.register(print, 'the end')\nNone").await;
    context.python.delete_session(&session).await.expect("deleted");
    assert_eq!(written(&mut events, 8).await, "the end\n");
    assert!(events.next().await.is_none());
    match context.python.session_events("nowhere").await.map(|_| ()) {
        Err(Error::Host(problem)) => assert_eq!(problem.code, ErrorCode::UnknownSession),
        other => panic!("{other:?}"),
    }
}

async fn the_events_of_a_session_that_expires_end_with_that_error(context: &TestContext) {
    // Long enough to subscribe.
    let brief = SessionOptions { idle_timeout_ms: Some(3000), ..SessionOptions::default() };
    let (_, mut events) = other(context, &brief).await;
    match events.next().await {
        Some(Err(Error::Host(problem))) => assert_eq!(problem.code, ErrorCode::SessionExpired),
        other => panic!("{other:?}"),
    }
    assert!(events.next().await.is_none());
}

async fn a_subscription_is_cancelled_by_its_id(context: &TestContext) {
    let id = format!("follows {}", context.name());
    let follower = context.companion().with_request_id(&id);
    let mut events = follower.session_events(&context.session).await.expect("subscribed");
    follower.cancel(&id).await.expect("cancelled");
    assert!(events.next().await.is_none());
    run(&context.python, "None").await;
}

/// Much more than the buffers of a connection hold.
const MUCH: usize = 64 << 20;

async fn a_subscriber_that_does_not_read_loses_the_middle(context: &TestContext) {
    let mut events = events(context).await;
    let code = format!(
        "import threading\ngo = threading.Event()\ndef much():\n    go.wait()\n    for n in range({MUCH} // (1 << 16)):\n        \
         print('x' * 65535)\n    print('last')\nthread = threading.Thread(target=much)\nthread.start()"
    );
    run(&context.python, &code).await;
    run(&context.companion(), "go.set()\nthread.join()").await;
    let (mut read, mut last) = (0, String::new());
    while !last.ends_with("last\n") {
        let SessionEvent::Stdout(text) = next(&mut events).await else { panic!("other than output") };
        read += text.len();
        last = text;
    }
    assert!(read < MUCH / 2, "{read} of {MUCH}");
}

async fn subscribers_are_limited(context: &TestContext) {
    let mut all = Vec::new();
    let refused = loop {
        match context.companion().session_events(&context.session).await {
            Ok(events) => all.push(events),
            Err(error) => break error,
        }
    };
    assert_eq!((all.len(), refused.code()), (64, Some(ErrorCode::QueueFull)));
    all.clear();
    while context.companion().session_events(&context.session).await.is_err() {}
}

async fn a_subscriber_does_not_keep_a_session(context: &TestContext) {
    let brief = SessionOptions { idle_timeout_ms: Some(100), ..SessionOptions::default() };
    let (session, events) = other(context, &brief).await;
    while context.python.get_session(&session).await.is_ok() {}
    drop(events);
}
