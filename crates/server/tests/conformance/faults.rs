//! Faults of workers, of code and of clients: each is told, harms one session at most, and leaves nothing behind.

use std::path::Path;
use std::time::Duration;

use beep_python_client::{
    AnyBackend, Callback, CallbackCall, CancelOutcome, Error, ErrorCode, ExecutionEvent, Handle, Limits,
    SessionOptions, Value,
};
use beep_python_protocol::{DeathCause, Outcome, Problem};
use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process};

use crate::processes::gone;
use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    worker_killed_during_any_call_is_reported_and_replaced,
    worker_killed_between_stream_batches_is_reported,
    worker_that_dies_between_calls_is_reported_once,
    worker_killed_during_a_large_response_is_reported,
    killed_isolated_worker_affects_no_session,
    worker_killed_during_inspection_is_reported,
    unkind_code_harms_its_own_session_only,
    processes_that_code_leaves_go_on_and_end_with_the_session,
    code_that_takes_too_much_is_stopped,
    code_that_swallows_interrupts_is_killed,
    client_that_stops_reading_delays_no_other,
];

/// What hangs, by a call of any kind; and marks that it does.
const SLOW: &str = "
import array, os, sys, time, types
def hang(*_):
    open(mark + '.new', 'w').close()
    os.rename(mark + '.new', mark)
    time.sleep(1000)
class Slow:
    call = hang
    attribute = property(hang, hang)
    __len__ = lambda self: 1000
    def __getitem__(self, n): return hang() if n == 500 else 1.0
    def __iter__(self): return (self[n] for n in range(1000))
class Finder:
    def find_spec(self, name, *_): return hang() if name == 'slow_to_find' else None
sys.meta_path.insert(0, Finder())
sys.modules['slow'] = types.ModuleType('slow')
sys.modules['slow'].make = hang
def generator():
    yield 1
    hang()
slow = Slow()
slow";

/// Every kind of call, made to hang, by name.
const KINDS: &[&str] = &[
    "evaluate",
    "execute",
    "import",
    "available",
    "create",
    "call",
    "getattr",
    "setattr",
    "array",
    "rows",
    "stream",
    "callback",
    "input",
];

async fn exists(mark: &Path) {
    while !mark.exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("killed");
}

fn problem<T: std::fmt::Debug>(result: Result<T, Error>) -> Problem {
    match result {
        Err(Error::Host(problem)) => *problem,
        other => panic!("no problem: {other:?}"),
    }
}

async fn pid_of(python: &AnyBackend, session: &str) -> i32 {
    python.get_session(session).await.expect("known").pid.expect("a worker")
}

/// Makes a call of this kind, which hangs.
async fn slow_call(kind: &str, python: &AnyBackend, slow: &Handle, mark: &Path) -> Result<(), Error> {
    match kind {
        "evaluate" => python.evaluate::<()>("hang()").await,
        "execute" => {
            let mut execution = python.execute("print('live')\nhang()").await?;
            assert!(matches!(execution.next().await, Some(ExecutionEvent::Stdout(text)) if text == "live\n"));
            execution.result::<()>().await
        }
        "import" => python.import_module("slow_to_find").await.map(drop),
        "available" => python.is_module_available("slow_to_find").await.map(drop),
        "create" => {
            let module = python.import_module("slow").await.expect("there");
            python.create_object(&module, "make", ()).await.map(drop)
        }
        "call" => python.call_method::<()>(slow, "call", ()).await,
        "getattr" => python.get_attribute::<()>(slow, "attribute").await,
        "setattr" => python.set_attribute(slow, "attribute", 1).await,
        "array" => python.to_float_array(slow).await.map(drop),
        "rows" => python.to_float_array_2d(slow).await.map(drop),
        "stream" => {
            let mut stream = python.stream::<i64>("generator()").await?;
            assert_eq!(stream.next().await.expect("an item")?, 1);
            stream.next().await.expect("an end").map(drop)
        }
        "callback" => {
            let mark = mark.to_owned();
            let python = python.with_callback("ask", move |_: CallbackCall| {
                std::fs::write(&mark, "").expect("a file");
                std::future::pending::<Result<(), String>>()
            });
            python.evaluate_with::<()>("ask()", [("ask", Callback("ask".into()))]).await
        }
        "input" => {
            let mut execution = python.execute("input('name? ')").await?;
            assert!(matches!(execution.next().await, Some(ExecutionEvent::InputRequest(_))));
            std::fs::write(mark, "").expect("a file");
            execution.result::<()>().await
        }
        other => unreachable!("{other}"),
    }
}

async fn worker_killed_during_any_call_is_reported_and_replaced(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    for kind in KINDS {
        let session = context.python.create_session().await.expect("a session");
        let python = context.stranger().with_session(&session);
        let mark = folder.path().join(kind);
        python.evaluate::<()>(&format!("mark = {:?}", mark.to_str().expect("UTF-8"))).await.expect("set");
        let slow: Handle = python.evaluate(SLOW).await.expect("made");
        let pid = pid_of(&python, &session).await;
        let killing = async {
            exists(&mark).await;
            kill(pid);
        };
        let (told, ()) = tokio::join!(slow_call(kind, &python, &slow, &mark), killing);
        let told = problem(told);
        assert_eq!((told.code, told.started), (ErrorCode::WorkerDied, Some(true)), "{kind}: {told:?}");
        let death = told.death.unwrap_or_else(|| panic!("{kind}: no death"));
        assert_eq!((death.pid, death.signal, death.cause), (pid, Some(9), Some(DeathCause::Killed)), "{kind}");
        gone(pid).await;
        assert_eq!(python.evaluate::<i64>("1 + 1").await.expect(kind), 2);
        let info = python.get_session(&session).await.expect("known");
        assert_eq!((info.restarted, info.session_epoch, info.calls), (true, 2, 0), "{kind}");
        let lost = python.get_attribute::<()>(&slow, "call").await.expect_err("it was in the worker");
        assert_eq!(lost.code(), Some(ErrorCode::HandleLost), "{kind}: {lost}");
        python.delete_session(&session).await.expect("ended");
    }
}

async fn worker_killed_between_stream_batches_is_reported(context: &TestContext) {
    let python = &context.python;
    let code = "def g():\n    while True: yield 'x' * 100_000\ng()";
    let mut stream = python.stream::<String>(code).await.expect("opened");
    stream.next().await.expect("an item").expect("a value");
    while python.list_handles(&context.session).await.expect("a list").is_empty() {} // it waits for its reader
    let pid = pid_of(python, &context.session).await;
    kill(pid);
    gone(pid).await;
    while !python.get_session(&context.session).await.expect("known").restarted {}
    assert_eq!(python.evaluate::<i64>("1 + 1").await.expect("goes on"), 2);
    let last = stream.collect::<Vec<_>>().await.pop().expect("an end").expect_err("lost");
    assert_eq!(last.code(), Some(ErrorCode::WorkerDied), "{last}");
    assert!(python.get_session(&context.session).await.expect("known").restarted);
}

async fn worker_killed_during_a_large_response_is_reported(context: &TestContext) {
    let python = &context.python;
    // More than a pipe holds, so that the host has read a part of it.
    let dies = "import array, os, signal, sys\nframe = sys._getframe()\n\
                while type(frame.f_locals.get('self')).__name__ != 'Worker': frame = frame.f_back\n\
                worker = frame.f_locals['self']\nflush = worker.outbox.flush\n\
                def part():\n    data = b''.join(worker.outbox.waiting)\n    if len(data) < 200_000: return flush()\n    \
                os.write(worker.sink, data[:200_000])\n    os.kill(os.getpid(), signal.SIGKILL)\n\
                worker.outbox.flush = part\narray.array('f', [1.5]) * 1_000_000";
    for (epoch, as_floats) in [(2, true), (3, false)] {
        let large: Handle = python.evaluate(dies).await.expect("made");
        let told = match as_floats {
            true => problem(python.to_float_array(&large).await.map(|floats| floats.len())),
            false => problem(python.evaluate::<String>("'x' * 4_000_000").await),
        };
        assert_eq!((told.code, told.started), (ErrorCode::WorkerDied, Some(true)), "{told:?}");
        let whole: String = python.evaluate("'y' * 4_000_000").await.expect("goes on");
        assert!(whole.len() == 4_000_000 && whole.bytes().all(|byte| byte == b'y'), "nothing is left of the other");
        assert_eq!(python.get_session(&context.session).await.expect("known").session_epoch, epoch);
    }
}

async fn killed_isolated_worker_affects_no_session(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    context.python.evaluate::<()>("kept = 1").await.expect("set");
    let apart = context.python.with_isolation();
    let code = "import os, time\nwith open(mark + '.new', 'w') as file: file.write(str(os.getpid()))\n\
                os.rename(mark + '.new', mark)\ntime.sleep(1000)";
    let killing = async {
        exists(&mark).await;
        let pid = std::fs::read_to_string(&mark).expect("a file").parse().expect("a number");
        kill(pid);
        pid
    };
    let (told, pid) = tokio::join!(apart.evaluate_with::<()>(code, [("mark", &mark)]), killing);
    let told = problem(told);
    assert_eq!((told.code, told.started), (ErrorCode::WorkerDied, Some(true)), "{told:?}");
    assert!(!told.detail.contains("restarted"), "no session was: {}", told.detail);
    gone(pid).await;
    assert_eq!(apart.evaluate::<i64>("1 + 1").await.expect("others run"), 2);
    assert_eq!(context.python.evaluate::<i64>("kept").await.expect("kept"), 1);
}

async fn worker_killed_during_inspection_is_reported(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let python = &context.python;
    python.evaluate::<()>(&format!("mark = {:?}", mark.to_str().expect("UTF-8"))).await.expect("set");
    let _slow: Handle = python.evaluate(SLOW).await.expect("made");
    let pid = pid_of(python, &context.session).await;
    let looking = async {
        exists(&mark).await;
        // A worker that is stopped writes no stacks: the one who looks waits, and meanwhile it is killed.
        kill_process(Pid::from_raw(pid).expect("a process"), Signal::STOP).expect("stopped");
        let (looker, killer) = (context.stranger(), context.stranger());
        let killing = async {
            killer.get_session(&context.session).await.expect("known");
            kill(pid);
        };
        tokio::join!(looker.inspect_session(&context.session), killing).0
    };
    let (told, looked) = tokio::join!(python.evaluate::<()>("hang()"), looking);
    assert_eq!(problem(told).code, ErrorCode::WorkerDied);
    assert_eq!(looked.expect("told").session.session_id, context.session);
    gone(pid).await;
    assert_eq!(python.evaluate::<i64>("1 + 1").await.expect("goes on"), 2);
}

/// Code that is unkind to the process that it runs in, and whether the session outlives it with its state.
const UNKIND: &[(&str, bool)] = &[
    ("import os\nos.closerange(3, 1 << 16)", false),
    ("import os\nos.execv('/bin/true', ['true'])", false),
    ("import signal\nfor n in (1, 2, 10, 12, 13, 14, 15): signal.signal(n, lambda *_: 1 / 0)", true),
    (
        "import threading\nfor n in range(2): threading.Thread(target=lambda: [print('noise') for _ in iter(int, 1)], daemon=True).start()",
        true,
    ),
    ("import os, locale\nos.chdir('/')\nlocale.setlocale(locale.LC_ALL, 'C')", true),
    ("import sys\nsys.modules.clear()", true),
    ("import json\njson.dumps = json.loads = json.JSONEncoder = json.scanner = None", true),
    ("import builtins\nprint = builtins.print = None", true),
    ("import ctypes\nctypes.string_at(0)", false),
    // What the host maps too.
    (
        "import ctypes, fcntl, os\npunch_hole = ctypes.CDLL(None).fallocate\nsize = ctypes.c_long(1 << 21)\n\
         for n in range(3, 2000):\n    for do in (\n        lambda: os.ftruncate(n, 0), lambda: os.ftruncate(n, 1 << 40), lambda: fcntl.fcntl(n, 1033, 15),\n        \
         lambda: os.posix_fallocate(n, 1 << 30, 1), lambda: os.lseek(n, 0, 2), lambda: punch_hole(n, 3, ctypes.c_long(0), size),\n    ):\n        \
         try: do()\n        except OSError: pass",
        true,
    ),
];

async fn worker_that_dies_between_calls_is_reported_once(context: &TestContext) {
    let session = context.python.create_session().await.expect("a session");
    let python = context.stranger().with_session(&session);
    let killed = async || {
        let pid = pid_of(&python, &session).await;
        kill(pid);
        gone(pid).await;
        while python.get_session(&session).await.expect("known").pid.is_none_or(|now| now == pid) {}
    };
    killed().await;
    python.evaluate::<()>("kept = 1").await.expect("no call has run in the worker that died: nothing is lost");
    killed().await;
    let told = problem(python.evaluate::<()>("ran = 1").await);
    assert_eq!((told.code, told.started), (ErrorCode::WorkerDied, Some(false)), "{told:?}");
    assert_eq!(told.death.expect("how").cause, Some(DeathCause::Killed));
    assert!(!python.evaluate::<bool>("'kept' in globals() or 'ran' in globals()").await.expect("told once"));
    python.delete_session(&session).await.expect("ended");
}

async fn unkind_code_harms_its_own_session_only(context: &TestContext) {
    context.python.evaluate::<()>("kept = 1").await.expect("set");
    for &(code, lives) in UNKIND {
        let session = context.python.create_session().await.expect("a session");
        let python = context.stranger().with_session(&session);
        let first = pid_of(&python, &session).await;
        python.evaluate::<()>("state = 1").await.expect("set");
        let told = python.evaluate::<Value>(code).await;
        if lives {
            told.unwrap_or_else(|error| panic!("{code}: {error}"));
            assert_eq!(python.evaluate::<i64>("state + 1").await.unwrap_or_else(|error| panic!("{code}: {error}")), 2);
        } else {
            // Code that closes what the answer needs is told by the next call where its own answer went out before.
            let told = match told {
                Ok(_) => python.evaluate::<Value>("1").await,
                told => told,
            };
            assert_eq!(problem(told).code, ErrorCode::WorkerDied, "{code}");
            let state = python.evaluate::<bool>("'state' in globals()").await;
            assert!(!state.unwrap_or_else(|error| panic!("{code}: {error}")));
        }
        let info = python.get_session(&session).await.expect("known");
        assert_eq!(info.restarted, !lives, "{code}");
        python.delete_session(&session).await.expect("ended");
        for pid in [Some(first), info.pid].into_iter().flatten() {
            gone(pid).await;
        }
        assert_eq!(context.python.evaluate::<i64>("kept").await.expect("others go on"), 1, "{code}");
    }
}

async fn processes_that_code_leaves_go_on_and_end_with_the_session(context: &TestContext) {
    let session = context.python.create_session().await.expect("a session");
    let python = context.stranger().with_session(&session);
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    for (name, before, after) in [
        ("forked", "pass", "time.sleep(1000)"),
        ("replaced", "pass", "os.execv('/bin/sleep', ['sleep', '1000'])"),
        ("away", "os.setsid()\n    if os.fork(): os._exit(0)", "time.sleep(1000)"),
    ] {
        let code = format!(
            "import os, time\nif os.fork() == 0:\n    while not os.path.exists(go): time.sleep(0.001)\n    {before}\n    \
             with open(told + '.new', 'w') as file: n = file.write(str(os.getpid()))\n    os.rename(told + '.new', told)\n    {after}"
        );
        let files = [("go", at("go")), ("told", at(name))];
        python.evaluate_with::<()>(&code, files).await.expect("answered once, by the parent");
    }
    // They go on after their calls were answered.
    std::fs::write(at("go"), "").expect("a file");
    let mut pids = Vec::new();
    for name in ["forked", "replaced", "away"] {
        exists(&at(name)).await;
        pids.push(std::fs::read_to_string(at(name)).expect("a file"));
    }
    assert_eq!(python.evaluate::<i64>("1 + 1").await.expect("goes on"), 2);
    python.delete_session(&session).await.expect("ended");
    for pid in pids.iter().filter_map(|pid| pid.parse().ok()) {
        gone(pid).await;
    }
}

async fn code_that_takes_too_much_is_stopped(context: &TestContext) {
    use ErrorCode::{MemoryExceeded, TooManyProcesses};
    for (code, expected) in [
        // Far more than it may have; for the machine's sake, no more than that.
        ("import os, time\nfor _ in range(7): os.fork()\ntime.sleep(1000)", TooManyProcesses),
        // In small pieces, which the look from outside sees, or which the system refuses if it is late.
        (
            "import time\ndef eat():\n    eaten = []\n    while True:\n        eaten.append(bytearray(1 << 20))\n        \
             time.sleep(0.001)\neat()",
            MemoryExceeded,
        ),
        // At once, which the system refuses.
        ("len(bytearray(1 << 40))", MemoryExceeded),
    ] {
        let limits = match expected {
            TooManyProcesses => Limits { processes: Some(20), ..Limits::default() },
            _ => Limits { memory_bytes: Some(256 << 20), ..Limits::default() },
        };
        let options = SessionOptions { limits, ..SessionOptions::default() };
        let session = context.python.create_session_with(&options).await.expect("a session");
        let python = context.stranger().with_session(&session);
        let first = pid_of(&python, &session).await;
        match python.evaluate::<Value>(code).await {
            Err(Error::Host(told)) => assert_eq!(told.code, expected, "{code}: {told:?}"),
            Err(Error::Python(raised)) => {
                assert_eq!((raised.exception.kind.as_str(), expected), ("MemoryError", MemoryExceeded), "{code}");
            }
            other => panic!("{code}: {other:?}"),
        }
        assert_eq!(python.evaluate::<i64>("1 + 1").await.expect(code), 2);
        let last = pid_of(&python, &session).await;
        python.delete_session(&session).await.expect("ended");
        gone(first).await;
        gone(last).await;
    }
}

async fn code_that_swallows_interrupts_is_killed(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let code = format!(
        "import time\ndef stay():\n    try:\n        open({:?}, 'w').close()\n        while True: time.sleep(1000)\n    \
         except BaseException: stay()\nstay()",
        mark.to_str().expect("UTF-8")
    );
    let id = format!("stubborn in {}", context.session);
    let python = context.python.with_request_id(&id).with_grace(Duration::from_millis(200));
    let cancelling = async {
        exists(&mark).await;
        context.stranger().cancel(&id).await.expect("told")
    };
    let (told, outcome) = tokio::join!(python.evaluate::<()>(&code), cancelling);
    let told = problem(told);
    assert_eq!((told.code, told.outcome), (ErrorCode::Cancelled, Some(Outcome::StateLost)));
    assert_eq!(outcome, CancelOutcome::StateLost);
    assert_eq!(context.python.evaluate::<i64>("1 + 1").await.expect("goes on"), 2);
}

/// How many items of 100 kB a stream may be ahead of a client that does not read: what the sockets hold, one round.
const MOST_AHEAD: i64 = 400;

async fn client_that_stops_reading_delays_no_other(context: &TestContext) {
    let python = &context.python;
    let code = "log = []\ndef g():\n    try:\n        while True:\n            log.append(1)\n            yield 'x' * 100_000\n    \
                finally: log.append('closed')\nNone";
    python.evaluate::<()>(code).await.expect("defined");
    let mut stream = python.stream::<String>("g()").await.expect("opened");
    stream.next().await.expect("an item").expect("a value");
    while python.list_handles(&context.session).await.expect("a list").is_empty() {} // the stream waits for its reader
    let ahead = python.evaluate::<i64>("len(log)").await.expect("the session is free meanwhile");
    assert!(ahead < MOST_AHEAD, "{ahead} items were made for nobody");
    assert_eq!(context.stranger().evaluate::<Value>("'other'").await.expect("others too"), Value::Str("other".into()));
    drop(stream);
    while !python.evaluate::<bool>("log[-1] == 'closed'").await.expect("told") {}
    assert!(python.list_handles(&context.session).await.expect("a list").is_empty());
}
