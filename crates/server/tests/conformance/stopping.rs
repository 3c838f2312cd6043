//! What a call that is stopped does not do any more, and what is told of it.

use std::time::Duration;

use beep_python_client::{
    AnyBackend, Callback, CallbackCall, Error, ErrorCode, Execution, ExecutionEvent, Returned, Value,
};
use beep_python_protocol::{Frame, Outcome, Problem};
use futures_util::StreamExt;

use crate::test_context::{Case, TestContext, cases, late};

pub const CASES: &[Case] = cases![
    input_of_a_call_that_is_stopped_ends,
    input_of_another_thread_ends_too,
    callbacks_of_a_call_that_is_stopped_fail,
    an_interrupted_question_has_no_answer,
    a_question_that_the_code_gave_up_has_no_answer,
    input_of_a_nested_call_that_is_stopped_ends,
    an_interrupted_call_says_where_it_was,
    a_killed_call_says_where_it_was,
];

/// Long enough that only code which does not stop is killed.
const GRACE: Duration = Duration::from_secs(20);

/// The client of a call that can be cancelled, and its name.
fn stoppable(context: &TestContext) -> (AnyBackend, String) {
    let id = format!("stopping in {}", context.name());
    (context.python.with_request_id(&id).with_grace(GRACE), id)
}

fn problem<T: std::fmt::Debug>(told: Result<T, Error>, code: &str) -> Problem {
    match told {
        Err(Error::Host(problem)) => *problem,
        other => panic!("{code}: {other:?}"),
    }
}

/// Cancels the call as soon as it asks for a line. Returns how often it asked, and what is told.
async fn cancelled_at_input(context: &TestContext, code: &str) -> (usize, Problem) {
    let (python, id) = stoppable(context);
    let mut execution = python.execute(code).await.expect("started");
    let (canceller, mut asked, mut cancelling) = (context.stranger(), 0, None);
    while let Some(shown) = execution.next().await {
        if let ExecutionEvent::InputRequest(_) = shown {
            asked += 1;
            let (canceller, id) = (canceller.clone(), id.clone());
            cancelling.get_or_insert_with(|| tokio::spawn(async move { canceller.cancel(&id).await }));
        }
    }
    cancelling.expect("it asked").await.expect("no panic").expect("told");
    (asked, problem(execution.result::<Returned>().await, code))
}

async fn input_of_a_call_that_is_stopped_ends(context: &TestContext) {
    context.python.evaluate::<()>("kept = 1").await.expect("done");
    for (code, expected) in [
        ("input()", Outcome::StateKept),
        ("while True:\n    try: input()\n    except KeyboardInterrupt: pass", Outcome::Finished),
        (
            "while True:\n    try: input()\n    except KeyboardInterrupt: pass\n    except EOFError: break",
            Outcome::Finished,
        ),
        ("try: input()\nexcept KeyboardInterrupt: input('save? ')", Outcome::Finished),
        (
            "import asyncio\nawait asyncio.to_thread(input) if hasattr(asyncio, 'to_thread') else input()",
            Outcome::StateKept,
        ),
        ("import pdb\npdb.set_trace()\n1", Outcome::Finished),
        ("import code\ncode.interact()", Outcome::Finished),
    ] {
        let (asked, told) = cancelled_at_input(context, code).await;
        assert_eq!((told.code, told.outcome, asked), (ErrorCode::Cancelled, Some(expected), 1), "{code}: {told:?}");
        if code.ends_with("pass") || code.ends_with("'save? ')") {
            assert_eq!(told.exception.expect(code).kind, "EOFError", "{code}");
        }
    }
    assert_eq!(context.python.evaluate::<i64>("kept").await.expect("the state is kept"), 1);
}

async fn input_of_another_thread_ends_too(context: &TestContext) {
    // Not by two `join()`: after an interrupted one, Python up to 3.12 takes the thread for ended.
    let code = "import threading\nseen, done = [], threading.Event()\ndef ask():\n    try: input()\n\
                \x20   except BaseException as error: seen.append(type(error).__name__)\n    done.set()\n\
                thread = threading.Thread(target=ask)\ntry:\n    thread.start()\n    thread.join()\nfinally: done.wait()";
    let (asked, told) = cancelled_at_input(context, code).await;
    assert_eq!((told.outcome, asked), (Some(Outcome::StateKept), 1), "{told:?}");
    assert_eq!(context.python.evaluate::<Vec<String>>("seen").await.expect("kept"), ["EOFError"]);
}

async fn callbacks_of_a_call_that_is_stopped_fail(context: &TestContext) {
    let (python, id) = stoppable(context);
    let canceller = context.stranger();
    let python = python.with_callback("ask", move |_: CallbackCall| {
        let (canceller, id) = (canceller.clone(), id.clone());
        async move {
            canceller.cancel(&id).await?;
            Ok::<_, Error>(1) // nobody waits for it
        }
    });
    let ask = [("ask", Callback("ask".into()))];
    for (code, outcome) in [
        ("ask()", Outcome::StateKept),
        ("while True:\n    try: ask()\n    except KeyboardInterrupt: pass", Outcome::Finished),
    ] {
        let told = problem(python.evaluate_with::<Value>(code, ask.clone()).await, code);
        assert_eq!((told.code, told.outcome), (ErrorCode::Cancelled, Some(outcome)), "{code}: {told:?}");
        if outcome == Outcome::Finished {
            assert_eq!(told.exception.expect("raised").kind, "beep_python.HostError");
        }
    }
}

/// Follows the call to its next question.
async fn next_question(
    execution: &mut Execution<impl beep_python_client::Transport>,
) -> beep_python_client::InputRequest {
    while let Some(shown) = execution.next().await {
        if let ExecutionEvent::InputRequest(input) = shown {
            return input;
        }
    }
    panic!("it does not ask")
}

async fn an_interrupted_question_has_no_answer(context: &TestContext) {
    let (python, id) = stoppable(context);
    let flag = context.server.folder().join(format!("answered-{}", context.name()));
    let code = format!(
        "import os, time\ntry: input()\nexcept KeyboardInterrupt:\n    print('caught')\n    while not os.path.exists({:?}): time.sleep(0.005)\n7",
        flag.to_str().expect("UTF-8")
    );
    let mut execution = python.execute(&code).await.expect("started");
    let question = next_question(&mut execution).await;
    let canceller = context.stranger();
    let cancelling = tokio::spawn(async move { canceller.cancel(&id).await });
    while let Some(shown) = execution.next().await {
        if matches!(&shown, ExecutionEvent::Stdout(text) if text == "caught\n") {
            break;
        }
    }
    let refused = execution.send_input(&question, Some("late")).await.expect_err("it does not wait any more");
    assert_eq!(refused.code(), Some(ErrorCode::UnknownQuestion));
    std::fs::write(&flag, "").expect("a file");
    let told = problem(execution.result::<Value>().await, &code);
    assert_eq!(told.outcome, Some(Outcome::Finished));
    cancelling.await.expect("no panic").expect("told");
}

async fn a_question_that_the_code_gave_up_has_no_answer(context: &TestContext) {
    let code = "import signal\ndef ring(*_): raise TimeoutError\nbefore = signal.signal(signal.SIGALRM, ring)\n\
                signal.setitimer(signal.ITIMER_REAL, 0.05)\ntry: input('first')\nexcept TimeoutError: pass\nline = input('second')\nline";
    let mut execution = context.python.evaluate_streaming(code).await.expect("started");
    let first = next_question(&mut execution).await;
    let second = next_question(&mut execution).await;
    assert_eq!((first.prompt.as_str(), second.prompt.as_str()), ("first", "second"));
    let refused = execution.send_input(&first, Some("late")).await.expect_err("it does not wait any more");
    assert_eq!(refused.code(), Some(ErrorCode::UnknownQuestion));
    execution.send_input(&second, Some("in time")).await.expect("answered");
    assert_eq!(execution.result::<String>().await.expect("a result"), "in time");
}

async fn input_of_a_nested_call_that_is_stopped_ends(context: &TestContext) {
    let (inner, id) = (context.companion(), format!("nested in {}", context.name()));
    let name = id.clone();
    let python = context.python.with_callback("ask", move |call: CallbackCall| {
        let within = inner.nested_in(&call).with_request_id(&name).with_grace(GRACE);
        async move {
            let code = "while True:\n    try: input('nested')\n    except KeyboardInterrupt: pass";
            let told = problem(within.evaluate::<Value>(code).await, code);
            Ok::<_, Error>(format!(
                "{:?} {}",
                told.outcome,
                told.exception.map(|raised| raised.kind).unwrap_or_default()
            ))
        }
    });
    let call = "told = ask()\nline = input('outer')\ntold + ' ' + line";
    let locals = [("ask", Callback("ask".into()))];
    let mut execution = python.execute_with(call, locals).await.expect("started");
    assert_eq!(next_question(&mut execution).await.prompt, "nested");
    context.stranger().cancel(&id).await.expect("told");
    let question = next_question(&mut execution).await;
    assert_eq!(question.prompt, "outer", "the call around it goes on, with its questions");
    execution.send_input(&question, Some("answered")).await.expect("answered");
    let told = execution.result::<String>().await.expect("a result");
    assert_eq!(told, "Some(Finished) EOFError answered");
}

/// Lines and functions.
fn places(frames: &[Frame]) -> Vec<(u32, &str)> {
    frames.iter().map(|frame| (frame.line, frame.function.as_str())).collect()
}

async fn an_interrupted_call_says_where_it_was(context: &TestContext) {
    context.python.evaluate::<()>("import asyncio, time\nawait asyncio.sleep(0)").await.expect("imported");
    let nap = "import asyncio, time\ndef nap():\n    while True: time.sleep(0.01)\n";
    for (code, kind, expected) in [
        (format!("{nap}nap()"), "KeyboardInterrupt", [(4, "<module>"), (3, "nap")].as_slice()),
        (format!("{nap}try: nap()\nfinally: n = 1"), "KeyboardInterrupt", &[(4, "<module>"), (3, "nap")]),
        (
            "import asyncio\nasync def nap():\n    await asyncio.sleep(1000)\nasync def outer(): await nap()\nawait outer()".into(),
            "KeyboardInterrupt",
            &[(5, "<module>"), (4, "outer"), (3, "nap")],
        ),
    ] {
        let told =
            late(async |time| problem(context.python.with_timeout(time).evaluate::<Value>(&code).await, &code)).await;
        assert_eq!((told.code, told.outcome), (ErrorCode::DeadlineExceeded, Some(Outcome::StateKept)), "{code}");
        let exception = told.exception.expect("what ended it");
        assert_eq!(exception.kind, kind, "{code}");
        assert_eq!(places(&exception.traceback)[..expected.len()], *expected, "{code}: {exception:?}");
        assert_eq!(told.traceback, [], "it is in the exception");
        assert!(exception.traceback[0].code.is_some() && exception.traceback[0].file.contains("/ipykernel_beep_"));
    }
    // Where the code caught the interrupt, and went on to its end.
    let nap = format!("{nap}async def wait():\n    await asyncio.sleep(1000)\n");
    for (code, expected) in [
        (format!("{nap}try: nap()\nexcept KeyboardInterrupt: pass\n7"), [(6, "<module>"), (3, "nap")].as_slice()),
        (format!("{nap}try: await wait()\nexcept asyncio.CancelledError: pass\n7"), &[(6, "<module>"), (5, "wait")]),
        (
            format!(
                "{nap}import signal\nseen = []\nbefore = signal.signal(signal.SIGINT, lambda *_: seen.append(1))\nwhile not seen: time.sleep(0.01)\n7"
            ),
            &[(9, "<module>")],
        ),
    ] {
        let told =
            late(async |time| problem(context.python.with_timeout(time).evaluate::<Value>(&code).await, &code)).await;
        assert_eq!((told.outcome, &told.answer["value"]), (Some(Outcome::Finished), &7.into()), "{code}: {told:?}");
        assert_eq!(places(&told.traceback)[..expected.len()], *expected, "{code}: {told:?}");
        assert_eq!(told.exception, None, "{code}");
    }
}

async fn a_killed_call_says_where_it_was(context: &TestContext) {
    let deaf = "import time\ndef deaf():\n    while True:\n        try: time.sleep(1000)\n        except BaseException: pass\ndeaf()";
    let told = late(async |time| {
        let python = context.python.with_timeout(time).with_grace(Duration::from_secs(2));
        problem(python.evaluate::<Value>(deaf).await, deaf)
    });
    let told = told.await;
    assert_eq!((told.code, told.outcome), (ErrorCode::DeadlineExceeded, Some(Outcome::StateLost)));
    let places = places(&told.traceback);
    assert_eq!(places.iter().map(|place| place.1).collect::<Vec<_>>(), ["<module>", "deaf"], "{told:?}");
    // Nobody waits for one that does not say it.
    let blocked = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nNone";
    context.python.evaluate::<()>(blocked).await.expect("done");
    let told = late(async |time| {
        let python = context.python.with_timeout(time).with_grace(Duration::from_millis(200));
        problem(python.evaluate::<Value>("while True: pass").await, "blocked")
    });
    let told = told.await;
    assert_eq!((told.outcome, told.traceback), (Some(Outcome::StateLost), Vec::new()));
}
