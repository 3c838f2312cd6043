//! Calls that are followed: live output, displays, input, streams, callbacks.

use beep_python_client::{
    AnyBackend, AnyTransport, Callback, CallbackCall, CancelOutcome, Display, Error, ErrorCode, Execution,
    ExecutionEvent, Handle, Locals, Response, Returned, Value,
};
use beep_python_protocol::Outcome;
use futures_util::StreamExt;

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    code_shows_what_it_does_in_order,
    what_is_no_text_comes_as_bytes_where_it_is_asked_for,
    a_value_that_is_held_is_not_shown,
    an_evaluation_that_is_followed_does_not_show_its_value,
    displays_are_updated_and_cleared,
    a_result_is_told_from_a_display,
    a_semicolon_keeps_a_result_quiet,
    code_that_fails_shows_what_it_did,
    a_password_is_asked_for_as_one,
    input_is_answered_with_the_capability,
    standard_input_asks_line_by_line_and_ends_for_children,
    every_kind_of_iterator_is_a_stream,
    items_of_any_type_are_streamed,
    a_stream_that_fails_gives_its_items_first,
    a_dropped_stream_closes_its_generator,
    calls_go_between_the_items_of_a_stream,
    a_cancel_ends_a_stream_whose_client_does_not_read,
    a_cancel_ends_a_stream_whose_next_round_waits,
    callbacks_are_called_and_answered,
    callbacks_work_while_code_is_followed,
    a_callback_calls_back_into_its_session,
    unknown_callback_is_an_error,
    what_code_goes_on_to_do_reaches_no_other_client,
    code_never_sees_fewer_cpus_than_it_has,
    code_tells_how_far_it_is,
    log_records_are_told,
    names_come_beside_the_value,
    a_stream_ends_with_what_its_generator_returns,
    an_exception_comes_with_the_variables_of_its_frames,
];

/// What code shows, output that follows output joined; then its result.
pub async fn shown(python: &AnyBackend, code: &str) -> (Vec<String>, Result<Value, Error>) {
    let (all, execution) = followed(python.execute(code).await.expect("started")).await;
    (all, execution.result().await)
}

async fn followed(mut execution: Execution<AnyTransport>) -> (Vec<String>, Execution<AnyTransport>) {
    let mut all: Vec<String> = Vec::new();
    while let Some(shown) = execution.next().await {
        let told = match shown {
            ExecutionEvent::Stdout(text) => format!("out:{text}"),
            ExecutionEvent::Stderr(text) => format!("err:{text}"),
            ExecutionEvent::Display(display) => {
                format!("display:{}", display.data["text/plain"].as_str().expect("text"))
            }
            other => panic!("{other:?}"),
        };
        match all.last_mut() {
            Some(last) if last.get(..4) == told.get(..4) && !told.starts_with("disp") => last.push_str(&told[4..]),
            _ => all.push(told),
        }
    }
    (all, execution)
}

async fn code_shows_what_it_does_in_order(context: &TestContext) {
    let code =
        "import sys\nfor n in range(3):\n    print(n)\n    print('e', file=sys.stderr)\n    display(n)\n(n, 'last')";
    let (all, result) = shown(&context.python, code).await;
    let mut expected = Vec::new();
    for n in 0..3 {
        expected.extend([format!("out:{n}\n"), "err:e\n".to_owned(), format!("display:{n}")]);
    }
    expected.push("display:(2, 'last')".to_owned());
    assert_eq!(all, expected);
    assert_eq!(result.expect("a result"), Value::Tuple(vec![Value::Int(2), Value::Str("last".into())]));
    assert_eq!(shown(&context.python, "x = 1").await.0, [""; 0]);
}

/// What code writes to the two streams, and how many bytes of it were left out.
async fn written(python: &AnyBackend, code: &str) -> ([Vec<u8>; 2], u64) {
    let mut execution = python.execute(code).await.expect("started");
    let mut all = [Vec::new(), Vec::new()];
    while let Some(shown) = execution.next().await {
        match shown {
            ExecutionEvent::Stdout(text) => all[0].extend(text.into_bytes()),
            ExecutionEvent::Stderr(text) => all[1].extend(text.into_bytes()),
            ExecutionEvent::StdoutBytes(bytes) => all[0].extend(bytes),
            ExecutionEvent::StderrBytes(bytes) => all[1].extend(bytes),
            other => panic!("{other:?}"),
        }
    }
    let response: Response<Returned> = execution.result().await.expect("a result");
    (all, response.omitted_output_bytes)
}

async fn what_is_no_text_comes_as_bytes_where_it_is_asked_for(context: &TestContext) {
    let code = "import os, subprocess, sys\nsys.stdout.buffer.write(bytes(range(256)) * 300)\nsys.stdout.flush()\n\
                os.write(1, b'\\xe2')\nos.write(1, b'\\x82')\nprint('text \u{20ac}', file=sys.stderr)\n\
                subprocess.run(['printf', r'\\303'], stdout=2);";
    let all = |text: &[u8]| {
        [(0..=255).cycle().take(256 * 300).chain(text.iter().copied()).collect(), b"text \xe2\x82\xac\n\xc3".to_vec()]
    };
    let raw = context.python.with_raw_output();
    assert!(written(&raw, code).await == (all(b"\xe2\x82"), 0));
    // Without the capability all is text.
    let (text, _) = written(&context.python, code).await;
    assert!(text == all(b"\xe2\x82").map(|bytes| String::from_utf8_lossy(&bytes).into_owned().into_bytes()));
    let answer: Response<Returned> = context.python.evaluate(code).await.expect("a result");
    assert!([answer.stdout, answer.stderr] == text.map(|text| String::from_utf8(text).expect("text")));
}

async fn a_value_that_is_held_is_not_shown(context: &TestContext) {
    let execution = context.python.with_reprs().execute_to_handle("display(1)\n[2]").await.expect("started");
    let (all, execution) = followed(execution).await;
    assert_eq!(all, ["display:1"]);
    let held: Handle = execution.result().await.expect("a handle");
    assert_eq!(held.repr(), Some("[2]"));
}

async fn an_evaluation_that_is_followed_does_not_show_its_value(context: &TestContext) {
    let code = "print('out')\ndisplay(1)\nline = input('? ')\nclass Thing:\n    def __repr__(self):\n        \
                print('in repr'); return 'thing'\n[line, Thing()][0 if line == 'plain' else 1]";
    for (line, expected) in [("plain", "plain"), ("other", "thing")] {
        let mut execution = context.python.with_reprs().evaluate_streaming(code).await.expect("started");
        let mut told = String::new();
        while let Some(shown) = execution.next().await {
            match shown {
                ExecutionEvent::Stdout(text) => told.push_str(&text),
                ExecutionEvent::Display(display) => told.push_str(&display.text()),
                ExecutionEvent::InputRequest(input) => {
                    execution.send_input(&input, Some(line)).await.expect("answered")
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told, if line == "plain" { "out\n1" } else { "out\n1in repr\n" });
        match execution.result().await.expect("a result") {
            Returned::Value(value) => assert_eq!(value, Value::Str(expected.into())),
            Returned::Handle(handle) => assert_eq!(handle.repr(), Some(expected)),
        }
    }
}

/// The displays of code, and marks where it clears.
async fn displays(context: &TestContext, code: &str) -> Vec<Result<Display, bool>> {
    let mut execution = context.python.execute(code).await.expect("started");
    let mut all = Vec::new();
    while let Some(shown) = execution.next().await {
        match shown {
            ExecutionEvent::Display(display) => all.push(Ok(display)),
            ExecutionEvent::ClearOutput { wait } => all.push(Err(wait)),
            other => panic!("{other:?}"),
        }
    }
    execution.result::<Returned>().await.expect("a result");
    all
}

async fn displays_are_updated_and_cleared(context: &TestContext) {
    let code = "import beep_python\nh = display('a', display_id=True)\nh.update('b', metadata={'k': 1})\n\
                beep_python.clear_output()\ndisplay(display_id='mine')\ndisplay('c', clear=True)";
    let all = displays(context, code).await;
    let [Ok(a), Ok(b), Err(false), Ok(place), Err(true), Ok(c)] = &all[..] else { panic!("{all:?}") };
    assert!(a.display_id.is_some() && a.display_id == b.display_id, "{all:?}");
    assert_eq!([a.is_update, b.is_update, c.is_update], [false, true, false]);
    assert_eq!([a.text(), b.text(), c.text()], ["'a'", "'b'", "'c'"]);
    assert_eq!((&b.metadata["k"], &c.display_id), (&1.into(), &None));
    assert_eq!((place.display_id.as_deref(), place.data.len(), &*place.text()), (Some("mine"), 0, ""));
}

async fn a_result_is_told_from_a_display(context: &TestContext) {
    let all = displays(context, "display(1); display(2, include=['text/plain'], exclude=['text/plain'])\n3").await;
    let told: Vec<_> = all.iter().map(|shown| shown.as_ref().expect("a display")).collect();
    let told: Vec<_> = told.iter().map(|display| (display.text(), display.is_result)).collect();
    assert_eq!(told, [("1".into(), false), ("3".into(), true)]);
}

async fn a_semicolon_keeps_a_result_quiet(context: &TestContext) {
    for quiet in ["1;", "x = 1; x;  # why\n\n", "(1\n) ;"] {
        assert_eq!(displays(context, quiet).await, [], "{quiet}");
    }
    for shown in ["';'", "1 # ;", "1; 2"] {
        assert_eq!(displays(context, shown).await.len(), 1, "{shown}");
    }
    let execution = context.python.execute("display(1); 7;").await.expect("started");
    assert_eq!(execution.result::<i64>().await.expect("the value all the same"), 7);
}

async fn a_password_is_asked_for_as_one(context: &TestContext) {
    let code = "import getpass\n[input('name? '), getpass.getpass(), getpass.getpass('key? ')]";
    let mut execution = context.python.execute(code).await.expect("started");
    let mut asked = Vec::new();
    while let Some(shown) = execution.next().await {
        if let ExecutionEvent::InputRequest(input) = shown {
            execution.send_input(&input, Some(&asked.len().to_string())).await.expect("answered");
            asked.push((input.prompt, input.password));
        }
    }
    let asked: Vec<_> = asked.iter().map(|(prompt, password)| (prompt.as_str(), *password)).collect();
    assert_eq!(asked, [("name? ", false), ("Password: ", true), ("key? ", true)]);
    assert_eq!(execution.result::<Vec<String>>().await.expect("a result"), ["0", "1", "2"]);
}

async fn code_that_fails_shows_what_it_did(context: &TestContext) {
    let (all, result) = shown(&context.python, "print('before')\n1/0").await;
    assert_eq!(all, ["out:before\n"]);
    let error = result.expect_err("raised");
    assert_eq!(error.exception().expect("an exception").kind, "ZeroDivisionError");
    let refused = context.python.with_session("nowhere").execute("1").await.expect_err("no such session");
    assert_eq!(refused.code(), Some(ErrorCode::UnknownSession));
}

async fn standard_input_asks_line_by_line_and_ends_for_children(context: &TestContext) {
    let code = "import subprocess, sys\n[open(0, closefd=False).read(), subprocess.run(['cat'], stdout=-1).stdout.decode(), \
                sys.stdin.readline(), input('more? '), sys.stdin.read()]";
    let mut execution = context.python.execute(code).await.expect("started");
    let (mut asked, mut lines) = (Vec::new(), ["a", "b", "c"].into_iter());
    while let Some(shown) = execution.next().await {
        if let ExecutionEvent::InputRequest(input) = shown {
            execution.send_input(&input, lines.next()).await.expect("answered");
            asked.push(input.prompt);
        }
    }
    assert_eq!(asked, ["", "more? ", "", ""], "the last one is told that there is no more");
    assert_eq!(execution.result::<Vec<String>>().await.expect("a result"), ["", "", "a\n", "b", "c\n"]);
    // A client that answers nothing.
    let read: Vec<String> = context.python.evaluate("[sys.stdin.read(), *sys.stdin]").await.expect("read");
    assert_eq!(read, [""]);
}

async fn input_is_answered_with_the_capability(context: &TestContext) {
    let code = "a = input('first? ')\nb = input()\ntry: input()\nexcept EOFError: a + b";
    let code = format!("{code}\na + b");
    let mut execution = context.python.execute(&code).await.expect("started");
    let mut prompts = Vec::new();
    let mut answers = [Some("one"), Some("two"), None].into_iter();
    while let Some(shown) = execution.next().await {
        if let ExecutionEvent::InputRequest(input) = shown {
            prompts.push(input.prompt.clone());
            execution.send_input(&input, answers.next().expect("three")).await.expect("answered");
        }
    }
    assert_eq!(prompts, ["first? ", "", ""]);
    assert_eq!(execution.result::<String>().await.expect("a result"), "onetwo");
    let told = context.python.evaluate::<String>("input()").await.expect_err("no client to ask");
    assert_eq!(told.exception().expect("raised").kind, "EOFError");
}

async fn every_kind_of_iterator_is_a_stream(context: &TestContext) {
    let python = &context.python;
    for (code, count) in [
        ("range(0)", 0),
        ("list(range(3))", 3),
        ("(n for n in range(10_000))", 10_000),
        (
            "import asyncio\nasync def a():\n    for n in range(100):\n        await asyncio.sleep(0)\n        yield n\na()",
            100,
        ),
    ] {
        let items: Vec<i64> =
            python.stream::<i64>(code).await.expect(code).map(|item| item.expect(code)).collect().await;
        assert_eq!(items, (0..count).collect::<Vec<_>>(), "{code}");
    }
    let held: Handle = python.evaluate("iter('abc')").await.expect("held");
    let items: Vec<String> =
        python.iterate(&held).await.expect("opened").map(|item| item.expect("one")).collect().await;
    assert_eq!(items, ["a", "b", "c"]);
    let items: Vec<_> = python.stream::<i64>("5").await.expect("opened").collect().await;
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].as_ref().expect_err("no iterable").exception().expect("raised").kind, "TypeError");
}

async fn items_of_any_type_are_streamed(context: &TestContext) {
    let python = &context.python;
    let items = python.stream::<Value>("[(1, 2), None, 'é', {1}, b'x', float('inf')]").await.expect("opened");
    let items: Vec<_> = items.map(|item| item.expect("a value").to_string()).collect().await;
    assert_eq!(items, ["(1, 2)", "None", "'é'", "{1}", "b'x'", "inf"]);
    let mut handles = python.stream::<Handle>("(object() for _ in range(2))").await.expect("opened");
    let first = handles.next().await.expect("an item").expect("a handle");
    assert_eq!(first.type_name(), "object");
    let big = python.stream::<String>("('x' * 300_000 for _ in range(20))").await.expect("opened");
    assert_eq!(big.map(|item| item.expect("text").len()).collect::<Vec<_>>().await, [300_000; 20]);
}

async fn a_stream_that_fails_gives_its_items_first(context: &TestContext) {
    let code = "def g():\n    yield 1\n    raise KeyError('x')\ng()";
    let items: Vec<_> = context.python.stream::<i64>(code).await.expect("opened").collect().await;
    assert_eq!(*items[0].as_ref().expect("an item"), 1);
    assert_eq!(items[1].as_ref().expect_err("raised").exception().expect("raised").kind, "KeyError");
    assert_eq!(items.len(), 2);
}

async fn a_dropped_stream_closes_its_generator(context: &TestContext) {
    let python = &context.python;
    let code = "import time\nlog = []\ndef g(wait):\n    try:\n        while True:\n            yield 1\n            time.sleep(wait)\n    \
                finally: log.append('closed')\nNone";
    python.evaluate::<()>(code).await.expect("defined");
    for (n, wait) in [(1, "0"), (2, "1000")] {
        let mut stream = python.stream::<i64>(&format!("g({wait})")).await.expect("opened");
        assert_eq!(stream.next().await.expect("an item").expect("a value"), 1);
        drop(stream);
        while python.evaluate::<i64>("len(log)").await.expect("counted") < n {}
    }
    assert_eq!(python.evaluate::<i64>("len(log)").await.expect("counted"), 2);
}

const LOGGED: &str = "import os, time\nlog = []\ndef g(item, wait):\n    try:\n        while True:\n            \
                      yield item\n            time.sleep(wait)\n    finally: log.append('closed')\nNone";

/// Waits until the session has so many calls that have no answer yet.
async fn calls(context: &TestContext, count: u64) {
    while context.python.get_session(&context.session).await.expect("known").calls != count {}
}

/// The stream ends with the word that it was cancelled, and its generator is closed.
async fn is_cancelled(context: &TestContext, stream: impl futures_util::Stream<Item = Result<String, Error>>) {
    let last = stream.collect::<Vec<_>>().await.pop().expect("an end").expect_err("cancelled");
    let Error::Host(problem) = last else { panic!("{last}") };
    assert_eq!((problem.code, problem.outcome), (ErrorCode::Cancelled, Some(Outcome::StateKept)));
    while context.python.evaluate::<i64>("len(log)").await.expect("kept") == 0 {}
    assert!(context.python.list_handles(&context.session).await.expect("a list").is_empty());
}

async fn a_cancel_ends_a_stream_whose_client_does_not_read(context: &TestContext) {
    context.python.evaluate::<()>(LOGGED).await.expect("defined");
    let id = format!("resting in {}", context.session);
    let there = context.python.with_request_id(&id);
    let mut stream = there.stream::<String>("g('x' * 100_000, 0)").await.expect("opened");
    stream.next().await.expect("an item").expect("a value");
    while context.python.list_handles(&context.session).await.expect("a list").is_empty() {} // no round runs, and none is asked for
    assert_eq!(context.stranger().cancel(&id).await.expect("told"), CancelOutcome::StateKept);
    is_cancelled(context, stream).await;
    assert_eq!(context.stranger().cancel(&id).await.expect("told"), CancelOutcome::NotFound);
}

async fn a_cancel_ends_a_stream_whose_next_round_waits(context: &TestContext) {
    context.python.evaluate::<()>(LOGGED).await.expect("defined");
    let id = format!("waiting in {}", context.session);
    let there = context.python.with_request_id(&id);
    let mut stream = there.stream::<String>("g('x', 0.002)").await.expect("opened");
    stream.next().await.expect("an item").expect("a value");
    let folder = tempfile::tempdir().expect("a folder");
    let go = folder.path().join("go");
    let busy = context.companion();
    let code = "began = True\nwhile not os.path.exists(go): time.sleep(0.002)";
    let cancelling = async {
        calls(context, 2).await;
        let outcome = context.stranger().cancel(&id).await.expect("told");
        std::fs::write(&go, "").expect("a file");
        outcome
    };
    let ending = is_cancelled(context, stream);
    let (held, outcome, ()) = tokio::join!(busy.evaluate_with::<()>(code, [("go", &go)]), cancelling, ending);
    held.expect("done");
    assert_eq!(outcome, CancelOutcome::StateKept);
}

async fn calls_go_between_the_items_of_a_stream(context: &TestContext) {
    let code = "import time\nseen = 0\ndef g():\n    while not seen:\n        time.sleep(0.005)\n        yield 1\ng()";
    let mut stream = context.python.stream::<i64>(code).await.expect("opened");
    assert_eq!(stream.next().await.expect("an item").expect("a value"), 1);
    let companion = context.companion();
    let (set, rest) = tokio::join!(companion.evaluate::<()>("seen = 1"), stream.collect::<Vec<_>>());
    set.expect("came between");
    assert!(rest.iter().all(Result::is_ok), "{rest:?}");
}

async fn callbacks_are_called_and_answered(context: &TestContext) {
    let python = context.python.with_callback("add", |call: CallbackCall| async move {
        let (a, b): (i64, i64) = (call.arg(0)?, call.arg(1)?);
        match call.kwargs.first() {
            Some((name, Value::Str(text))) if name == "fail" => Err(text.clone().into()),
            _ => Ok::<i64, Box<dyn std::error::Error + Send + Sync>>(a + b),
        }
    });
    let add = || [("add", Callback("add".into()))];
    assert_eq!(python.evaluate_with::<i64>("add(1, 2) + add(3, 4)", add()).await.expect("answered"), 10);
    let code = "import beep_python\nprint('p')\ntry: add(1, 2, fail='no')\nexcept beep_python.CallbackError as e: told = str(e)\ntold";
    let told: beep_python_client::Response<String> = python.evaluate_with(code, add()).await.expect("raised there");
    assert_eq!((told.value.as_str(), told.stdout.as_str()), ("no", "p\n"));
    let functools = python.import_module("functools").await.expect("imported");
    let sum: i64 =
        python.call_method(&functools, "reduce", (Callback("add".into()), [1, 2, 3, 4])).await.expect("called");
    assert_eq!(sum, 10);
}

async fn callbacks_work_while_code_is_followed(context: &TestContext) {
    let python = context
        .python
        .with_callback("twice", |call: CallbackCall| async move { Ok::<i64, Error>(call.arg::<i64>(0)? * 2) });
    let twice = || [("twice", Callback("twice".into()))];
    let stream = python.stream_with::<i64>("(twice(n) for n in range(5))", twice()).await.expect("opened");
    assert_eq!(stream.map(|item| item.expect("an item")).collect::<Vec<_>>().await, [0, 2, 4, 6, 8]);
    let execution = python.execute_with("print(twice(4)); twice(21)", twice()).await.expect("started");
    assert_eq!(execution.result::<i64>().await.expect("a result"), 42);
}

async fn a_callback_calls_back_into_its_session(context: &TestContext) {
    let inner = context.companion();
    let python = context.python.with_callback("ask", move |call: CallbackCall| {
        let within = inner.nested_in(&call);
        async move {
            let code: String = call.arg(0)?;
            within.evaluate::<i64>(&code).await
        }
    });
    python.evaluate::<()>("x = 20").await.expect("set");
    let ask = [("ask", Callback("ask".into()))];
    assert_eq!(python.evaluate_with::<i64>("ask('x * 2') + 2", ask).await.expect("nested"), 42);
}

async fn unknown_callback_is_an_error(context: &TestContext) {
    let unknown = || [("f", Callback("nothing".into()))];
    let told = context.python.evaluate_with::<()>("f()", unknown()).await.expect_err("nothing offered");
    assert_eq!(told.code(), Some(ErrorCode::InvalidRequest), "{told}");
    let python = context.python.with_callback("something", |_| async { Ok::<(), Error>(()) });
    let told = python.evaluate_with::<()>("f()", unknown()).await.expect_err("no such callback");
    assert_eq!(told.exception().expect("raised").kind, "beep_python.CallbackError");
}

/// One client's code leaves a thread and keeps a callback; another client of the session, who would answer everything, is told of
/// neither.
async fn what_code_goes_on_to_do_reaches_no_other_client(context: &TestContext) {
    let capable = |name: &'static str| {
        context.companion().with_callback("f", move |_: CallbackCall| async move { Ok::<_, Error>(name) })
    };
    let (first, second) = (capable("of the first"), capable("of the second"));
    let leaves = "import builtins, threading\nbuiltins.go, builtins.done, builtins.told = threading.Event(), threading.Event(), []\n\
                  builtins.kept = f\ndef act():\n    go.wait()\n    print('of the first')\n    display('of the first')\n    \
                  for ask in (input, kept):\n        try: told.append(ask())\n        except Exception as error: \
                  told.append(type(error).__name__)\n    done.set()\nthreading.Thread(target=act).start()\nkept()";
    let passed = || [("f", Callback("f".into()))];
    assert_eq!(first.evaluate_with::<String>(leaves, passed()).await.expect("its own"), "of the first");
    let execution = second.execute_with("go.set()\ndone.wait()\nprint('of the second', f())\ntold", passed());
    let (seen, execution) = followed(execution.await.expect("started")).await;
    assert_eq!(seen, ["out:of the second of the second\n", "display:['EOFError', 'HostError']"]);
    assert_eq!(execution.result::<Vec<String>>().await.expect("its value"), ["EOFError", "HostError"]);
}

async fn code_never_sees_fewer_cpus_than_it_has(context: &TestContext) {
    let python = &context.python;
    let look = "import os, threading\npid, seen, stop = os.getpid(), set(), threading.Event()\ndef look():\n    \
                while not stop.is_set(): seen.add(len(os.sched_getaffinity(pid)))\nthread = threading.Thread(target=look)\n\
                thread.start()\nlen(os.sched_getaffinity(0))";
    let count: i64 = python.evaluate(look).await.expect("begun");
    for _ in 0..300 {
        assert_eq!(python.evaluate::<i64>("len(os.sched_getaffinity(0))").await.expect("counted"), count);
    }
    let seen: Vec<i64> = python.evaluate("stop.set()\nthread.join()\nlist(seen)").await.expect("ended");
    assert_eq!(seen, [count]);
}

const TELLS: &str = "import beep_python, logging, threading\ndef tell(n): beep_python.progress(n, 4, 'step')\ntell(1)\n\
                     thread = threading.Thread(target=tell, args=(2.5,))\nthread.start()\nthread.join()\n\
                     beep_python.progress(3)\nprint('done')";

async fn code_tells_how_far_it_is(context: &TestContext) {
    let python = context.python.with_progress();
    let mut execution = python.execute(TELLS).await.expect("started");
    let mut told = Vec::new();
    while let Some(event) = execution.next().await {
        told.push(match event {
            ExecutionEvent::Progress(progress) => {
                format!("{:?} {:?} {:?}", progress.done, progress.total, progress.message)
            }
            ExecutionEvent::Stdout(text) => text,
            other => panic!("{other:?}"),
        });
    }
    // One that is not read before the next comes may be left out, but for the last.
    assert_eq!(
        told.last_chunk::<2>().expect("the last"),
        &["3.0 None None".to_owned(), "done\n".to_owned()],
        "{told:?}"
    );
    let all = [r#"1.0 Some(4.0) Some("step")"#, r#"2.5 Some(4.0) Some("step")"#, "3.0 None None", "done\n"];
    assert!(told.iter().all(|told| all.contains(&&**told)), "{told:?}");
    execution.result::<()>().await.expect("its end");
    let (seen, _) = followed(context.python.execute(TELLS).await.expect("started")).await;
    assert_eq!(seen, ["out:done\n"], "this client did not ask for it");
}

async fn log_records_are_told(context: &TestContext) {
    let code = "import logging\nlog = logging.getLogger('a.b')\nlog.info('no')\nlog.warning('x %d', 5)\n\
                try: 1 / 0\nexcept ZeroDivisionError: logging.exception('failed')";
    let mut execution = context.python.with_log_records().execute(code).await.expect("started");
    let mut records = Vec::new();
    while let Some(event) = execution.next().await {
        let ExecutionEvent::Log(record) = event else { panic!("{event:?}") };
        records.push((record.level, record.logger, record.message, record.exception.map(|exception| exception.kind)));
    }
    let expected = [
        ("WARNING".to_owned(), "a.b".to_owned(), "x 5".to_owned(), None),
        ("ERROR".to_owned(), "root".to_owned(), "failed".to_owned(), Some("ZeroDivisionError".to_owned())),
    ];
    assert_eq!(records, expected);
    execution.result::<()>().await.expect("its end");
    let (seen, _) = followed(context.python.execute("log.warning('plain')").await.expect("started")).await;
    assert_eq!(seen, ["err:plain\n"], "this client did not ask for it");
}

async fn names_come_beside_the_value(context: &TestContext) {
    let python = &context.python;
    python.evaluate::<()>("x = 4").await.expect("done");
    let code = "y = x * 2\nz = object()\ny + 1";
    for locals in [Locals::new().local("x", 4), Locals::new()] {
        let (value, outputs) =
            python.evaluate_outputs::<i64>(code, locals, &["y", "z", "nobody"]).await.expect("evaluated");
        assert_eq!((value, outputs.len()), (9, 2), "{outputs:?}");
        assert!(matches!(&outputs["y"], Returned::Value(Value::Int(8))), "{outputs:?}");
        let Returned::Handle(object) = &outputs["z"] else { panic!("{outputs:?}") };
        assert_eq!(object.type_name(), "object");
    }
    let (object, outputs) =
        python.evaluate_outputs::<Handle>("n = None\nobject()", (), &["n"]).await.expect("evaluated");
    assert_eq!(object.type_name(), "object");
    assert!(matches!(&outputs["n"], Returned::Value(Value::None)), "{outputs:?}");
    let (value, outputs) = python.evaluate_outputs::<Option<i64>>("None", (), &["n"]).await.expect("evaluated");
    assert_eq!((value, outputs.len()), (None, 1));
}

async fn a_stream_ends_with_what_its_generator_returns(context: &TestContext) {
    let code = "def g(n):\n    yield from range(n)\n    return {'count': n}\ng(2500)";
    let mut stream = context.python.stream::<i64>(code).await.expect("started");
    let mut count = 0;
    while let Some(item) = stream.next().await {
        assert_eq!(item.expect("an item"), count);
        count += 1;
    }
    assert_eq!(count, 2500);
    let returned: Option<std::collections::BTreeMap<String, i64>> = stream.take_returned().expect("read");
    assert_eq!(returned.expect("returned")["count"], 2500);
    let mut stream = context.python.stream::<i64>("[1]").await.expect("started");
    while stream.next().await.is_some() {}
    assert_eq!(stream.take_returned::<i64>().expect("read"), None);
}

async fn an_exception_comes_with_the_variables_of_its_frames(context: &TestContext) {
    let code = "def ratio(a, b): return a / b\nratio(1, 0)";
    let told = context.python.with_traceback_locals().evaluate::<f64>(code).await.expect_err("raised");
    let frame = told.exception().expect("Python's").traceback.last().expect("a frame").clone();
    assert_eq!(frame.locals.into_iter().collect::<Vec<_>>(), [("a".into(), "1".into()), ("b".into(), "0".into())]);
    let told = context.python.evaluate::<f64>(code).await.expect_err("raised");
    assert!(told.exception().expect("Python's").traceback.iter().all(|frame| frame.locals.is_empty()));
}
