//! What sessions and calls may take, and what is told when they take more.

use beep_python_client::{
    AnyBackend, CallLimits, Error, ErrorCode, ExecutionEvent, Handle, Limits, Response, SessionEvent, SessionOptions,
    Value,
};
use beep_python_protocol::{Outcome, Problem};
use futures_util::StreamExt;

use crate::test_context::{Case, TestContext, cases, late};

pub const CASES: &[Case] = cases![
    the_time_of_a_sessions_calls_is_limited,
    processor_time_is_limited,
    memory_is_limited,
    memory_outside_of_every_process_is_limited_too,
    limits_count_each_call_alone,
    processes_are_limited,
    processes_that_a_stopped_call_left_may_end_during_the_next,
    handles_are_limited,
    results_are_limited,
    items_of_streams_are_limited,
    output_is_limited,
    what_is_left_out_of_raw_output_is_told_where_it_was,
    calls_that_wait_are_limited,
    open_files_are_limited,
];

/// Until the returned name is deleted, a session with these limits.
async fn limited(context: &TestContext, limits: Limits) -> (AnyBackend, String) {
    let options = SessionOptions { limits, ..SessionOptions::default() };
    let session = context.python.create_session_with(&options).await.expect("a session");
    (context.python.with_session(&session), session)
}

async fn end(context: &TestContext, session: &str) {
    context.python.delete_session(session).await.expect("ended");
}

fn problem<T: std::fmt::Debug>(result: Result<T, Error>) -> Problem {
    match result {
        Err(Error::Host(problem)) => *problem,
        other => panic!("no problem: {other:?}"),
    }
}

async fn refused(python: &AnyBackend, code: &str) -> ErrorCode {
    problem(python.evaluate::<Value>(code).await).code
}

async fn the_time_of_a_sessions_calls_is_limited(context: &TestContext) {
    let told = late(async |time| {
        let timeout_ms = u64::try_from(time.as_millis()).ok();
        let (there, session) = limited(context, Limits { timeout_ms, ..Limits::default() }).await;
        let told = problem(there.evaluate::<()>("while True: pass").await);
        end(context, &session).await;
        told
    });
    let told = told.await;
    assert_eq!((told.code, told.outcome), (ErrorCode::DeadlineExceeded, Some(Outcome::StateKept)));
}

async fn processor_time_is_limited(context: &TestContext) {
    context.python.evaluate::<()>("kept = 1").await.expect("done");
    let call = context.python.with_limits(&CallLimits { cpu_ms: Some(150), ..CallLimits::default() });
    let told = problem(call.evaluate::<()>("while True: pass").await);
    assert_eq!((told.code, told.outcome), (ErrorCode::CpuTimeExceeded, Some(Outcome::StateKept)));
    let slept = call.evaluate::<i64>("import time\ntime.sleep(0.4)\nkept").await;
    assert_eq!(slept.expect("sleeping costs nothing"), 1);
    let (there, session) = limited(context, Limits { cpu_ms: Some(150), ..Limits::default() }).await;
    let looser = there.with_limits(&CallLimits { cpu_ms: Some(3_600_000), ..CallLimits::default() });
    assert_eq!(refused(&looser, "while True: pass").await, ErrorCode::CpuTimeExceeded, "never looser than the session");
    end(context, &session).await;
}

async fn memory_is_limited(context: &TestContext) {
    let eats =
        "import time\neaten = []\nwhile True:\n    eaten.append(bytearray(b'x' * (4 << 20)))\n    time.sleep(0.005)";
    context.python.evaluate::<()>("before = bytearray(b'x' * (100 << 20))").await.expect("done");
    let call = context.python.with_limits(&CallLimits { memory_growth_bytes: Some(64 << 20), ..CallLimits::default() });
    assert_eq!(call.evaluate::<i64>("len(before) >> 20").await.expect("it had that before"), 100);
    let told = problem(call.evaluate::<()>(eats).await);
    assert_eq!((told.code, told.outcome), (ErrorCode::MemoryExceeded, Some(Outcome::StateKept)), "{told:?}");
    // More than it may have, and less than the system refuses, however late the usage is sampled.
    let holds = "import time\neaten = [bytearray(b'x' * (4 << 20)) for _ in range(30)]\ntime.sleep(1000)";
    let (there, session) = limited(context, Limits { memory_bytes: Some(100 << 20), ..Limits::default() }).await;
    let told = problem(there.evaluate::<()>(holds).await);
    end(context, &session).await;
    assert_eq!((told.code, told.outcome), (ErrorCode::MemoryExceeded, Some(Outcome::StateKept)), "{told:?}");
}

async fn memory_outside_of_every_process_is_limited_too(context: &TestContext) {
    // Resident in no process, since nothing maps it.
    let holds = "import os, time\nfd = os.memfd_create('x') if hasattr(os, 'memfd_create') else os.open('/dev/shm', os.O_TMPFILE | os.O_RDWR)\n\
                 [os.write(fd, bytes(4 << 20)) for _ in range(50)]\ntime.sleep(1000)";
    let (there, session) = limited(context, Limits { memory_bytes: Some(100 << 20), ..Limits::default() }).await;
    let told = problem(there.evaluate::<()>(holds).await);
    end(context, &session).await;
    assert_eq!((told.code, told.outcome), (ErrorCode::MemoryExceeded, Some(Outcome::StateKept)), "{told:?}");
}

async fn limits_count_each_call_alone(context: &TestContext) {
    let (there, session) = limited(context, Limits { memory_bytes: Some(1 << 30), ..Limits::default() }).await;
    let next = there.with_limits(&CallLimits { memory_growth_bytes: Some(16 << 20), ..CallLimits::default() });
    there.evaluate::<()>("import time\ntaken = []").await.expect("done");
    for _ in 0..6 {
        there.evaluate::<()>("taken.append(b'x' * (40 << 20))").await.expect("within its limits");
        next.evaluate::<()>("time.sleep(0.12)").await.expect("it takes nothing");
    }
    end(context, &session).await;
}

async fn processes_are_limited(context: &TestContext) {
    let (there, session) = limited(context, Limits { processes: Some(4), ..Limits::default() }).await;
    let backstop = "import resource\nresource.getrlimit(resource.RLIMIT_NPROC)[1] > 512";
    assert!(
        there.evaluate::<bool>(backstop).await.expect("told"),
        "the kernel's own, for what forks faster than is seen"
    );
    let bomb = "import os, time\nfor _ in range(6):\n    if os.fork() == 0:\n        time.sleep(60)\n        os._exit(0)\ntime.sleep(60)";
    let told = problem(there.evaluate::<()>(bomb).await);
    assert_eq!((told.code, told.outcome), (ErrorCode::TooManyProcesses, Some(Outcome::StateKept)), "{told:?}");
    let ignore = "import signal\nkept = signal.signal(signal.SIGINT, signal.SIG_IGN)\n";
    let told = problem(
        there
            .evaluate::<()>(&format!(
                "{ignore}while True:\n    try:\n        {}\n    except BaseException: pass",
                bomb.replace('\n', "\n        ")
            ))
            .await,
    );
    assert_eq!((told.code, told.outcome), (ErrorCode::TooManyProcesses, Some(Outcome::StateLost)));
    assert!(!there.evaluate::<bool>("'kept' in globals()").await.expect("goes on"));
    end(context, &session).await;
}

async fn processes_that_a_stopped_call_left_may_end_during_the_next(context: &TestContext) {
    let (there, session) = limited(context, Limits { processes: Some(4), ..Limits::default() }).await;
    let bomb = "import os, time\nread, write = os.pipe()\nfor _ in range(6):\n    if os.fork() == 0:\n        os.close(write)\n\
                \x20       os.read(read, 1)\n        os._exit(0)\ntime.sleep(60)";
    let told = problem(there.evaluate::<()>(bomb).await);
    assert_eq!((told.code, told.outcome), (ErrorCode::TooManyProcesses, Some(Outcome::StateKept)), "{told:?}");
    // Long enough for several looks at the session. How many there are depends on when the call was interrupted.
    let next = "time.sleep(0.2)\nos.close(write)\nended = 0\ntry:\n    while os.wait():\n        ended += 1\nexcept ChildProcessError:\n    pass\nended";
    let ended = there.evaluate::<i64>(next).await.expect("they end now");
    assert!((4..=6).contains(&ended), "{ended}");
    end(context, &session).await;
}

async fn handles_are_limited(context: &TestContext) {
    let (there, session) = limited(context, Limits { handles: Some(3), ..Limits::default() }).await;
    let one = there.with_limits(&CallLimits { handles: Some(1), ..CallLimits::default() });
    let first: Handle = one.evaluate("object()").await.expect("one");
    let second: Handle = one.evaluate("object()").await.expect("of each call");
    let items = one.stream::<Handle>("[object(), object()]").await.expect("opened").collect::<Vec<_>>().await;
    assert!(items[0].is_ok(), "{items:?}");
    assert_eq!(items[1].as_ref().expect_err("one too many").code(), Some(ErrorCode::TooManyHandles));
    let told = there.evaluate::<Handle>("object()").await;
    assert_eq!(problem(told).code, ErrorCode::TooManyHandles, "of the session");
    drop((first, second));
    end(context, &session).await;
}

async fn results_are_limited(context: &TestContext) {
    let (there, session) = limited(context, Limits { result_bytes: Some(100), ..Limits::default() }).await;
    let of = |most| there.with_limits(&CallLimits { result_bytes: Some(most), ..CallLimits::default() });
    assert_eq!(refused(&there, "'x' * 200").await, ErrorCode::ResultTooLarge);
    assert_eq!(refused(&of(1000), "'x' * 200").await, ErrorCode::ResultTooLarge, "never looser than the session");
    assert_eq!(refused(&of(10), "'x' * 50").await, ErrorCode::ResultTooLarge);
    assert_eq!(there.evaluate::<String>("'x' * 50").await.expect("it fits").len(), 50);
    end(context, &session).await;
}

async fn items_of_streams_are_limited(context: &TestContext) {
    let (there, session) = limited(context, Limits { result_bytes: Some(100), ..Limits::default() }).await;
    there.evaluate::<()>("closed = []\ndef g(size):\n    try:\n        yield 'x'\n        yield 'x' * size\n        yield 'y'\n    finally: closed.append(size)\nasync def a(size):\n    for item in g(size): yield item").await.expect("defined");
    let call = there.with_limits(&CallLimits { result_bytes: Some(20), ..CallLimits::default() });
    for (python, code) in [(&there, "g(200)"), (&there, "a(200)"), (&call, "g(50)")] {
        let items = python.stream::<String>(code).await.expect("opened").collect::<Vec<_>>().await;
        assert_eq!(items[0].as_deref().expect("one that fits"), "x");
        assert_eq!(items[1].as_ref().expect_err("too large").code(), Some(ErrorCode::ResultTooLarge), "{code}");
        assert_eq!(items.len(), 2);
    }
    assert_eq!(there.evaluate::<Vec<i64>>("closed").await.expect("all were closed"), [200, 200, 50]);
    end(context, &session).await;
}

async fn output_is_limited(context: &TestContext) {
    let (there, session) = limited(context, Limits { output_bytes: Some(10), ..Limits::default() }).await;
    let of = |most| there.with_limits(&CallLimits { output_bytes: Some(most), ..CallLimits::default() });
    for (python, kept) in [(there.clone(), 10), (of(5), 5), (of(100), 10)] {
        let told: Response<()> = python.evaluate("print('x' * 20)").await.expect("done");
        let (head, tail) = ("x".repeat(kept - kept / 2), "x".repeat(kept / 2 - 1));
        assert_eq!(told.stdout, format!("{head}\n[output cut here: {} bytes left out]\n{tail}\n", 21 - kept));
        assert_eq!(told.omitted_output_bytes, 21 - kept as u64);
    }
    end(context, &session).await;
}

async fn what_is_left_out_of_raw_output_is_told_where_it_was(context: &TestContext) {
    let (there, session) = limited(context, Limits { output_bytes: Some(10), ..Limits::default() }).await;
    let raw = there.with_raw_output();
    for (written, end) in [("xyz", "y\\n"), ("\\xff", "\\xff")] {
        let code = format!("import sys\nsys.stdout.buffer.write(b'{written}' * 20 + b'{end}')\nsys.stdout.flush()");
        let mut execution = raw.execute(&code).await.expect("started");
        let (mut kept, mut told) = (vec![0], Vec::new());
        while let Some(shown) = execution.next().await {
            match shown {
                ExecutionEvent::Stdout(text) => *kept.last_mut().expect("one") += text.len() as u64,
                ExecutionEvent::StdoutBytes(bytes) => *kept.last_mut().expect("one") += bytes.len() as u64,
                ExecutionEvent::Omitted(bytes) => {
                    told.push(bytes);
                    kept.push(0);
                }
                other => panic!("{other:?}"),
            }
        }
        let done: Response<()> = execution.result().await.expect("a result");
        let all = if end.ends_with('n') { 62 } else { 21 };
        assert_eq!((kept.as_slice(), told.as_slice()), (&[5, 5][..], &[all - 10][..]), "{written}");
        assert_eq!(done.omitted_output_bytes, all - 10);
    }
    let mut events = context.companion().with_raw_output().session_events(&session).await.expect("subscribed");
    let late = "import threading\ngo = threading.Event()\nthread = threading.Thread(target=lambda: (go.wait(), print('x' * 20)))\nthread.start()";
    there.evaluate::<()>(late).await.expect("started");
    there.evaluate::<()>("go.set()\nthread.join()").await.expect("done");
    let (mut kept, mut told) = (0, 0);
    while kept + told < 21 {
        match events.next().await.expect("an event").expect("no error") {
            SessionEvent::Stdout(text) => kept += text.len() as u64,
            SessionEvent::Omitted(bytes) => told += bytes,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((kept, told), (10, 11));
    end(context, &session).await;
}

async fn calls_that_wait_are_limited(context: &TestContext) {
    let (there, session) = limited(context, Limits { waiting: Some(1), ..Limits::default() }).await;
    let call = there.with_request_id(&format!("waits in {session}"));
    let second = async {
        while context.stranger().get_session(&session).await.expect("known").calls == 0 {}
        let told = refused(&context.companion().with_session(&session), "1").await;
        context.stranger().cancel(&format!("waits in {session}")).await.expect("cancelled");
        told
    };
    let (first, second) = tokio::join!(call.evaluate::<()>("import time\ntime.sleep(1000)"), second);
    assert_eq!((problem(first).code, second), (ErrorCode::Cancelled, ErrorCode::QueueFull));
    end(context, &session).await;
}

async fn open_files_are_limited(context: &TestContext) {
    let most = "import resource\nresource.getrlimit(resource.RLIMIT_NOFILE)";
    assert_eq!(context.python.evaluate::<(i64, i64)>(most).await.expect("told"), (4096, 4096), "where nothing is said");
    let (there, session) = limited(context, Limits { open_files: Some(64), ..Limits::default() }).await;
    let leaks = "kept = []\ntry:\n    while True: kept.append(open('/dev/null'))\nexcept OSError as error: told = error.errno\nkept.clear()\ntold";
    assert_eq!(there.evaluate::<i64>(leaks).await.expect("told"), 24, "EMFILE");
    assert_eq!(there.evaluate::<(i64, i64)>(most).await.expect("told"), (64, 64));
    let forks = "import os\nchild = os.fork()\nif child == 0: os._exit(7)\nos.waitpid(child, 0)[1] >> 8";
    assert_eq!(there.evaluate::<i64>(forks).await.expect("forked"), 7);
    end(context, &session).await;
}
