//! The trace that a call is part of reaches its code, and no other.

use std::path::PathBuf;

use beep_python_client::{AnyBackend, Callback, CallbackCall};
use futures_util::StreamExt;

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    code_knows_the_trace_of_its_call,
    threads_know_the_trace_of_the_call_that_started_them,
    a_nested_call_has_its_own_trace_or_that_of_the_call_around_it,
    the_trace_is_current_in_opentelemetry,
];

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const ASK: &str = "import beep_python\nbeep_python.current_traceparent()";

async fn told(python: &AnyBackend, code: &str) -> Option<String> {
    python.evaluate(code).await.expect("told")
}

async fn code_knows_the_trace_of_its_call(context: &TestContext) {
    let traced = context.python.with_traceparent(TRACE);
    for (python, expected) in [
        (&traced, Some(TRACE)),
        (&context.python, None),
        (&context.python.with_traceparent("nonsense"), None),
        (&traced.with_isolation(), Some(TRACE)),
        (&traced.with_lease(std::time::Duration::from_secs(60)), Some(TRACE)),
    ] {
        assert_eq!(told(python, ASK).await.as_deref(), expected);
    }
    // Batch after batch.
    let code = "import beep_python\n(beep_python.current_traceparent() for _ in range(2500))";
    let mut stream = traced.stream::<Option<String>>(code).await.expect("started");
    let mut count = 0;
    while let Some(item) = stream.next().await {
        assert_eq!(item.expect("an item").as_deref(), Some(TRACE));
        count += 1;
    }
    assert_eq!(count, 2500);
    // Ends with the call, however that ends.
    traced.evaluate::<()>("1 / 0").await.expect_err("raised");
    assert_eq!(told(&context.python, ASK).await, None);
}

async fn threads_know_the_trace_of_the_call_that_started_them(context: &TestContext) {
    let start = "import beep_python, queue, threading\n\
        told, go = queue.Queue(), threading.Event()\n\
        threading.Thread(target=lambda: (go.wait(), told.put(beep_python.current_traceparent()))).start()";
    context.python.with_traceparent(TRACE).evaluate::<()>(start).await.expect("started");
    let python = context.python.with_traceparent(OTHER);
    assert_eq!(told(&python, "go.set()\ntold.get()").await.as_deref(), Some(TRACE));
    assert_eq!(told(&python, ASK).await.as_deref(), Some(OTHER));
}

async fn a_nested_call_has_its_own_trace_or_that_of_the_call_around_it(context: &TestContext) {
    let inner = context.companion();
    let python = context.python.with_traceparent(TRACE).with_callback("ask", move |call: CallbackCall| {
        let within = inner.nested_in(&call);
        async move {
            let own = within.with_traceparent(OTHER).evaluate::<Option<String>>(ASK).await?;
            let around = within.evaluate::<Option<String>>(ASK).await?;
            Ok::<_, beep_python_client::Error>(vec![own, around])
        }
    });
    let code = "import beep_python\n[*ask(), beep_python.current_traceparent()]";
    let all: Vec<Option<String>> =
        python.evaluate_with(code, [("ask", Callback("ask".into()))]).await.expect("answered");
    assert_eq!(all.iter().map(Option::as_deref).collect::<Vec<_>>(), [Some(OTHER), Some(TRACE), Some(TRACE)]);
}

/// Where `BEEP_PYTHON_TEST_PACKAGES` has that, in `opentelemetry/3.13`.
async fn the_trace_is_current_in_opentelemetry(context: &TestContext) {
    let (major, minor) = context.version;
    let folder = std::env::var_os("BEEP_PYTHON_TEST_PACKAGES").map(PathBuf::from);
    let folder = folder.map(|folder| folder.join(format!("opentelemetry/{major}.{minor}")));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: BEEP_PYTHON_TEST_PACKAGES has no opentelemetry-api for Python {major}.{minor}");
        return;
    };
    let traced = context.python.with_traceparent(TRACE).with_tracestate("vendor=1");
    let code = "import sys\nsys.path.insert(0, folder)";
    traced.evaluate_with::<()>(code, [("folder", folder.to_str())]).await.expect("it is there from now on");
    let code = "from opentelemetry import trace\n\
        context = trace.get_current_span().get_span_context()\n\
        [format(context.trace_id, '032x'), format(context.span_id, '016x'), str(context.is_remote), context.trace_state.to_header()]";
    let told: Vec<String> = traced.evaluate(code).await.expect("told");
    assert_eq!(told, [&TRACE[3..35], &TRACE[36..52], "True", "vendor=1"]);
    let told: Vec<String> = context.python.evaluate(code).await.expect("told");
    assert_eq!(told[0], "0".repeat(32), "the next call is of no trace");
    let within = "import asyncio\nasync def ask():\n    await asyncio.sleep(0)\n    \
        return format(trace.get_current_span().get_span_context().trace_id, '032x')\nawait asyncio.create_task(ask())";
    assert_eq!(traced.evaluate::<String>(within).await.expect("told"), TRACE[3..35]);
}
