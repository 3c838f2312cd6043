//! Creating, inspecting, restarting, limiting and ending sessions.

#[path = "support/sessions.rs"]
#[allow(unreachable_pub, dead_code)]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use beep_python_protocol::{DeathCause, ErrorCode, Limits, Operation, Outcome, SessionOptions};
use beep_python_runtime::session::{Capacity, Request, Session, SessionManager};
use serde_json::json;
use support::{Told, eval, on_every_python, on_one_python, pythons, send, with_options};

async fn limited(sessions: &SessionManager, limits: Limits) -> Session {
    sessions.create(SessionOptions { limits, ..SessionOptions::default() }).await.expect("a session")
}

#[test]
fn session_info_describes_the_session() {
    on_one_python(async |sessions| {
        let labels = BTreeMap::from([("owner".to_owned(), "me".to_owned())]);
        let asked = SessionOptions { labels: labels.clone(), ..SessionOptions::default() };
        let session = sessions.create(asked).await.expect("a session");
        let info = session.info();
        assert_eq!((info.epoch, info.calls, &info.labels), (1, 0, &labels));
        assert!(info.idle.is_some() && info.memory_bytes.is_some_and(|bytes| bytes > 1 << 20), "{info:?}");
        assert_eq!(info.python.as_deref(), Some(sessions.python_version()));
        assert_eq!(info.last_death, None);
    });
}

#[test]
fn restart_cancels_running_calls_and_clears_state() {
    on_one_python(async |sessions| {
        let session = sessions.default_session().clone();
        eval(&session, "kept = 1").await;
        let busy = {
            let session = session.clone();
            tokio::spawn(async move { eval(&session, "while True: pass").await })
        };
        tokio::task::yield_now().await;
        assert_eq!(session.restart().await.expect("restarted"), 2);
        assert_eq!(busy.await.expect("told").problem().code, ErrorCode::SessionRestarted);
        assert_eq!(eval(&session, "'kept' in globals()").await.value(), &json!(false));
        let death = session.info().last_death.expect("it is known");
        assert_eq!(death.cause, Some(DeathCause::Host));
    });
}

#[test]
fn sessions_of_different_pythons_coexist() {
    on_one_python(async |sessions| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut made = Vec::new();
        for (n, python) in pythons().into_iter().enumerate() {
            let environment = folder.path().join(n.to_string());
            let done =
                std::process::Command::new(&python).args(["-m", "venv", "--without-pip"]).arg(&environment).status();
            assert!(done.expect("venv runs").success());
            let environment = environment.to_str().expect("UTF-8").to_owned();
            let asked = SessionOptions { environment: Some(environment.clone()), ..SessionOptions::default() };
            let session = sessions.create(asked).await.expect("a session");
            made.push((environment, session));
        }
        let mut versions = Vec::new();
        for (environment, session) in &made {
            let told = eval(session, "import sys, platform\n[sys.prefix, platform.python_version()]").await;
            assert_eq!(told.value()[0], json!(environment));
            assert_eq!(told.value()[1].as_str(), session.info().python.as_deref());
            versions.push(told.value()[1].clone());
        }
        versions.dedup();
        assert_eq!(versions.len(), made.len());
        let nowhere = SessionOptions { environment: Some("/nowhere/at/all".into()), ..SessionOptions::default() };
        assert_eq!(sessions.create(nowhere).await.expect_err("none").code, ErrorCode::UnknownEnvironment);
    });
}

#[test]
fn modules_are_preloaded_on_request() {
    on_one_python(async |sessions| {
        let asked = SessionOptions { preload: Some(vec!["fractions".into()]), ..SessionOptions::default() };
        let session = sessions.create(asked).await.expect("a session");
        let loaded = "import sys\n'fractions' in sys.modules";
        assert_eq!(eval(&session, loaded).await.value(), &json!(true));
        assert_eq!(eval(sessions.default_session(), loaded).await.value(), &json!(false));
    });
}

#[test]
fn idle_timeout_ends_idle_sessions_only() {
    on_one_python(async |sessions| {
        // As long as nobody is held up for longer between two steps.
        let asked = || SessionOptions { idle_timeout_ms: Some(1500), ..SessionOptions::default() };
        let idle = sessions.create(asked()).await.expect("a session");
        let busy = sessions.create(asked()).await.expect("a session");
        assert_eq!(eval(&busy, "import time; time.sleep(2.5); 7").await.value(), &json!(7));
        while sessions.get(idle.id()).is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let told = sessions.get(idle.id()).expect_err("gone");
        assert!(told.code == ErrorCode::SessionExpired && told.detail.contains("1.5s"), "{told:?}");
        assert_eq!(eval(&idle, "1").await.problem().code, ErrorCode::SessionExpired, "also who holds it");
        let again = sessions.delete(idle.id()).await.expect_err("gone");
        assert_eq!(again.code, ErrorCode::SessionExpired);
        sessions.delete(busy.id()).await.expect("deleted");
        assert_eq!(sessions.get(busy.id()).expect_err("gone").code, ErrorCode::UnknownSession);
    });
}

#[test]
fn worker_start_does_not_count_as_idle() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("slow_to_load.py"), "import time\ntime.sleep(2)\n").expect("written");
    with_options(
        |options| options.directory = Some(folder.path().to_owned()),
        async |sessions| {
            let preload = Some(vec!["slow_to_load".to_owned()]);
            let asked = SessionOptions { idle_timeout_ms: Some(1500), preload, ..SessionOptions::default() };
            let session = sessions.create(asked).await.expect("a session");
            assert_eq!(eval(&session, "import sys; 'slow_to_load' in sys.modules").await.value(), &json!(true));
        },
    );
}

#[test]
fn session_limit_is_enforced() {
    with_options(
        |options| options.capacity = Capacity { sessions: 2, workers: 1 },
        async |sessions| {
            let first = sessions.create(SessionOptions::default()).await.expect("one");
            sessions.create(SessionOptions::default()).await.expect("two");
            let third = sessions.create(SessionOptions::default()).await.expect_err("three");
            assert_eq!(third.code, ErrorCode::TooManySessions);
            sessions.delete(first.id()).await.expect("deleted");
            sessions.create(SessionOptions::default()).await.expect("two again");
        },
    );
}

fn isolated(code: &str) -> Request {
    Request::new(Operation::Evaluate, json!({ "expression": code }).to_string())
}

#[test]
fn isolated_calls_run_concurrently_and_keep_no_state() {
    with_options(
        |options| options.capacity.workers = 2,
        async |sessions| {
            let session = sessions.default_session();
            eval(session, "mine = 1").await;
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().to_str().expect("UTF-8");
            // Each waits for the other, so that they end only if they run at once.
            let meet = |own: &str, other: &str| {
                isolated(&format!(
                    "import os, time\nopen({path:?} + '/{own}', 'w').close()\n\
                     while not os.path.exists({path:?} + '/{other}'): time.sleep(0.005)\n['mine' in globals(), os.getpid()]"
                ))
            };
            let (a, b) =
                tokio::join!(sessions.isolated(session, meet("a", "b")), sessions.isolated(session, meet("b", "a")));
            let (a, b) = (Told::from(a), Told::from(b));
            assert_eq!((&a.value()[0], &b.value()[0]), (&json!(false), &json!(false)));
            assert_ne!(a.value()[1], b.value()[1]);
            let handle = Told::from(sessions.isolated(session, isolated("object()")).await);
            assert_eq!(handle.problem().code, ErrorCode::NotRepresentable);
            let died = Told::from(sessions.isolated(session, isolated("import os; os._exit(3)")).await);
            assert_eq!(died.problem().death.as_ref().and_then(|death| death.exit_code), Some(3));
            let mut late = isolated("while True: pass");
            late.deadline = Some(Duration::from_millis(100));
            assert_eq!(Told::from(sessions.isolated(session, late).await).problem().code, ErrorCode::DeadlineExceeded);
            assert_eq!(eval(session, "mine").await.value(), &json!(1));
            let other = Request::new(Operation::Wrap, json!({ "value": 1 }).to_string());
            let refused = Told::from(sessions.isolated(session, other).await);
            assert_eq!(refused.problem().code, ErrorCode::InvalidRequest);
        },
    );
}

#[test]
fn cpu_time_limit_ends_the_call() {
    on_one_python(async |sessions| {
        let session = limited(sessions, Limits { cpu_ms: Some(200), ..Limits::default() }).await;
        eval(&session, "kept = 1").await;
        let told = eval(&session, "while True: pass").await;
        assert_eq!(
            (told.problem().code, told.problem().outcome),
            (ErrorCode::CpuTimeExceeded, Some(Outcome::StateKept))
        );
        assert_eq!(
            eval(&session, "import time; time.sleep(0.5); kept").await.value(),
            &json!(1),
            "sleeping costs nothing"
        );
    });
}

#[test]
fn memory_limit_is_enforced() {
    on_one_python(async |sessions| {
        let session = limited(sessions, Limits { memory_bytes: Some(200 << 20), ..Limits::default() }).await;
        let at_once = eval(&session, "bytearray(1 << 33)").await;
        assert_eq!(at_once.exception()["type"], "MemoryError");
        // More than it may have, and less than what makes Python raise a MemoryError by itself.
        let too_much = "import time\nkept = [bytearray(b'x') * (240 << 20)]\ntime.sleep(60)";
        let told = eval(&session, too_much).await;
        assert_eq!(
            (told.problem().code, told.problem().outcome),
            (ErrorCode::MemoryExceeded, Some(Outcome::StateKept))
        );
        let child = "import subprocess, sys\n\
            subprocess.run([sys.executable, '-c', 'x = bytearray(b\"x\") * (240 << 20); import time; time.sleep(60)'])";
        eval(&session, "kept = None").await.value();
        let told = eval(&session, child).await;
        assert_eq!(told.problem().code, ErrorCode::MemoryExceeded, "with what it started");
        assert_eq!(eval(&session, "1 + 1").await.value(), &json!(2));
    });
}

#[test]
fn call_that_goes_on_to_take_more_is_killed_before_its_grace_is_over() {
    on_one_python(async |sessions| {
        let limits = Limits { memory_bytes: Some(200 << 20), grace_ms: Some(3_600_000), ..Limits::default() };
        let session = limited(sessions, limits).await;
        // It takes the memory where it catches the interrupt, which may come at once.
        let goes_on = "def goes_on():\n    kept = None\n    while True:\n        try:\n            \
            kept = kept or bytearray(b'x') * (240 << 20)\n            while True: pass\n        except BaseException: pass\ngoes_on()";
        let told = eval(&session, goes_on).await;
        assert_eq!(
            (told.problem().code, told.problem().outcome),
            (ErrorCode::MemoryExceeded, Some(Outcome::StateLost))
        );
        let at = &told.problem().traceback;
        assert!(at.iter().any(|frame| frame.function == "goes_on"), "{at:?}");
    });
}

#[test]
fn process_limit_stops_a_fork_bomb() {
    on_one_python(async |sessions| {
        let session = limited(sessions, Limits { processes: Some(8), ..Limits::default() }).await;
        let bomb = "import os, time\nfor _ in range(12):\n    if os.fork() == 0:\n        time.sleep(60); os._exit(0)\ntime.sleep(60)";
        let told = eval(&session, bomb).await;
        assert_eq!(
            (told.problem().code, told.problem().outcome),
            (ErrorCode::TooManyProcesses, Some(Outcome::StateKept))
        );
        assert_eq!(eval(&session, "1 + 1").await.value(), &json!(2));
    });
}

#[test]
fn limits_apply_to_handles_results_output_and_queue() {
    on_one_python(async |sessions| {
        let limits = Limits {
            handles: Some(2),
            result_bytes: Some(100),
            output_bytes: Some(10),
            waiting: Some(1),
            ..Limits::default()
        };
        let session = limited(sessions, limits).await;
        for _ in 0..2 {
            eval(&session, "object()").await.object();
        }
        assert_eq!(eval(&session, "object()").await.problem().code, ErrorCode::TooManyHandles);
        assert_eq!(eval(&session, "'x' * 200").await.problem().code, ErrorCode::ResultTooLarge);
        let told = eval(&session, "print('x' * 20)").await;
        assert!(told.reply.output.stdout.starts_with("xxxxx\n[output cut here"), "{:?}", told.reply.output);
        let running = {
            let session = session.clone();
            tokio::spawn(async move { eval(&session, "import time; time.sleep(0.2)").await })
        };
        while session.info().calls == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(eval(&session, "1").await.problem().code, ErrorCode::QueueFull);
        running.await.expect("answered").value();
    });
}

#[test]
fn worker_death_is_explained() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        let crashed = eval(session, "import ctypes\ndef deep(): ctypes.string_at(0)\ndeep()").await;
        let death = crashed.problem().death.clone().expect("a death");
        assert_eq!((death.cause, death.signal_name.as_deref()), (Some(DeathCause::Crash), Some("SIGSEGV")));
        let fault = death.fault.clone().expect("where it was");
        assert!(fault.contains("Segmentation fault") && fault.contains("in deep"), "{fault}");
        // Each stack once, and nothing of ours.
        assert!(!fault.contains("beep_python"), "{fault}");
        assert_eq!((&*death.stderr_tail, &*crashed.reply.output.stderr), ("", ""));
        assert!(death.peak_memory_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(session.info().last_death, Some(*death));
        let exited = eval(session, "import os; os._exit(3)").await;
        assert_eq!(exited.problem().death.as_ref().and_then(|death| death.cause), Some(DeathCause::Exit));
        // Many threads in deep stacks make the report of a crash longer than what is kept of other output.
        let deep = "import ctypes, sys, threading\nready = threading.Barrier(31)\ndef down(n):\n    if n: return down(n - 1)\n    \
                    ready.wait(); threading.Event().wait()\nfor i in range(30): threading.Thread(target=down, args=(99,), daemon=True).start()\n\
                    ready.wait()\ndef crash(n):\n    if n: return crash(n - 1)\n    sys.stderr.write('native words\\n'); ctypes.string_at(0)\ncrash(50)";
        let death = eval(session, deep).await.problem().death.clone().expect("a death");
        let fault = death.fault.expect("where it was");
        assert!(fault.starts_with("Fatal Python error: Segmentation fault") && fault.contains("in crash"), "{fault}");
        assert_eq!(death.stderr_tail, "native words");
        let killed = eval(session, "import os; os.kill(os.getpid(), 9)").await;
        assert!(killed.problem().detail.contains("by whom is not known"), "{}", killed.problem().detail);
        assert_eq!(killed.problem().death.as_ref().and_then(|death| death.cause), Some(DeathCause::Killed));
    });
}

#[test]
fn crash_loop_backs_off_and_recovers() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        for _ in 0..5 {
            assert_eq!(eval(session, "import os; os._exit(1)").await.problem().code, ErrorCode::WorkerDied);
        }
        assert_eq!(eval(session, "1 + 1").await.value(), &json!(2));
        assert_eq!(session.info().epoch, 6);
    });
}

#[test]
fn signal_handlers_raise_only_in_calls() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        let set = "import signal\ndef late(*_): raise TimeoutError('late')\nsignal.signal(signal.SIGALRM, late)\n\
                   signal.getsignal(signal.SIGALRM) is late";
        assert_eq!(eval(session, set).await.value(), &json!(true));
        let inside = eval(session, "import time\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\ntime.sleep(60)").await;
        assert_eq!(inside.exception()["type"], "TimeoutError");
        eval(session, "signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)").await;
        for n in 0..200 {
            let told = eval(session, &n.to_string()).await;
            assert!(told.reply.epoch == 1, "the worker died");
        }
        eval(session, "signal.setitimer(signal.ITIMER_REAL, 0)").await;
    });
}

#[test]
fn event_loop_of_session_survives_asyncio_run() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        assert_eq!(eval(session, "import asyncio\nawait asyncio.sleep(0, 1)").await.value(), &json!(1));
        eval(session, "async def f(): return 2\nasyncio.run(f())").await;
        assert_eq!(eval(session, "asyncio.get_event_loop().is_closed()").await.value(), &json!(false));
    });
}

#[test]
fn busy_session_is_inspected_without_interrupting_it() {
    on_every_python(async |sessions| {
        let session = sessions.default_session().clone();
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("mark");
        let go_on = folder.path().join("go on");
        let code = format!(
            "import os, threading, time\ndef inner():\n    open({:?}, 'w').close()\n    \
             while not os.path.exists({:?}): pass\n    return 'went on'\n\
             threading.Thread(target=lambda: time.sleep(60), daemon=True).start()\ninner()",
            mark.to_str().expect("UTF-8"),
            go_on.to_str().expect("UTF-8"),
        );
        let busy = {
            let session = session.clone();
            tokio::spawn(async move { eval(&session, &code).await })
        };
        while !mark.exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        for _ in 0..3 {
            let threads = session.stacks().await;
            let main = threads.iter().find(|thread| thread.main).expect("the one that runs the call");
            let functions: Vec<_> = main.frames.iter().map(|frame| frame.function.as_str()).collect();
            assert!(functions.ends_with(&["inner", "<module>"]), "{threads:?}");
            assert_eq!(threads.len(), 2, "{threads:?}");
            assert!(session.info().running_for.is_some());
        }
        std::fs::write(&go_on, "").expect("written");
        assert_eq!(busy.await.expect("answered").value(), &json!("went on"));
        assert_eq!(session.info().running_for, None);
        assert_eq!(session.info().epoch, 1);
    });
}

#[test]
fn handles_list_type_repr_size_and_age() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        let hid = eval(session, "class Own:\n    def __repr__(self): 1/0\nOwn()").await.object()["handleId"].clone();
        eval(session, "iter({1, 2})").await.object();
        let list = eval(session, "__import__('beep_python').handles()").await;
        let list = list.value();
        assert_eq!((&list[0]["handleId"], &list[0]["typeName"]), (&hid, &json!("Own")));
        assert_eq!(list[0]["typeModule"], "__main__");
        assert!(list[1]["repr"].as_str().is_some_and(|repr| repr.starts_with("<set_iterator")), "{list}");
        assert_eq!(list.as_array().map(Vec::len), Some(2));
        assert!(list[1]["size"].as_u64() > Some(0) && list[1]["ageMs"].is_u64(), "{list}");
        send(session, Operation::Dispose, json!({ "handleId": hid })).await.object();
        let left = eval(session, "len(__import__('beep_python').handles())").await;
        assert_eq!(left.value(), &json!(1));
    });
}
