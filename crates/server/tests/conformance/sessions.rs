//! Sessions as their clients manage them: made, looked at, restarted, limited; calls cancelled, and isolated.

use std::collections::BTreeMap;
use std::path::Path;

use beep_python_client::{
    AnyBackend, Callback, CancelOutcome, Error, ErrorCode, InterruptRequest, SessionInspection, SessionOptions, Value,
};
use beep_python_protocol::{DeathCause, Outcome, Problem};
use futures_util::{Stream, StreamExt};

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    a_call_is_cancelled_from_another_client,
    a_call_without_grace_is_killed,
    dropped_call_is_cancelled_if_it_asked,
    a_session_is_made_as_asked,
    a_session_runs_the_python_that_it_asks_for,
    a_restart_ends_what_runs_and_begins_empty,
    a_restart_ends_an_open_stream,
    an_open_stream_keeps_its_session,
    a_session_that_expired_is_told_from_one_that_never_was,
    isolated_calls_keep_nothing,
    deaths_say_their_cause,
    busy_session_can_be_inspected,
    running_call_is_interrupted_without_its_id,
    interrupt_ends_a_stream_that_rests,
    interrupt_can_abort_what_waits,
    single_interrupt_is_the_codes_to_catch,
    interrupt_of_code_that_does_not_stop_takes_the_worker,
    handles_of_a_session_are_listed,
    sessions_are_set_up_again_after_each_start,
];

const ABORTING: InterruptRequest = InterruptRequest { grace_ms: None, abort_queued: true, once: false };

/// Code that marks a file when it runs, and never ends. The file is opened raw: one for text would exist before Python's own
/// code that makes its encoder is over, which an `inspect` would then find on top.
fn endless(mark: &Path) -> String {
    format!("kept = 1\nopen({:?}, 'wb', 0).close()\nwhile True: pass", mark.to_str().expect("UTF-8"))
}

async fn marked(mark: &Path) {
    while !mark.exists() {
        tokio::task::yield_now().await;
    }
}

fn problem<T: std::fmt::Debug>(result: Result<T, Error>) -> Problem {
    match result {
        Err(Error::Host(problem)) => *problem,
        other => panic!("no problem: {other:?}"),
    }
}

/// What the call and the one who cancels it are told.
async fn cancelled(context: &TestContext, call: AnyBackend) -> (Problem, CancelOutcome) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let id = format!("call of {}", context.session);
    let call = call.with_request_id(&id);
    let code = endless(&mark);
    let calling = call.evaluate::<()>(&code);
    let cancelling = async {
        marked(&mark).await;
        context.stranger().cancel(&id).await.expect("told")
    };
    let (answered, outcome) = tokio::join!(calling, cancelling);
    (problem(answered), outcome)
}

async fn a_call_is_cancelled_from_another_client(context: &TestContext) {
    assert_eq!(context.python.cancel("nobody's").await.expect("told"), CancelOutcome::NotFound);
    let (told, outcome) = cancelled(context, context.python.clone()).await;
    assert_eq!((told.code, told.outcome), (ErrorCode::Cancelled, Some(Outcome::StateKept)));
    assert_eq!(outcome, CancelOutcome::StateKept);
    assert_eq!(context.python.evaluate::<i64>("kept").await.expect("kept"), 1);
}

async fn a_call_without_grace_is_killed(context: &TestContext) {
    let (told, outcome) = cancelled(context, context.python.with_grace(std::time::Duration::ZERO)).await;
    assert_eq!((told.code, told.outcome), (ErrorCode::Cancelled, Some(Outcome::StateLost)));
    assert_eq!(outcome, CancelOutcome::StateLost);
    assert!(!context.python.evaluate::<bool>("'kept' in globals()").await.expect("goes on"));
}

async fn dropped_call_is_cancelled_if_it_asked(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let (code, python) = (endless(&mark), context.python.with_cancel_on_disconnect());
    tokio::select! {
        answered = python.evaluate::<()>(&code) => panic!("{answered:?}"),
        () = marked(&mark) => {}
    }
    assert_eq!(context.python.evaluate::<i64>("kept").await.expect("the session is free again"), 1);
}

async fn a_session_is_made_as_asked(context: &TestContext) {
    let python = &context.python;
    let options = SessionOptions {
        preload: Some(vec!["fractions".into()]),
        labels: BTreeMap::from([("owner".into(), "é".into())]),
        ..SessionOptions::default()
    };
    let session = python.create_session_with(&options).await.expect("a session");
    let there = python.with_session(&session);
    assert!(there.evaluate::<bool>("import sys\n'fractions' in sys.modules").await.expect("told"));
    let info = python.get_session(&session).await.expect("known");
    assert_eq!((info.session_id.as_str(), info.session_epoch, info.restarted), (session.as_str(), 1, false));
    assert_eq!(info.labels, options.labels);
    assert!(info.pid.is_some() && info.memory_bytes.is_some() && info.python.is_some(), "{info:?}");
    assert!(python.list_sessions().await.expect("a list").iter().any(|listed| listed.session_id == session));
    python.delete_session(&session).await.expect("ended");
    let missing = SessionOptions { environment: Some("no-such-environment".into()), ..SessionOptions::default() };
    let told = problem(python.create_session_with(&missing).await);
    assert_eq!(told.code, ErrorCode::UnknownEnvironment);
}

async fn a_session_runs_the_python_that_it_asks_for(context: &TestContext) {
    let python = &context.python;
    let own: String = python.evaluate("import sys\nsys._base_executable").await.expect("a path");
    let options = |python: &str| SessionOptions { python: Some(python.to_owned()), ..SessionOptions::default() };
    let session = python.create_session_with(&options(&own)).await.expect("a session");
    let there = python.with_session(&session);
    let version: (u8, u8) = there.evaluate("import sys\nsys.version_info[:2]").await.expect("told");
    assert_eq!(version, context.version);
    let prefix: String = there.evaluate("sys.prefix").await.expect("told");
    assert!(prefix.contains("/runtime-host"), "in an environment that is kept for it: {prefix}");
    python.delete_session(&session).await.expect("ended");
    let told =
        problem(python.create_session_with(&SessionOptions { environment: Some(prefix), ..options("3.1") }).await);
    assert_eq!(told.code, ErrorCode::InvalidRequest);
    assert!(told.detail.ends_with("and 'python' asks for 3.1"), "{}", told.detail);
    let told = problem(python.create_session_with(&options("3.1")).await);
    assert_eq!(told.code, ErrorCode::EnvironmentFailed, "{}", told.detail);
}

async fn a_restart_ends_what_runs_and_begins_empty(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let code = endless(&mark);
    let restarting = async {
        marked(&mark).await;
        context.stranger().restart_session(&context.session).await.expect("restarted")
    };
    let (answered, epoch) = tokio::join!(context.python.evaluate::<()>(&code), restarting);
    assert_eq!((problem(answered).code, epoch), (ErrorCode::SessionRestarted, 2));
    assert!(!context.python.evaluate::<bool>("'kept' in globals()").await.expect("goes on"));
    assert!(context.python.get_session(&context.session).await.expect("known").restarted);
}

/// A stream that waits for its reader between two rounds.
async fn open_stream(python: &AnyBackend) -> impl Stream<Item = Result<String, Error>> + use<> {
    try_open_stream(python).await.expect("opened")
}

async fn try_open_stream(python: &AnyBackend) -> Result<impl Stream<Item = Result<String, Error>> + use<>, Error> {
    let mut stream = python.stream("('x' * 200_000 for _ in range(30))").await?;
    let first: String = stream.next().await.expect("an item")?;
    assert_eq!(first.len(), 200_000);
    Ok(stream)
}

async fn a_restart_ends_an_open_stream(context: &TestContext) {
    let stream = open_stream(&context.python).await;
    context.stranger().restart_session(&context.session).await.expect("restarted");
    let last = stream.collect::<Vec<_>>().await.pop().expect("an end");
    let told = problem(last);
    assert_eq!((told.code, told.started), (ErrorCode::SessionRestarted, Some(true)));
}

async fn an_open_stream_keeps_its_session(context: &TestContext) {
    let brief = SessionOptions { idle_timeout_ms: Some(200), ..SessionOptions::default() };
    // On a busy machine a session may expire before its stream is asked for.
    let (session, stream) = loop {
        let session = context.python.create_session_with(&brief).await.expect("a session");
        match try_open_stream(&context.python.with_session(&session)).await {
            Ok(stream) => break (session, stream),
            Err(error) => assert_eq!(error.code(), Some(ErrorCode::SessionExpired), "{error}"),
        }
    };
    assert_eq!(context.python.get_session(&session).await.expect("there").calls, 1);
    let idle = context.python.create_session_with(&brief).await.expect("a session");
    while context.python.get_session(&idle).await.is_ok() {}
    assert_eq!(stream.map(|item| item.expect("a value").len()).collect::<Vec<_>>().await, [200_000; 29]);
    while context.python.get_session(&session).await.is_ok() {}
}

async fn a_session_that_expired_is_told_from_one_that_never_was(context: &TestContext) {
    let options = SessionOptions { idle_timeout_ms: Some(150), ..SessionOptions::default() };
    let session = context.python.create_session_with(&options).await.expect("a session");
    while context.python.list_sessions().await.expect("a list").iter().any(|other| other.session_id == session) {
        tokio::task::yield_now().await;
    }
    let there = context.python.with_session(&session);
    for told in [problem(there.evaluate::<()>("1").await), problem(context.python.delete_session(&session).await)] {
        assert_eq!((told.code, told.status), (ErrorCode::SessionExpired, 410));
        assert!(told.detail.contains("150ms"), "{}", told.detail);
    }
}

async fn isolated_calls_keep_nothing(context: &TestContext) {
    context.python.evaluate::<()>("mine = 1").await.expect("done");
    let apart = context.python.with_isolation();
    let (a, b) = tokio::join!(
        apart.evaluate::<(bool, i64)>("import os\n'mine' in globals(), os.getpid()"),
        apart.evaluate::<(bool, i64)>("import os\n'mine' in globals(), os.getpid()"),
    );
    let (a, b) = (a.expect("told"), b.expect("told"));
    assert_eq!((a.0, b.0), (false, false));
    assert_ne!(a.1, b.1);
    assert_eq!(problem(apart.evaluate::<Value>("object()").await).code, ErrorCode::NotRepresentable);
    let calling = apart.with_callback("f", |_| async { Ok::<(), Error>(()) });
    let told = calling.evaluate_with::<Value>("f()", [("f", Callback("f".into()))]).await;
    assert_eq!(
        problem(told).code,
        ErrorCode::InvalidRequest,
        "it tells nothing on the transport, and never runs in the session"
    );
    assert_eq!(context.python.evaluate::<i64>("mine").await.expect("kept"), 1);
}

async fn deaths_say_their_cause(context: &TestContext) {
    for (code, cause) in [
        ("import ctypes; ctypes.string_at(0)", DeathCause::Crash),
        ("import os; os._exit(3)", DeathCause::Exit),
        ("import os; os.kill(os.getpid(), 9)", DeathCause::Killed),
    ] {
        let death = problem(context.python.evaluate::<()>(code).await).death.expect("a death");
        assert_eq!(death.cause, Some(cause), "{code}");
        assert_eq!(death.fault.is_some(), cause == DeathCause::Crash, "{death:?}");
        let info = context.python.get_session(&context.session).await.expect("known");
        assert_eq!(info.last_death, Some(*death));
    }
}

async fn busy_session_can_be_inspected(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let code = format!("def inner():\n    {}\ninner()", endless(&mark).replace('\n', "\n    "));
    let looking = async {
        marked(&mark).await;
        // Stacks are not waited for longer than half a second: where the system did not let the worker write them by then,
        // there are none, or not all of them.
        let told = loop {
            let told = context.stranger().inspect_session(&context.session).await.expect("told");
            if told.threads.iter().any(|thread| thread.main) {
                break told;
            }
        };
        context.stranger().cancel(&context.session).await.expect("cancelled");
        told
    };
    let call = context.python.with_request_id(&context.session);
    let (answered, told) = tokio::join!(call.evaluate::<()>(&code), looking);
    assert_eq!(problem(answered).outcome, Some(Outcome::StateKept));
    assert_eq!((told.session.session_id.as_str(), told.session.calls), (context.session.as_str(), 1));
    assert!(told.session.running_ms.is_some());
    let main = told.threads.iter().find(|thread| thread.main).expect("the thread of the call");
    assert_eq!(main.frames[0].function, "inner");
}

async fn running_call_is_interrupted_without_its_id(context: &TestContext) {
    let none = context.stranger().interrupt_session(&context.session, &ABORTING).await.expect("told");
    assert_eq!((none.outcome, none.aborted), (CancelOutcome::NotFound, 0), "nothing runs");
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let code = endless(&mark);
    let behind = async {
        marked(&mark).await;
        let waiting = async { context.companion().evaluate::<i64>("kept + 1").await };
        let interrupting = async {
            let told = calls_of(context, 2).await;
            assert_eq!(told.session.running.as_ref().expect("it runs").operation, "eval");
            assert_eq!(told.waiting.iter().map(|call| call.operation.as_str()).collect::<Vec<_>>(), ["eval"]);
            context.stranger().interrupt_session(&context.session, &InterruptRequest::default()).await.expect("told")
        };
        tokio::join!(waiting, interrupting)
    };
    let (answered, (next, told)) = tokio::join!(context.python.evaluate::<()>(&code), behind);
    let answered = problem(answered);
    assert_eq!((answered.code, answered.outcome), (ErrorCode::Cancelled, Some(Outcome::StateKept)));
    assert_eq!((told.outcome, told.aborted), (CancelOutcome::StateKept, 0));
    assert_eq!(next.expect("what waited runs"), 2);
    let missing = context.stranger().interrupt_session("no-such-session", &ABORTING).await.expect_err("missing");
    assert_eq!(missing.code(), Some(ErrorCode::UnknownSession));
}

/// The session's calls, once it has so many.
async fn calls_of(context: &TestContext, number: u64) -> SessionInspection {
    loop {
        let told = context.stranger().inspect_session(&context.session).await.expect("told");
        if told.session.calls == number {
            return told;
        }
    }
}

async fn interrupt_ends_a_stream_that_rests(context: &TestContext) {
    let stream = open_stream(&context.python).await;
    while context.python.list_handles(&context.session).await.expect("a list").is_empty() {}
    let told =
        context.stranger().interrupt_session(&context.session, &InterruptRequest::default()).await.expect("told");
    assert_eq!(told.outcome, CancelOutcome::StateKept);
    let last = problem(stream.collect::<Vec<_>>().await.pop().expect("an end"));
    assert_eq!((last.code, last.outcome), (ErrorCode::Cancelled, Some(Outcome::StateKept)));
    while !context.python.list_handles(&context.session).await.expect("a list").is_empty() {}
}

async fn interrupt_can_abort_what_waits(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mark, ran) = (folder.path().join("mark"), folder.path().join("ran"));
    let code = endless(&mark);
    // More than are sent ahead, so that some wait in the host and some in the worker's pipe.
    let waiting = 40;
    let behind = async {
        marked(&mark).await;
        let companion = context.companion();
        let code = format!("open({:?}, 'w').close()", ran.to_str().expect("UTF-8"));
        let calls = futures_util::future::join_all((0..waiting).map(|_| companion.evaluate::<()>(&code)));
        let interrupting = async {
            calls_of(context, waiting + 1).await;
            context.stranger().interrupt_session(&context.session, &ABORTING).await.expect("told")
        };
        tokio::join!(calls, interrupting)
    };
    let named = context.python.with_request_id(&context.name());
    let (answered, (aborted, told)) = tokio::join!(named.evaluate::<()>(&code), behind);
    assert_eq!(problem(answered).outcome, Some(Outcome::StateKept));
    assert_eq!((told.outcome, told.aborted), (CancelOutcome::StateKept, waiting));
    for call in aborted {
        let call = problem(call);
        assert_eq!((call.code, call.outcome), (ErrorCode::Cancelled, Some(Outcome::NotStarted)));
    }
    assert_eq!(context.python.evaluate::<i64>("kept").await.expect("kept"), 1);
    assert!(!ran.exists());
}

async fn single_interrupt_is_the_codes_to_catch(context: &TestContext) {
    let once = InterruptRequest { once: true, ..InterruptRequest::default() };
    let idle = context.stranger().interrupt_session(&context.session, &once).await.expect("told");
    assert_eq!(idle.outcome, CancelOutcome::NotFound);
    assert_eq!(context.stranger().press_ctrl_c("nobody's").await.expect("told"), CancelOutcome::NotFound);
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let code = format!(
        "import time\ndef wait():\n    while True: time.sleep(0.01)\ncaught = 0\n\
         try:\n    open({first:?}, 'w').close()\n    wait()\nexcept KeyboardInterrupt: caught += 1\n\
         try:\n    open({second:?}, 'w').close()\n    wait()\nexcept KeyboardInterrupt: caught += 1\ncaught"
    );
    let named = context.python.with_request_id(&context.name());
    let pressing = async {
        marked(&first).await;
        let told = context.stranger().interrupt_session(&context.session, &once).await.expect("told");
        assert_eq!((told.outcome, told.aborted), (CancelOutcome::Interrupted, 0));
        marked(&second).await;
        assert_eq!(context.stranger().press_ctrl_c(&context.name()).await.expect("told"), CancelOutcome::Interrupted);
    };
    let (answered, ()) = tokio::join!(named.evaluate::<i64>(&code), pressing);
    assert_eq!(answered.expect("it went on, and ended as it does"), 2);
    let third = folder.path().join("third");
    let code = format!("def third():\n    open({third:?}, 'w').close()\n    wait()\nthird()");
    let pressing = async {
        marked(&third).await;
        context.stranger().press_ctrl_c(&context.name()).await.expect("told")
    };
    let (answered, outcome) = tokio::join!(named.evaluate::<()>(&code), pressing);
    let Err(Error::Python(raised)) = answered else { panic!("{answered:?}") };
    assert_eq!((raised.exception.kind.as_str(), outcome), ("KeyboardInterrupt", CancelOutcome::Interrupted));
    assert!(raised.exception.traceback.iter().any(|frame| frame.function == "third"), "it says where: {raised:?}");
}

async fn interrupt_of_code_that_does_not_stop_takes_the_worker(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let code = endless(&mark);
    let interrupting = async {
        marked(&mark).await;
        let impatient = context.stranger().with_grace(std::time::Duration::ZERO);
        impatient.interrupt_session(&context.session, &InterruptRequest::default()).await.expect("told")
    };
    let (answered, told) = tokio::join!(context.python.evaluate::<()>(&code), interrupting);
    assert_eq!((problem(answered).outcome, told.outcome), (Some(Outcome::StateLost), CancelOutcome::StateLost));
    assert!(!context.python.evaluate::<bool>("'kept' in globals()").await.expect("goes on"));
}

async fn sessions_are_set_up_again_after_each_start(context: &TestContext) {
    let host = context.stranger();
    let env = [("BEEP_TEST".to_owned(), Some("set".to_owned())), ("PATH".to_owned(), None)];
    let setup = "import os, asyncio\nawait asyncio.sleep(0)\nprint('set up')\nx = os.environ['BEEP_TEST']";
    let options = SessionOptions { env: env.into(), setup: Some(setup.into()), ..SessionOptions::default() };
    let id = host.create_session_with(&options).await.expect("a session");
    let there = host.with_session(&id);
    assert_eq!(there.evaluate::<String>("x").await.expect("set up"), "set");
    assert!(there.evaluate::<bool>("'PATH' not in os.environ").await.expect("asked"));
    there.evaluate::<()>("os._exit(3)").await.expect_err("the worker dies");
    assert_eq!(there.evaluate::<String>("x").await.expect("set up again"), "set");
    host.delete_session(&id).await.expect("ended");
    let broken = SessionOptions { setup: Some("1/0".into()), ..SessionOptions::default() };
    let told = host.create_session_with(&broken).await.expect_err("the setup raises");
    assert_eq!(told.exception().map(|error| error.kind.as_str()), Some("ZeroDivisionError"), "{told}");
    let ends = SessionOptions { setup: Some("import os; os._exit(3)".into()), ..SessionOptions::default() };
    let told = host.create_session_with(&ends).await.expect_err("the setup ends its process");
    let Error::Host(problem) = &told else { panic!("{told:?}") };
    assert_eq!(
        (problem.code, problem.death.as_ref().and_then(|death| death.exit_code)),
        (ErrorCode::WorkerDied, Some(3))
    );
    assert!(problem.detail.starts_with("the session's setup ended its process: worker "), "{told}");
    let wrong = SessionOptions { env: [("A=B".to_owned(), None)].into(), ..SessionOptions::default() };
    let told = host.create_session_with(&wrong).await.expect_err("no name");
    assert_eq!(told.code(), Some(ErrorCode::InvalidRequest), "{told}");
}

async fn handles_of_a_session_are_listed(context: &TestContext) {
    let held: beep_python_client::Handle = context.python.evaluate("{1, 2}").await.expect("a handle");
    let list = context.python.list_handles(&context.session).await.expect("a list");
    let found = list.iter().find(|listed| listed.handle_id == held.id()).expect("listed");
    assert_eq!((found.type_name.as_str(), found.repr.as_deref()), ("set", Some("{1, 2}")));
    assert!(found.size.is_some_and(|size| size > 0));
}
