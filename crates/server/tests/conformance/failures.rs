//! What goes wrong, and what is told of it.

use std::time::Duration;

use beep_python_client::{Error, ErrorCode, Handle, PythonException, Response, Returned, Value};
use beep_python_protocol::{HandleRef, Outcome, Problem};

use crate::test_context::{Case, TestContext, cases, late};

pub const CASES: &[Case] = cases![
    exception_is_complete,
    causes_and_contexts_are_reported,
    notes_and_groups_are_reported,
    exceptions_say_what_python_says,
    names_that_were_meant_are_told,
    text_is_an_exception_where_repr_is,
    syntax_errors_show_the_place,
    exceptions_of_every_operation_are_results,
    exits_and_interrupts_are_exceptions,
    deadline_keeps_session_state,
    code_that_catches_its_interrupt_is_told_of_as_late,
    code_that_ignores_interrupts_is_killed,
    worker_death_is_explained_and_the_session_continues,
    arguments_that_cannot_be_written_are_not_sent,
    result_of_another_type_is_an_error,
    handle_of_another_session_says_whose_it_is,
    unknown_names_are_errors,
];

async fn raised(context: &TestContext, code: &str) -> PythonException {
    match context.python.evaluate::<Value>(code).await {
        Err(Error::Python(error)) => error.exception,
        other => panic!("{code}: {other:?}"),
    }
}

fn problem<T: std::fmt::Debug>(result: Result<T, Error>, code: &str) -> Problem {
    match result {
        Err(Error::Host(problem)) => *problem,
        other => panic!("{code}: {other:?}"),
    }
}

async fn exception_is_complete(context: &TestContext) {
    let code = "class Own(ValueError): pass\ndef deep(n):\n    if n: deep(n - 1)\n    raise Own('nö', 1)\ndeep(2)";
    let told = raised(context, code).await;
    assert_eq!((told.kind.as_str(), told.message.as_str()), ("__main__.Own", "('nö', 1)"));
    let frames: Vec<_> = told.traceback.iter().map(|f| (f.line, f.function.as_str(), f.code.as_deref())).collect();
    let again = Some("if n: deep(n - 1)");
    let trimmed: Vec<_> = frames.iter().map(|(l, f, c)| (*l, *f, c.map(str::trim))).collect();
    let expected = [
        (5, "<module>", Some("deep(2)")),
        (3, "deep", again),
        (3, "deep", again),
        (4, "deep", Some("raise Own('nö', 1)")),
    ];
    assert_eq!(trimmed, expected);
    let dotted = raised(context, "import json; json.loads('{')").await;
    assert_eq!(dotted.kind, "json.decoder.JSONDecodeError");
    assert!(dotted.traceback.last().is_some_and(|frame| frame.file.ends_with("decoder.py")), "{dotted:?}");
    let bad = raised(context, "class Bad(Exception):\n    def __str__(self): 1/0\nraise Bad()").await;
    assert_eq!(bad.kind, "__main__.Bad", "whatever its text does");
    let surrogates = raised(context, "raise ValueError('a\\udc80b')").await;
    assert!(surrogates.message.starts_with('a') && surrogates.message.ends_with('b'), "{surrogates:?}");
    let long = raised(context, "raise ValueError('x' * 3_000_000)").await;
    assert!(long.message.starts_with("xxx"), "{}", long.message.len());
    let endless = raised(context, "def f(): f()\nf()").await;
    assert_eq!(endless.kind, "RecursionError");
}

async fn causes_and_contexts_are_reported(context: &TestContext) {
    let from = raised(context, "try: {}['a']\nexcept KeyError as e: raise ValueError('outer') from e").await;
    let cause = from.cause.expect("a cause");
    assert_eq!((from.kind.as_str(), cause.kind.as_str(), cause.message.as_str()), ("ValueError", "KeyError", "'a'"));
    assert_eq!(cause.traceback.len(), 1);
    let during = raised(context, "try: 1/0\nexcept Exception: raise ValueError('while handling')").await;
    assert_eq!((during.cause, during.context.map(|c| c.kind)), (None, Some("ZeroDivisionError".to_owned())));
    let none = raised(context, "try: 1/0\nexcept Exception: raise ValueError('alone') from None").await;
    assert_eq!((none.cause, none.context), (None, None));
    let code = "try:\n    try: 1/0\n    except Exception as e: raise KeyError('b') from e\nexcept Exception as e: raise ValueError('c') from e";
    let chain = raised(context, code).await;
    let root = chain.cause.expect("a cause").cause.expect("its cause");
    assert_eq!((root.kind.as_str(), root.cause, root.context), ("ZeroDivisionError", None, None));
    let circle =
        raised(context, "a, b = ValueError('a'), ValueError('b')\na.__cause__ = b\nb.__cause__ = a\nraise a").await;
    assert_eq!(circle.message, "a", "a circle ends");
}

async fn notes_and_groups_are_reported(context: &TestContext) {
    if context.version < (3, 11) {
        return; // Notes and groups came with 3.11.
    }
    let noted =
        raised(context, "e = ValueError('v')\ne.add_note('first ä')\ne.add_note('second\\nline')\nraise e").await;
    assert_eq!(noted.notes, ["first ä", "second\nline"]);
    let group = raised(
        context,
        "inner = KeyError('k')\ninner.add_note('n')\nraise ExceptionGroup('many', [ValueError('v'), ExceptionGroup('deep', [inner])])",
    )
    .await;
    let members: Vec<_> = group.exceptions.iter().map(|member| member.kind.as_str()).collect();
    assert_eq!((group.kind.as_str(), members), ("ExceptionGroup", vec!["ValueError", "ExceptionGroup"]));
    assert_eq!(group.exceptions[1].exceptions[0].notes, ["n"]);
}

async fn exceptions_say_what_python_says(context: &TestContext) {
    let told = raised(context, "x = {}\ny = 'ä' + x['a'] + 'b'").await;
    let frame = &told.traceback[0];
    let has_columns = context.version >= (3, 11);
    let columns = (frame.column, frame.end_line, frame.end_column);
    assert_eq!(columns, if has_columns { (Some(11), Some(2), Some(17)) } else { (None, None, None) });
    assert_eq!(frame.caret.is_some(), has_columns, "{frame:?}");
    let caret = frame.caret.as_ref().map(|caret| format!("    {caret}\n")).unwrap_or_default();
    let expected = format!(
        "Traceback (most recent call last):\n  File \"{}\", line 2, in <module>\n    y = 'ä' + x['a'] + 'b'\n{caret}KeyError: 'a'",
        frame.file
    );
    assert_eq!(told.text.as_deref(), Some(expected.as_str()));
    assert_eq!(format!("{told:#}"), expected);
    for (code, between) in [
        (
            "except Exception as e: raise KeyError from e",
            "The above exception was the direct cause of the following exception:",
        ),
        ("except Exception: raise KeyError", "During handling of the above exception, another exception occurred:"),
    ] {
        let told = raised(context, &format!("try: 1/0\n{code}")).await;
        let text = told.text.expect("the text of all");
        assert!(text.contains(&format!("ZeroDivisionError: division by zero\n\n{between}\n\nTraceback")), "{text}");
        assert!(told.cause.or(told.context).expect("the other").text.is_none(), "it is in that of the whole");
    }
    if has_columns {
        let group = raised(context, "raise ExceptionGroup('all', [ValueError(1)])").await;
        let text = group.text.expect("the text of all");
        assert!(text.starts_with("  + Exception Group Traceback (most recent call last):\n"), "{text}");
        assert!(text.ends_with("    | ValueError: 1\n    +------------------------------------"), "{text}");
    }
}

async fn names_that_were_meant_are_told(context: &TestContext) {
    let meant = |name: &str| (context.version >= (3, 10)).then(|| format!("Did you mean: '{name}'?"));
    for (code, name) in
        [("length = 1\nlenght", "length"), ("import os\nos.pth", "path"), ("def f(): pritn(1)\nf()", "print")]
    {
        let told = raised(context, code).await;
        assert_eq!(told.suggestion, meant(name), "{code}");
        let last = told.text.as_deref().and_then(|text| text.lines().last().map(str::to_owned));
        let suggestion = told.suggestion.as_ref().map(|suggestion| format!(". {suggestion}")).unwrap_or_default();
        assert_eq!(last, Some(format!("{told}{suggestion}")), "{code}");
    }
    let forgotten = raised(context, "colorsys.hue").await.suggestion.unwrap_or_default();
    assert_eq!(forgotten.starts_with("Did you forget to import 'colorsys'"), context.version >= (3, 12), "{forgotten}");
}

/// What a reader is shown of a value is its repr, and what that raises is raised.
async fn text_is_an_exception_where_repr_is(context: &TestContext) {
    for (code, kind, has_frame) in [
        ("class Bad:\n    def __repr__(self): return 1/0\nBad()", "ZeroDivisionError", true),
        ("class Bad:\n    def __repr__(self): return 5\n[Bad()]", "TypeError", false),
        ("10**5000", "ValueError", false),
    ] {
        let execution = context.python.evaluate_streaming_to_text(code).await.expect("it runs");
        let ended = execution.result::<Response<Option<String>>>().await;
        if kind == "ValueError" && ended.is_ok() {
            continue; // a Python from before there was a limit
        }
        let Err(Error::Python(raised)) = ended else { panic!("{code}: {ended:?}") };
        assert_eq!(
            (raised.exception.kind.as_str(), !raised.exception.traceback.is_empty()),
            (kind, has_frame),
            "{code}"
        );
    }
}

async fn syntax_errors_show_the_place(context: &TestContext) {
    let told = raised(context, "x = 1\ny = 2 +\n").await;
    let place = told.syntax.expect("a place");
    assert_eq!((told.kind.as_str(), place.line, place.text.trim_end()), ("SyntaxError", 2, "y = 2 +"));
    assert!(place.caret.ends_with('^') && place.column >= 1, "{place:?}");
    assert!(place.file.is_some_and(|file| file.starts_with("<session ")));
    let late = raised(context, "x = 1\nreturn x").await.syntax.expect("a place");
    assert_eq!((late.line, late.text.trim_end()), (2, "return x"), "the compiler's, not the parser's");
    assert_eq!(raised(context, "if x:\npass").await.kind, "IndentationError");
    assert_eq!(raised(context, "x = 'a\0b'").await.cause, None, "a null character is refused by Python itself");
}

async fn exceptions_of_every_operation_are_results(context: &TestContext) {
    let python = &context.python;
    python
        .evaluate::<()>(
            "class Torn:\n    def __init__(self, fail=False):\n        if fail: raise OSError('made')\n    def call(self): raise OSError('called')\n    read = property(lambda self: [][1])\n    def __setattr__(self, name, value): raise OSError('set')\n    def __len__(self): raise OSError('floats')\n    def __iter__(self): raise OSError('floats')",
        )
        .await
        .expect("defined");
    let main = python.import_module("__main__").await.expect("imported");
    let torn = python.create_object(&main, "Torn", ()).await.expect("made");
    for (failure, kind) in [
        (python.create_object(&main, "Torn", (true,)).await.err(), "OSError"),
        (python.call_method::<()>(&torn, "call", ()).await.err(), "OSError"),
        (python.call_method::<()>(&torn, "no_such", ()).await.err(), "AttributeError"),
        (python.call_method::<()>(&torn, "__class__", (1, 2, 3)).await.err(), "TypeError"),
        (python.get_attribute::<()>(&torn, "read").await.err(), "IndexError"),
        (python.set_attribute(&torn, "x", 1).await.err(), "OSError"),
        (python.import_module("no_such").await.err(), "ModuleNotFoundError"),
    ] {
        let failure = failure.expect(kind);
        assert_eq!(failure.exception().map(|e| e.kind.as_str()), Some(kind), "{failure:?}");
        assert_eq!(failure.code(), Some(ErrorCode::PythonException));
    }
}

async fn exits_and_interrupts_are_exceptions(context: &TestContext) {
    for (code, kind) in [
        ("import sys; sys.exit(3)", "SystemExit"),
        ("exit()", "SystemExit"),
        ("raise KeyboardInterrupt('of the code itself')", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("import asyncio; raise asyncio.CancelledError()", "asyncio.exceptions.CancelledError"),
        ("await asyncio.wait_for(asyncio.sleep(60), 0.01)", "TimeoutError"),
    ] {
        let told = raised(context, code).await;
        assert!(told.kind.ends_with(kind), "{code}: {told:?}");
    }
    let still: Response<i64> = context.python.evaluate("1").await.expect("the session goes on");
    assert_eq!(still.session_epoch, Some(1));
}

async fn deadline_keeps_session_state(context: &TestContext) {
    let python = &context.python;
    python.evaluate::<()>("kept = 1\nbegun = 0").await.expect("done");
    for forever in ["while True: pass", "import time; time.sleep(60)", "import asyncio; await asyncio.sleep(60)"] {
        let code = format!("begun += 1\n{forever}");
        let problem = late(async |time| problem(python.with_timeout(time).evaluate::<()>(&code).await, forever)).await;
        assert_eq!(
            (problem.code, problem.outcome),
            (ErrorCode::DeadlineExceeded, Some(Outcome::StateKept)),
            "{forever}"
        );
        assert_eq!(problem.started, Some(true), "{forever}");
    }
    let kept: Response<i64> = python.evaluate("kept").await.expect("kept");
    assert_eq!((kept.value, kept.session_epoch), (1, Some(1)));
    let begun: i64 = python.evaluate("begun").await.expect("counted");
    assert!(begun <= 3, "{begun}: what is told not to have begun has not");
    // What waits behind a call counts its time too, and is told that it was not begun.
    let (busy, waiting) = (context.companion(), context.companion().with_timeout(Duration::from_millis(50)));
    let code = "import os, time\nopen(flag, 'w').close()\nwhile not os.path.exists(flag + '.go'): time.sleep(0.005)";
    let flag = context.server.folder().join(format!("deadline-{}", context.name()));
    let busy = tokio::spawn({
        let flag = flag.clone();
        async move { busy.evaluate_with::<()>(code, [("flag", flag)]).await }
    });
    while !flag.exists() {
        tokio::task::yield_now().await;
    }
    let Err(Error::Host(problem)) = waiting.evaluate::<()>("waited = 1").await else { panic!("it was not begun") };
    assert_eq!((problem.started, problem.outcome), (Some(false), Some(Outcome::NotStarted)));
    std::fs::write(format!("{}.go", flag.display()), "").expect("a file");
    busy.await.expect("no panic").expect("done");
    assert!(!python.evaluate::<bool>("'waited' in globals()").await.expect("asked"));
}

async fn code_that_catches_its_interrupt_is_told_of_as_late(context: &TestContext) {
    let python = &context.python;
    let caught = "import time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: ";
    for (code, answer) in [
        (format!("r = [1]\n{caught}r.append(None)\nr"), "value"),
        (format!("{caught}pass\nobject()"), "handleId"),
        (format!("{caught}raise ValueError('torn') from None"), ""),
    ] {
        let problem =
            late(async |time| problem(python.with_timeout(time).evaluate::<Returned>(&code).await, &code)).await;
        assert_eq!((problem.code, problem.outcome), (ErrorCode::DeadlineExceeded, Some(Outcome::Finished)), "{code}");
        let exception = problem.exception.map(|exception| exception.kind);
        assert_eq!(exception.as_deref(), answer.is_empty().then_some("ValueError"), "{code}");
        assert_eq!(answer.is_empty(), problem.answer.is_empty(), "{code}");
        assert!(answer.is_empty() || problem.answer.contains_key(answer), "{code}: {:?}", problem.answer);
    }
    // Also where its result has not the form that was asked for, and had none.
    let code = format!("{caught}pass\nobject()");
    let problem = late(async |time| problem(python.with_timeout(time).evaluate::<i64>(&code).await, &code)).await;
    assert_eq!((problem.code, problem.outcome), (ErrorCode::DeadlineExceeded, Some(Outcome::Finished)));
    let after: Response<Vec<Option<i64>>> = python.evaluate("r").await.expect("goes on");
    assert_eq!((after.value, after.session_epoch), (vec![Some(1), None], Some(1)));
    // An interrupt that comes after the end is none.
    let ended: i64 = python.with_timeout(Duration::from_secs(60)).evaluate("2").await.expect("in time");
    assert_eq!(ended, 2);
}

async fn code_that_ignores_interrupts_is_killed(context: &TestContext) {
    // Held in one call into C, which no signal interrupts; from before its time begins.
    let python = &context.python;
    let deaf = "import ctypes, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nNone";
    python.evaluate::<()>(deaf).await.expect("done");
    let code = "while True: ctypes.CDLL(None).sleep(60)";
    let problem = late(async |time| problem(python.with_timeout(time).evaluate::<()>(code).await, code)).await;
    assert_eq!((problem.code, problem.outcome), (ErrorCode::DeadlineExceeded, Some(Outcome::StateLost)));
    let next: Response<i64> = context.python.evaluate("1").await.expect("a fresh worker");
    assert_eq!(next.session_epoch, Some(2));
}

async fn worker_death_is_explained_and_the_session_continues(context: &TestContext) {
    let python = &context.python;
    let Err(Error::Host(problem)) =
        python.evaluate::<()>("import os, sys\nprint('last words', file=sys.stderr)\nos._exit(3)").await
    else {
        panic!("it lives")
    };
    let death = problem.death.clone().expect("how it ended");
    assert_eq!((problem.code, death.exit_code, death.signal), (ErrorCode::WorkerDied, Some(3), None));
    assert!(death.stderr_tail.contains("last words") || problem.stderr.contains("last words"), "{problem:?}");
    let code = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\nimport time; time.sleep(60)";
    let Err(Error::Host(problem)) = python.evaluate::<()>(code).await else { panic!("it lives") };
    let death = problem.death.expect("how it ended");
    assert_eq!((death.signal, death.signal_name.as_deref()), (Some(11), Some("SIGSEGV")));
    let after: Response<bool> = python.evaluate("'os' in globals()").await.expect("goes on");
    assert_eq!((after.value, after.session_epoch), (false, Some(3)));
}

async fn arguments_that_cannot_be_written_are_not_sent(context: &TestContext) {
    let mut deep = Value::None;
    for _ in 0..200 {
        deep = Value::List(vec![deep]);
    }
    let told = context.python.evaluate_with::<()>("ran = 1", [("deep", &deep)]).await.expect_err("too deep");
    assert!(matches!(told, Error::Encode { .. }), "{told:?}");
    assert!(!context.python.evaluate::<bool>("'ran' in globals()").await.expect("asked"));
}

async fn result_of_another_type_is_an_error(context: &TestContext) {
    let python = &context.python;
    let told = python.evaluate::<i64>("'text'").await.expect_err("no number");
    assert!(matches!(told, Error::Decode { found: "str", .. }), "{told:?}");
    let told = python.evaluate::<i64>("object()").await.expect_err("no value");
    assert_eq!(told.code(), Some(ErrorCode::NotRepresentable), "{told:?}");
    let held: Handle = python.evaluate("5").await.expect("a handle on a number, for one was asked for");
    assert_eq!(held.type_name(), "int");
}

async fn handle_of_another_session_says_whose_it_is(context: &TestContext) {
    let (python, mine) = (&context.python, &context.session);
    let other = python.create_session().await.expect("a session");
    let held: Handle = python.evaluate("[]").await.expect("held");
    // As a client sends it that keeps the ids alone; a `Handle` knows its session.
    let use_in = async |session: &str, handle: &Handle| {
        let named = Value::Handle(HandleRef(handle.id().into()));
        let failure =
            python.with_session(session).evaluate_with::<()>("it", [("it", named)]).await.expect_err("another's");
        assert_eq!(failure.code(), Some(ErrorCode::UnknownHandle));
        failure.to_string()
    };
    let told = use_in(&other, &held).await;
    assert!(told.contains(&format!("belongs to the session '{mine}', and this is the session '{other}'")), "{told}");
    let told = use_in("default", &held).await;
    assert!(told.contains(&format!("belongs to the session '{mine}', and this is the default session")), "{told}");
    let shared: Handle = python.with_session("default").evaluate("[]").await.expect("held");
    let told = use_in(mine, &shared).await;
    assert!(told.contains("belongs to the default session"), "{told}");
    python.dispose_handle(shared).await.expect("disposed");
    python.delete_session(&other).await.expect("ended");
}

async fn unknown_names_are_errors(context: &TestContext) {
    let python = &context.python;
    let gone: Handle = python.evaluate("[]").await.expect("held");
    python.dispose_handle(gone.clone()).await.expect("disposed");
    for failure in [
        python.call_method::<()>(&gone, "sort", ()).await.err(),
        python.get_attribute::<()>(&gone, "x").await.err(),
        python.set_attribute(&gone, "x", 1).await.err(),
        python.create_object(&gone, "x", ()).await.err(),
        python.to_float_array(&gone).await.err(),
        python.to_float_array_2d(&gone).await.err(),
        python.dispose_handle(gone.clone()).await.err(),
    ] {
        assert_eq!(failure.as_ref().and_then(Error::code), Some(ErrorCode::UnknownHandle), "{failure:?}");
    }
    let nowhere = python.with_session("nowhere").evaluate::<()>("1").await.expect_err("no such session");
    assert_eq!(nowhere.code(), Some(ErrorCode::UnknownSession));
    let missing = python.environment_status("nobody").await.expect_err("no such environment");
    assert_eq!(missing.code(), Some(ErrorCode::UnknownEnvironment));
    let wrong = python.create_environment("../outside", None).await.expect_err("no name");
    assert_eq!(wrong.code(), Some(ErrorCode::InvalidRequest), "{wrong}");
}
