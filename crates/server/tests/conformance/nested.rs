//! Calls within callbacks: each has a deadline, a name and an end of its own, and the call around it goes on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use beep_python_client::{AnyBackend, CallLimits, Callback, CallbackCall, CancelOutcome, Error, ErrorCode, Returned};
use beep_python_protocol::{Outcome, Problem};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::test_context::{Case, TestContext, cases, late};

pub const CASES: &[Case] = cases![
    nested_deadline_leaves_the_outer_call_running,
    a_nested_call_is_cancelled_alone,
    nested_call_that_ignores_interrupts_loses_the_outer_state,
    a_nested_call_ends_with_the_call_around_it,
    nested_calls_have_limits,
    a_nested_call_with_events_is_refused_at_once,
];

/// What nested calls were told.
type Told = UnboundedReceiver<Result<Returned, Error>>;

/// A backend with a callback `ask`, which evaluates its argument within itself, as `how` has it, and what comes of that.
fn asking(context: &TestContext, how: impl Fn(AnyBackend) -> AnyBackend + Send + Sync + 'static) -> (AnyBackend, Told) {
    let (inner, how) = (context.companion(), Arc::new(how));
    let (sender, told) = unbounded_channel();
    let python = context.python.with_callback("ask", move |call: CallbackCall| {
        let (within, sender) = (how(inner.nested_in(&call)), sender.clone());
        async move {
            let code: String = call.arg(0)?;
            // On its own: it is told even when the call around it has ended, and its callback with it.
            let asked = tokio::spawn(async move {
                let _ = sender.send(within.evaluate::<Returned>(&code).await);
            });
            asked.await.map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        }
    });
    (python, told)
}

fn ask() -> [(&'static str, Callback); 1] {
    [("ask", Callback("ask".into()))]
}

async fn problem(told: &mut Told) -> Problem {
    match told.recv().await.expect("it is told") {
        Err(Error::Host(problem)) => *problem,
        other => panic!("no problem: {other:?}"),
    }
}

async fn marked(mark: &Path) {
    while !mark.exists() {
        tokio::task::yield_now().await;
    }
}

async fn nested_deadline_leaves_the_outer_call_running(context: &TestContext) {
    for code in ["while True: pass", "import time\\ntime.sleep(1000)", "import asyncio\\nawait asyncio.sleep(1000)"] {
        let around = format!("mine = 20\nask('{code}')\nmine + 22");
        let problem = late(async |time| {
            let (python, mut told) = asking(context, move |within| within.with_timeout(time));
            assert_eq!(python.evaluate_with::<i64>(&around, ask()).await.expect("goes on"), 42, "{code}");
            problem(&mut told).await
        });
        let problem = problem.await;
        assert_eq!((problem.code, problem.outcome), (ErrorCode::DeadlineExceeded, Some(Outcome::StateKept)), "{code}");
    }
    let (python, mut told) = asking(context, |within| within.with_timeout(Duration::from_secs(60)));
    let own =
        "try:\n    ask('raise KeyboardInterrupt')\nexcept BaseException: told = 'here'\nelse: told = 'there'\ntold";
    assert_eq!(python.evaluate_with::<String>(own, ask()).await.expect("goes on"), "there", "nobody cancelled it");
    assert_eq!(
        told.recv().await.expect("told").expect_err("raised").exception().expect("there").kind,
        "KeyboardInterrupt"
    );
}

async fn a_nested_call_with_events_is_refused_at_once(context: &TestContext) {
    let inner = context.companion();
    let python = context.python.with_callback("ask", move |call: CallbackCall| {
        let within = inner.nested_in(&call);
        async move {
            let told = match within.execute("1").await {
                Ok(execution) => execution.result::<i64>().await.map(drop),
                Err(error) => Err(error),
            };
            Ok::<_, Error>(told.expect_err("it would wait for itself").code() == Some(ErrorCode::InvalidRequest))
        }
    });
    assert!(python.evaluate_with::<bool>("ask()", ask()).await.expect("goes on"));
}

async fn a_nested_call_is_cancelled_alone(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let id = format!("nested in {}", context.session);
    let name = id.clone();
    let (python, mut told) = asking(context, move |within| within.with_request_id(&name));
    let code = format!("open('{}', 'w').close()\\nwhile True: pass", mark.display());
    let around = format!("caught = False\ntry: ask(\"{code}\")\nexcept BaseException: caught = True\n(caught, 42)");
    let cancelling = async {
        marked(&mark).await;
        context.stranger().cancel(&id).await.expect("told")
    };
    let (answered, outcome) = tokio::join!(python.evaluate_with::<(bool, i64)>(&around, ask()), cancelling);
    assert_eq!(answered.expect("goes on"), (false, 42));
    let problem = problem(&mut told).await;
    assert_eq!((problem.code, problem.outcome), (ErrorCode::Cancelled, Some(Outcome::StateKept)));
    assert_eq!(outcome, CancelOutcome::StateKept);
    assert_eq!(context.stranger().cancel(&id).await.expect("told"), CancelOutcome::NotFound, "it is over");
}

async fn nested_call_that_ignores_interrupts_loses_the_outer_state(context: &TestContext) {
    // It holds on from before its time begins.
    let deaf = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nNone";
    context.python.evaluate::<()>(deaf).await.expect("done");
    let mut around = Ok(());
    let inner = late(async |time| {
        let grace = Duration::from_millis(50);
        let (python, mut told) = asking(context, move |within| within.with_timeout(time).with_grace(grace));
        around = python.evaluate_with::<()>("ask('while True: pass')", ask()).await;
        problem(&mut told).await
    });
    let inner = inner.await;
    assert_eq!((inner.code, inner.outcome), (ErrorCode::DeadlineExceeded, Some(Outcome::StateLost)));
    match around {
        Err(Error::Host(outer)) => {
            assert_eq!((outer.code, outer.started), (ErrorCode::SessionRestarted, Some(true)), "{outer:?}");
        }
        other => panic!("it cannot go on: {other:?}"),
    }
    assert_eq!(context.python.evaluate::<i64>("1 + 1").await.expect("the session does"), 2);
}

async fn a_nested_call_ends_with_the_call_around_it(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let id = format!("around in {}", context.session);
    let (python, mut told) = asking(context, |within| within);
    let code = format!("open('{}', 'w').close()\\nwhile True: pass", mark.display());
    let (call, around) = (python.with_request_id(&id), format!("kept = 1\nask(\"{code}\")"));
    let cancelling = async {
        marked(&mark).await;
        context.stranger().cancel(&id).await.expect("told")
    };
    let (answered, outcome) = tokio::join!(call.evaluate_with::<()>(&around, ask()), cancelling);
    assert_eq!(answered.expect_err("cancelled").code(), Some(ErrorCode::Cancelled));
    assert_eq!(outcome, CancelOutcome::StateKept);
    let problem = problem(&mut told).await;
    assert_eq!((problem.code, problem.outcome), (ErrorCode::Cancelled, Some(Outcome::StateKept)));
}

async fn nested_calls_have_limits(context: &TestContext) {
    let of = |limits: CallLimits| asking(context, move |within| within.with_limits(&limits));
    for (limits, code, expected) in [
        (CallLimits { result_bytes: Some(5), ..CallLimits::default() }, "10 ** 20", ErrorCode::ResultTooLarge),
        (CallLimits { handles: Some(0), ..CallLimits::default() }, "object()", ErrorCode::TooManyHandles),
        (CallLimits { cpu_ms: Some(5), ..CallLimits::default() }, "1", ErrorCode::InvalidRequest),
    ] {
        let (python, mut told) = of(limits);
        assert_eq!(python.evaluate_with::<i64>(&format!("ask('{code}')\n42"), ask()).await.expect("goes on"), 42);
        assert_eq!(problem(&mut told).await.code, expected, "{code}");
    }
}
