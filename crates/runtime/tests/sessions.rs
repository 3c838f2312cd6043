//! The session core as its users see it: real workers, on every Python of the machine.

#[path = "support/sessions.rs"]
#[allow(unreachable_pub)]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use beep_python_protocol::{Capabilities, ErrorCode, Operation, Outcome, SessionOptions, ValueForm};
use beep_python_runtime::session::{CallResult, Event, Request, Session, SessionManagerOptions};
use rustix::process::Pid;
use rustix::thread::{sched_getaffinity, sched_setaffinity};
use serde_json::{Value, json};
use support::{Told, eval, on_every_python, on_one_python, send, with_options};

/// Evaluates one thing after the other, in one session, and compares the values.
async fn expect(session: &Session, cases: &[(&str, Value)]) {
    for (code, wanted) in cases {
        let told = eval(session, code).await;
        assert_eq!(told.value(), wanted, "{code}");
    }
}

#[test]
fn code_is_evaluated_and_names_persist() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        expect(
            session,
            &[
                ("1+1", json!(2)),
                ("x = 20\ny = 1\nx * 2 + y", json!(41)),
                ("z = 1", json!(null)),
                ("x", json!(20)),
                ("    a = 5\n    a + 1\n", json!(6)),
                ("def f():\n    return x + 1\nf()", json!(21)),
                ("(1, [2.5, None], {'k': True})", json!([1, [2.5, null], { "k": true }])),
                ("float('nan')", json!("NaN")),
                ("__name__", json!("__main__")),
                ("import pickle\nclass C: pass\npickle.loads(pickle.dumps(C())).__class__ is C", json!(true)),
                ("import asyncio\nawait asyncio.sleep(0.001)\n'slept'", json!("slept")),
            ],
        )
        .await;
        let given = json!({ "expression": "[n * k for n in ns]", "locals": { "ns": [1, 2], "k": 3 } });
        assert_eq!(send(session, Operation::Evaluate, given).await.value(), &json!([3, 6]));
        assert_eq!(eval(session, "'k' in globals()").await.value(), &json!(false));
    });
}

#[test]
fn objects_are_held_and_used() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        let module = send(session, Operation::Import, json!({ "moduleName": "datetime" })).await;
        let again = send(session, Operation::Import, json!({ "moduleName": "datetime" })).await;
        assert_eq!(module.object()["handleId"], again.object()["handleId"]);
        let id = &module.object()["handleId"];
        let create = json!({ "moduleHandleId": id, "className": "date", "args": [2026, 2], "kwargs": { "day": 3 } });
        let date = send(session, Operation::Create, create).await;
        assert_eq!(date.object()["typeName"], "date");
        let date = &date.object()["handleId"];
        let call = json!({ "handleId": date, "methodName": "isoformat" });
        assert_eq!(send(session, Operation::Call, call).await.value(), "2026-02-03");
        let year = json!({ "handleId": date, "attributeName": "year" });
        assert_eq!(send(session, Operation::GetAttribute, year).await.value(), &json!(2026));
        let later = json!({ "handleId": date, "methodName": "replace", "kwargs": { "year": 2027 } });
        let later = send(session, Operation::Call, later).await;
        assert_eq!(later.value(), "2027-02-03");
        let later =
            json!({ "handleId": date, "methodName": "replace", "kwargs": { "year": 2027 }, "returnType": "handle" });
        let later = send(session, Operation::Call, later).await;
        let less =
            json!({ "handleId": date, "methodName": "__lt__", "args": [{ "$handle": later.object()["handleId"] }] });
        assert_eq!(send(session, Operation::Call, less).await.value(), &json!(true));

        let held = eval(session, "class Box: pass\nBox()").await.object()["handleId"].clone();
        let set = json!({ "handleId": held, "attributeName": "inside", "value": [1, 2] });
        assert_eq!(send(session, Operation::SetAttribute, set).await.object()["success"], true);
        let get = json!({ "handleId": held, "attributeName": "inside" });
        assert_eq!(send(session, Operation::GetAttribute, get).await.value(), &json!([1, 2]));
        let dispose = json!({ "handleId": held });
        assert_eq!(send(session, Operation::Dispose, dispose.clone()).await.object()["success"], true);
        assert_eq!(send(session, Operation::Dispose, dispose).await.problem().code, ErrorCode::UnknownHandle);

        let list = send(session, Operation::Wrap, json!({ "value": [] })).await;
        assert_eq!(list.object()["typeName"], "list");
        let length = json!({ "handleId": list.object()["handleId"], "methodName": "__len__" });
        assert_eq!(
            send(session, Operation::Call, length).await.value(),
            &json!(0),
            "an empty list is no missing handle"
        );
        for (name, there) in [("json", true), ("no_such_module", false), ("no.such.module", false), ("", false)] {
            let asked = send(session, Operation::ModuleAvailable, json!({ "moduleName": name })).await;
            assert_eq!(asked.object()["available"], there, "{name}");
        }
    });
}

#[test]
fn arrays_are_read_as_floats() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        let wrapped = send(session, Operation::Wrap, json!({ "value": [[1, 2.5], [3]] })).await;
        let held = json!({ "handleId": wrapped.object()["handleId"] });
        let rows = send(session, Operation::ToFloatArray2D, held.clone()).await;
        let words: Vec<u32> = [2, 2, 1].into_iter().chain([1.0f32, 2.5, 3.0].map(f32::to_bits)).collect();
        assert_eq!(rows.bytes(), words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>());
        let flat: Vec<u8> = [1.0f32, 2.5, 3.0].iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(send(session, Operation::ToFloatArray, held).await.bytes(), flat);
    });
}

#[test]
fn exceptions_are_described() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        let told = eval(
            session,
            "def broken():\n    {}['a']\ntry:\n    broken()\nexcept KeyError as e:\n    raise ValueError('no') from e",
        )
        .await;
        let exception = told.exception();
        assert_eq!((exception["type"].as_str(), exception["message"].as_str()), (Some("ValueError"), Some("no")));
        assert_eq!(exception["cause"]["type"], "KeyError");
        let frames = exception["cause"]["traceback"].as_array().expect("frames");
        assert_eq!(frames.last().expect("a frame")["function"], "broken");
        assert_eq!(frames.last().expect("a frame")["code"], "{}['a']");
        let syntax = eval(session, "x = 1\ny = = 2").await;
        let place = &syntax.exception()["syntax"];
        assert_eq!((place["line"].as_u64(), place["text"].as_str()), (Some(2), Some("y = = 2")));
        assert_eq!(place["caret"], "    ^");
        for (code, kind) in [
            ("def r(): return r()\nr()", "RecursionError"),
            ("import sys; sys.exit(3)", "SystemExit"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt"),
            ("assert False", "AssertionError"),
        ] {
            assert_eq!(eval(session, code).await.exception()["type"], kind);
        }
        let odd = "class Odd:\n    def __repr__(self): raise RuntimeError('never')\nOdd()";
        let odd = send(session, Operation::Evaluate, json!({ "expression": odd, "repr": true })).await;
        assert!(odd.object()["repr"].as_str().expect("text").contains("RuntimeError"));
        assert_eq!(eval(session, "1").await.reply.epoch, 1, "the worker lived through all of it");
    });
}

#[test]
fn output_comes_with_the_call_that_wrote_it() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        let code = "import subprocess, sys, os\nprint('one')\nsubprocess.run(['echo', 'two'])\nos.write(1, b'three\\n')\nprint('err', file=sys.stderr)\nprint('four', end='')";
        let told = eval(session, code).await;
        assert_eq!(told.reply.output.stdout, "one\ntwo\nthree\nfour");
        assert_eq!(told.reply.output.stderr, "err\n");
        assert_eq!(eval(session, "1").await.reply.output.stdout, "");
        // Sent ahead together, so that the worker runs one straight after the other.
        let calls: Vec<_> = (0..100)
            .map(|n| {
                let session = session.clone();
                tokio::spawn(async move {
                    let told = eval(&session, &format!("print({n}) if {n} % 3 else None")).await;
                    (n, told.reply.output.stdout)
                })
            })
            .collect();
        for call in calls {
            let (n, stdout) = call.await.expect("the call");
            assert_eq!(stdout, if n % 3 == 0 { String::new() } else { format!("{n}\n") });
        }
    });
}

#[test]
fn output_without_end_is_cut_and_marked() {
    on_one_python(async |sessions| {
        let told = eval(sessions.default_session(), "for _ in range(1000): print('x' * 100_000)").await;
        let stdout = &told.reply.output.stdout;
        assert!(stdout.len() < 1_100_000, "{} bytes were kept", stdout.len());
        let mark = format!("\n[output cut here: {} bytes left out]\n", told.reply.output.omitted_bytes);
        assert!(stdout.contains(&mark) && stdout.ends_with("x\n"), "the cut is marked, and the end is kept");
    });
}

#[test]
fn large_values_pass_both_ways() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        let text = "ä".repeat(5 << 20);
        let given = json!({ "expression": "(len(s), s)", "locals": { "s": text } });
        let told = send(session, Operation::Evaluate, given).await;
        assert_eq!(told.value()[0], 5 << 20);
        assert_eq!(told.value()[1].as_str().map(str::len), Some(text.len()));
    });
}

#[test]
fn a_worker_that_dies_is_explained_and_replaced() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        let held = eval(session, "object()").await.object()["handleId"].clone();
        for (n, (code, says)) in [
            ("import os; os._exit(3)", "exited with status 3"),
            ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
            ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
            ("import os; os.abort()", "SIGABRT"),
            ("import os; os.closerange(0, 1 << 16)", "link to the host broke"),
        ]
        .into_iter()
        .enumerate()
        {
            let told = eval(session, code).await;
            let problem = told.problem();
            assert_eq!(problem.code, ErrorCode::WorkerDied, "{code}");
            assert!(problem.detail.contains(says), "{code}: {}", problem.detail);
            assert_eq!(problem.started, Some(true));
            assert!(
                problem.death.as_ref().and_then(|death| death.peak_memory_bytes).is_some_and(|peak| peak > 1 << 20)
            );
            let next = eval(session, "'x' in globals()").await;
            assert_eq!((next.value(), next.reply.epoch), (&json!(false), n as u64 + 2));
        }
        let call = json!({ "handleId": held, "methodName": "__str__" });
        assert_eq!(send(session, Operation::Call, call).await.problem().code, ErrorCode::HandleLost);
    });
}

#[test]
fn the_last_words_of_a_worker_are_told() {
    on_one_python(async |sessions| {
        let told = eval(sessions.default_session(), "import ctypes; ctypes.string_at(0)").await;
        let death = told.problem().death.clone().expect("how it died");
        assert_eq!(death.signal, Some(11));
        let fault = death.fault.expect("with the stack");
        assert!(fault.contains("Segmentation fault") && fault.contains("string_at"), "{fault}");
    });
}

#[test]
fn calls_that_wait_behind_a_death_are_told_that_they_did_not_start() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        let dying = eval(session, "import os, sys; sys.stdin.read(); os._exit(1)");
        let waiting = eval(session, "1");
        let (dying, waiting) = tokio::join!(dying, waiting);
        assert_eq!(dying.problem().started, Some(true));
        assert_eq!((waiting.problem().code, waiting.problem().started), (ErrorCode::WorkerDied, Some(false)));
    });
}

async fn eval_within(session: &beep_python_runtime::session::Session, code: &str, ms: u64, grace: Option<u64>) -> Told {
    let body = json!({ "expression": code }).to_string();
    let mut request = Request::new(Operation::Evaluate, body);
    request.deadline = Some(Duration::from_millis(ms));
    request.grace = grace.map(Duration::from_millis);
    Told::from(session.call(request).await)
}

/// Evaluates code that never ends and prints when it has come so far that its time may pass. Where that passed before, for
/// the machine had other things to do, it gets twice as much.
async fn eval_until_its_time_is_over(session: &Session, code: &str, grace: Option<u64>) -> Told {
    let mut ms = 100;
    loop {
        let told = eval_within(session, code, ms, grace).await;
        if !told.reply.output.stdout.is_empty() || ms > 20_000 {
            return told;
        }
        ms *= 2;
    }
}

/// Code that prints this and takes no notice of two interrupts, wherever they come once it has printed.
fn stubborn(printed: &str) -> String {
    format!(
        "import time\nwhile True:\n  try:\n    while True:\n      try: print({printed}); time.sleep(1000)\n      \
         except KeyboardInterrupt: pass\n  except KeyboardInterrupt: pass"
    )
}

#[test]
fn a_deadline_interrupts_and_keeps_the_state() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        eval(session, "kept = 1").await;
        for code in [
            "print('runs')\nwhile True: pass",
            "import time; print('runs'); time.sleep(1000)",
            "import asyncio; print('runs'); await asyncio.sleep(1000)",
            "async def spin():\n    print('runs')\n    while True: pass\nawait spin()",
        ] {
            let told = eval_until_its_time_is_over(session, code, None).await;
            assert_eq!(told.problem().code, ErrorCode::DeadlineExceeded, "{code}");
            assert_eq!(told.problem().outcome, Some(Outcome::StateKept), "{code}");
            assert_eq!(eval(session, "kept").await.value(), &json!(1), "{code}");
        }
    });
}

#[test]
fn code_that_will_not_stop_is_killed_with_what_it_started() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        let code = format!("import subprocess\nchild = subprocess.Popen(['sleep', '1000'])\n{}", stubborn("child.pid"));
        let told = eval_until_its_time_is_over(session, &code, Some(100)).await;
        assert_eq!(told.problem().code, ErrorCode::DeadlineExceeded);
        assert_eq!(told.problem().outcome, Some(Outcome::StateLost));
        let printed = told.reply.output.stdout.lines().next().expect("the child's id").to_owned();
        let child: u32 = printed.parse().expect("the child's id");
        support::gone(child).await;
        let next = eval(session, "1").await;
        assert_eq!((next.value(), next.reply.epoch), (&json!(1), told.reply.epoch + 1));
    });
}

#[test]
fn no_grace_kills_at_once() {
    on_one_python(async |sessions| {
        let code = "print('runs')\nwhile True: pass";
        let told = eval_until_its_time_is_over(sessions.default_session(), code, Some(0)).await;
        assert_eq!(told.problem().outcome, Some(Outcome::StateLost));
    });
}

#[test]
fn a_call_whose_time_passes_while_it_waits_never_runs() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        let folder = tempfile::tempdir().expect("a folder");
        let go_on = folder.path().join("go on");
        let code = format!("import os, time\nwhile not os.path.exists({go_on:?}): time.sleep(0.005)\n'long'");
        let late = async {
            let late = eval_within(session, "ran = True", 50, None).await;
            std::fs::write(&go_on, "").expect("written");
            late
        };
        let (long, late) = tokio::join!(eval(session, &code), late);
        assert_eq!(long.value(), "long");
        assert_eq!(late.problem().outcome, Some(Outcome::NotStarted));
        assert_eq!(late.problem().started, Some(false));
        assert_eq!(eval(session, "'ran' in globals()").await.value(), &json!(false));
    });
}

#[test]
fn an_interrupt_that_comes_late_hits_nobody_else() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        for n in 0..300 {
            let racing = eval_within(session, "import time; time.sleep(0.002); 'done'", 2, None);
            let behind = eval(session, "sum(range(2000))");
            let (racing, behind) = tokio::join!(racing, behind);
            assert_eq!(behind.value(), &json!(1_999_000), "round {n}");
            if let CallResult::Problem(problem) = &racing.reply.result {
                assert_eq!(problem.code, ErrorCode::DeadlineExceeded);
                assert_ne!(problem.outcome, Some(Outcome::StateLost), "round {n}");
            }
        }
        assert_eq!(eval(session, "1").await.reply.epoch, 1, "no worker died");
    });
}

#[test]
fn code_that_forks_is_answered_once() {
    on_every_python(async |sessions| {
        let session = sessions.default_session();
        let parent = eval(session, "import os; os.getpid()").await.value().clone();
        let told = eval(session, "pid = os.fork()\nif pid: os.waitpid(pid, 0)\nos.getpid()").await;
        assert_eq!(told.value(), &parent);
        let code = "import multiprocessing as mp\ncontext = mp.get_context('fork')\ndef work(queue): queue.put(6 * 7)\nqueue = context.SimpleQueue()\nprocess = context.Process(target=work, args=(queue,))\nprocess.start()\nprocess.join()\nqueue.get()";
        assert_eq!(eval(session, code).await.value(), &json!(42));
        assert_eq!(eval(session, "1").await.reply.epoch, 1);
    });
}

#[test]
fn what_a_dead_worker_started_ends_too() {
    on_one_python(async |sessions| {
        let code =
            "import subprocess\nprint(subprocess.Popen(['sleep', '1000']).pid, flush=True)\nimport os; os._exit(1)";
        let told = eval(sessions.default_session(), code).await;
        support::gone(told.reply.output.stdout.trim().parse().expect("the child's id")).await;
    });
}

#[test]
fn daemons_that_left_the_process_session_end_too() {
    on_every_python(async |sessions| {
        let start = "import subprocess, sys\ncode = \"import subprocess; print(subprocess.Popen(['sleep', '1000'], start_new_session=True, stdout=-3, stderr=-3).pid)\"\ndaemon = int(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout)\n";
        for end in ["print(daemon)\nimport os; os._exit(1)", &stubborn("daemon")] {
            let code = format!("{start}{end}");
            let told = eval_until_its_time_is_over(sessions.default_session(), &code, Some(100)).await;
            let printed = told.reply.output.stdout.lines().next().expect("the daemon's id").to_owned();
            support::gone(printed.parse().expect("the daemon's id")).await;
        }
    });
}

#[test]
fn a_worker_that_is_stuck_outside_of_any_call_is_replaced() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        // The task begins to spin when the session is idle: no call runs that could be interrupted.
        let folder = tempfile::tempdir().expect("a folder");
        let [go_on, spins] = ["go on", "spins"].map(|name| folder.path().join(name));
        let code = format!(
            "import asyncio, os\nasync def spin():\n    \
             while not os.path.exists({go_on:?}): await asyncio.sleep(0.005)\n    \
             open({spins:?}, 'w').close()\n    while True: pass\n\
             asyncio.ensure_future(spin())\nawait asyncio.sleep(0)"
        );
        eval(session, &code).await;
        std::fs::write(&go_on, "").expect("written");
        while !spins.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let waiting = eval_within(session, "1", 100, Some(100)).await;
        assert_eq!(waiting.problem().outcome, Some(Outcome::NotStarted));
        let mut again = eval(session, "2").await;
        while let CallResult::Problem(problem) = &again.reply.result {
            assert_eq!((problem.code, problem.started), (ErrorCode::SessionRestarted, Some(false)));
            again = eval(session, "2").await; // it came before the worker was gone
        }
        assert_eq!(again.value(), &json!(2), "the session has a new worker");
        assert_eq!(again.reply.epoch, 2);
    });
}

#[test]
fn a_worker_that_is_stopped_for_a_while_keeps_its_state() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        eval(session, "kept = 1").await;
        let pid = Pid::from_raw(session.info().pid.expect("a worker")).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("stopped");
        let waiting = eval_within(session, "kept = 2", 50, Some(50)).await;
        assert_eq!(waiting.problem().outcome, Some(Outcome::NotStarted));
        tokio::time::sleep(Duration::from_millis(300)).await; // its grace is over
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("it is there");
        assert_eq!(eval(session, "kept").await.value(), &json!(1));
    });
}

#[test]
fn a_worker_that_a_thread_kept_from_starting_calls_is_replaced_and_the_next_call_is_told() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        // The thread holds the interpreter's lock.
        let hold = "import ctypes, threading, time\nc = ctypes.PyDLL(None)\n\
                    threading.Thread(target=lambda: (time.sleep(0.1), print('holds', flush=True), c.sleep(60)), daemon=True).start()";
        eval(session, hold).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let waiting = eval_within(session, "1", 100, Some(100)).await;
        assert_eq!(waiting.problem().outcome, Some(Outcome::NotStarted));
        while session.epoch() == 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let told = eval(session, "2").await;
        assert_eq!((told.problem().code, told.problem().started), (ErrorCode::SessionRestarted, Some(false)));
        assert_eq!(eval(session, "3").await.value(), &json!(3));
    });
}

#[test]
fn a_background_thread_that_prints_for_ever_harms_nobody() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        let code = "import os, threading\ndef flood():\n    while True: os.write(1, b'x' * 65536)\nthreading.Thread(target=flood, daemon=True).start()";
        eval(session, code).await;
        for n in 0..20 {
            assert_eq!(eval(session, &n.to_string()).await.value(), &json!(n));
        }
    });
}

#[test]
fn sessions_are_apart_and_outlive_their_zygote() {
    on_one_python(async |sessions| {
        let one = sessions.create(Default::default()).await.expect("a session");
        let two = sessions.create(Default::default()).await.expect("a session");
        eval(&one, "name = 'one'").await;
        assert_eq!(eval(&two, "'name' in globals()").await.value(), &json!(false));
        let held = eval(&one, "object()").await.object()["handleId"].clone();
        let foreign = json!({ "handleId": held, "methodName": "__str__" });
        assert_eq!(send(&two, Operation::Call, foreign).await.problem().code, ErrorCode::UnknownHandle);
        let zygote = eval(&one, "import os; os.getppid()").await.value().as_i64().expect("a process id");
        support::kill(zygote);
        support::gone(zygote as u32).await;
        assert_eq!(eval(&one, "name").await.value(), "one");
        let three = sessions.create(Default::default()).await.expect("a new zygote is started");
        assert_ne!(eval(&three, "import os; os.getppid()").await.value().as_i64(), Some(zygote));
        sessions.delete(three.id()).await.expect("deleted");
        assert_eq!(sessions.get(three.id()).expect_err("gone").code, ErrorCode::UnknownSession);
        assert_eq!(eval(&three, "1").await.problem().code, ErrorCode::ShuttingDown);
    });
}

#[test]
fn a_zygote_is_replaced_though_nobody_has_noticed_its_end_yet() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        let zygote = eval(session, "import os; os.getppid()").await.value().as_i64().expect("a process id");
        support::kill(zygote);
        // Without an await, nothing else goes on here.
        while support::is_there(zygote as u32) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let other = sessions.create(SessionOptions::default()).await.expect("a new zygote is started");
        assert_ne!(eval(&other, "import os; os.getppid()").await.value().as_i64(), Some(zygote));
    });
}

#[test]
fn closing_lets_calls_finish() {
    on_one_python(async |sessions| {
        let session = sessions.create(Default::default()).await.expect("a session");
        let pid = session.info().pid.expect("its worker");
        let under_way = tokio::spawn({
            let session = session.clone();
            async move { eval(&session, "import time; time.sleep(0.3); 'finished'").await.value().clone() }
        });
        tokio::task::yield_now().await;
        session.close(Duration::from_secs(5)).await;
        assert_eq!(under_way.await.expect("the call"), "finished");
        support::gone(pid as u32).await;
    });
}

#[test]
fn closing_lets_an_open_stream_finish() {
    on_one_python(async |sessions| {
        let session = sessions.create(Default::default()).await.expect("a session");
        let body = json!({ "expression": "('x' * 600_000 for _ in range(7))" }).to_string();
        let mut stream = session.subscribe(Request::new(Operation::Stream, body), Capabilities::NONE);
        assert!(matches!(stream.next().await, Some(Event::Item(_))));
        let closing = tokio::spawn({
            let session = session.clone();
            async move { session.close(Duration::from_secs(60)).await }
        });
        while !matches!(&eval(&session, "1").await.reply.result, CallResult::Problem(told) if told.code == ErrorCode::ShuttingDown)
        {
        }
        let mut items = 1;
        while let Some(event) = stream.next().await {
            match event {
                Event::Item(_) => items += 1,
                Event::Response(response) => assert_eq!(Told::from(*response).object()["count"], 7),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(items, 7);
        closing.await.expect("closed");
    });
}

#[test]
fn lines_that_are_kept_together_stay_so_with_others_that_wait() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        let mut followed = session.events(None, Capabilities::NONE, ValueForm::Plain).expect("followed");
        let follower = tokio::spawn(async move { while followed.next().await.is_some() {} });
        let subscribe = |code: &str| {
            let body = json!({ "expression": code }).to_string();
            session.subscribe(Request::new(Operation::Execute, body), Capabilities::NONE)
        };
        let lines = "def written(): return int(open('/proc/self/io').read().split('syscw: ')[1].split()[0])\n\
            before = written()\nfor i in range(1_000_000): print(i)\nwritten() - before";
        let (mut prints, mut behind) = (subscribe(lines), subscribe("1"));
        let waits = tokio::spawn(async move { while behind.next().await.is_some() {} });
        let mut result = None;
        while let Some(event) = prints.next().await {
            if let Event::Response(response) = event {
                result = Some(Told::from(*response));
            }
        }
        let writes = result.expect("answered").value().as_u64().expect("a number");
        // Some thousand lines one by one, and again after each pause of a busy machine; then pieces of 8 KiB.
        assert!(writes < 50_000, "{writes} writes");
        waits.await.expect("answered");
        follower.abort();
    });
}

#[test]
fn modules_that_leave_threads_make_workers_spawned() {
    let folder = tempfile::tempdir().expect("a folder");
    let module =
        "import threading\nstop = threading.Event()\nthreading.Thread(target=stop.wait, daemon=True).start()\n";
    std::fs::write(folder.path().join("leaves_a_thread.py"), module).expect("written");
    with_options(
        |options| {
            options.preload = vec!["leaves_a_thread".into(), "no_such_module".into()];
            options.directory = Some(folder.path().to_owned());
        },
        async |sessions| {
            let session = sessions.default_session();
            let code = "import sys, threading\n('leaves_a_thread' in sys.modules, threading.active_count())";
            assert_eq!(eval(session, code).await.value(), &json!([true, 2]), "each worker has a thread of its own");
            assert_eq!(eval(session, "import os; os._exit(1)").await.problem().code, ErrorCode::WorkerDied);
            assert_eq!(eval(session, "6 * 7").await.value(), &json!(42));
        },
    );
}

/// A virtual environment of this Python. Returns its interpreter, and where its packages are.
fn virtual_environment(python: &Path, folder: &Path) -> (PathBuf, PathBuf) {
    let code = "import sys, venv, sysconfig\nvenv.create(sys.argv[1], symlinks=True)\n\
                print(sysconfig.get_path('purelib', vars={'base': sys.argv[1]}))";
    let ran = Command::new(python).args(["-c", code]).arg(folder).output().expect("ran");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    (folder.join("bin/python"), PathBuf::from(String::from_utf8(ran.stdout).expect("UTF-8").trim()))
}

#[test]
fn session_that_starts_gets_what_its_environment_holds() {
    let pythons = support::pythons();
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("environment");
    let (python, packages) = virtual_environment(pythons.last().expect("a Python"), &place);
    let write = |name: &str, text: &str| {
        std::fs::write(packages.join("new"), text).expect("written");
        std::fs::rename(packages.join("new"), packages.join(name)).expect("in place");
    };
    write("preloaded.py", "value = 1");
    std::fs::write(folder.path().join("editable.py"), "").expect("written");
    let change = |options: &mut SessionManagerOptions| {
        options.preload = vec!["preloaded".into()];
        options.python = python.clone();
    };
    with_options(change, async |sessions| {
        let create = async || sessions.create(SessionOptions::default()).await;
        let value = async |session: &Session| {
            eval(session, "import preloaded\npreloaded.value").await.value().as_i64().expect("a number")
        };
        let first = create().await.expect("a session");
        assert_eq!(value(&first).await, 1);
        write("preloaded.py", "value = 22");
        let second = create().await.expect("a session");
        assert_eq!((value(&first).await, value(&second).await), (1, 22), "a session keeps what it has");
        assert_eq!(eval(&second, "import editable").await.exception()["type"], "ModuleNotFoundError");
        first.restart().await.expect("restarted");
        assert_eq!(value(&first).await, 22);
        write("__editable__.pth", &folder.path().display().to_string());
        let third = create().await.expect("a session");
        eval(&third, "import editable").await.value();
        eval(&second, "import os; os._exit(1)").await.problem();
        eval(&second, "import editable").await.value();
        let version = "import sys\nlist(sys.version_info[:2])";
        let before = eval(&third, version).await.value().clone();
        std::fs::remove_dir_all(&place).expect("removed");
        let told = create().await.expect_err("no Python").detail;
        assert!(told.contains("cannot start"), "{told}");
        virtual_environment(&pythons[0], &place);
        let other = create().await.expect("a session");
        assert_eq!(eval(&third, version).await.value(), &before);
        assert_eq!(eval(&other, version).await.value() == &before, pythons.len() == 1);
    });
}

#[test]
fn bad_requests_are_refused_by_name() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        for (operation, body, says) in [
            (Operation::Evaluate, json!({}), "'expression' must be a string"),
            (Operation::Evaluate, json!({ "expression": 5 }), "a number"),
            (Operation::Evaluate, json!({ "expression": "1", "locals": [] }), "'locals' must be an object"),
            (Operation::Call, json!({ "handleId": "d.1.1" }), "no object"),
            (Operation::Create, json!({ "moduleHandleId": 7 }), "'moduleHandleId' must be a string"),
            (Operation::Dispose, json!({ "handleIds": "x" }), "'handleIds' must be an array"),
            (Operation::Import, json!({ "moduleName": "" }), "must not be empty"),
            (Operation::Wrap, json!({ "value": { "$handle": "d.1.99" } }), "d.1.99"),
        ] {
            let told = send(session, operation, body.clone()).await;
            assert!(told.problem().detail.contains(says), "{body}: {}", told.problem().detail);
        }
        let missing = send(session, Operation::Import, json!({ "moduleName": "no_such_module" })).await;
        assert_eq!(missing.exception()["type"], "ModuleNotFoundError");
    });
}

/// Whether the host ever let this worker wake up beside it; only the worker itself knows.
const WAS_DRAWN: &str = "
import sys
frame = sys._getframe()
while frame.f_code.co_name != 'serve':
    frame = frame.f_back
frame.f_locals['self'].affinity.bits != b''
";

/// Makes one call after the other until the worker was drawn near; fails where that does not come about.
async fn until_drawn(session: &Session) {
    let began = Instant::now();
    while eval(session, WAS_DRAWN).await.value() != true {
        assert!(began.elapsed() < Duration::from_secs(30), "calls that follow each other at once are drawn near");
    }
}

/// Whether a process can have another one wake up elsewhere here.
async fn can_be_drawn(session: &Session) -> bool {
    let pid = session.info().pid.and_then(Pid::from_raw);
    let cpus = sched_getaffinity(pid).expect("its CPUs");
    let can = cpus.count() > 1 && sched_setaffinity(pid, &cpus).is_ok();
    if !can {
        println!("skipped: there is one CPU only, or others cannot be moved");
    }
    can
}

#[test]
fn code_has_all_cpus_wherever_its_worker_woke_up() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        if !can_be_drawn(session).await {
            return;
        }
        let cpus = "import os\nsorted(os.sched_getaffinity(0))";
        let all = eval(session, cpus).await.value().clone();
        until_drawn(session).await;
        for _ in 0..1000 {
            assert_eq!(*eval(session, cpus).await.value(), all);
        }
        eval(session, "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})").await;
        for _ in 0..100 {
            assert_eq!(*eval(session, cpus).await.value(), json!([all[0]]), "what the code chose itself");
        }
    });
}

#[test]
fn calls_that_ended_badly_are_no_longer_under_way() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        if !can_be_drawn(session).await {
            return;
        }
        let died = async || drop(eval(session, "import os\nos._exit(1)").await);
        let behind_a_death = async || {
            tokio::join!(eval(session, "import os\nos._exit(1)"), eval(session, "1"), eval(session, "2"));
        };
        let out_of_time = async || {
            let request = Request::new(Operation::Evaluate, json!({ "expression": "while True: pass" }).to_string());
            session.call(Request { deadline: Some(Duration::from_millis(20)), ..request }).await;
        };
        let closed = async || {
            let other = sessions.create(SessionOptions::default()).await.expect("a session");
            let call = tokio::spawn({
                let other = other.clone();
                async move { drop(eval(&other, "import time\ntime.sleep(1000)").await) }
            });
            other.restart().await.expect("restarted");
            call.await.expect("it ended");
            sessions.delete(other.id()).await.expect("deleted");
        };
        // Only a call that is the only one under way draws its worker near.
        died().await;
        until_drawn(session).await;
        behind_a_death().await;
        until_drawn(session).await;
        out_of_time().await;
        died().await;
        until_drawn(session).await;
        closed().await;
        died().await;
        until_drawn(session).await;
    });
}

#[test]
fn a_host_with_other_things_to_do_draws_no_worker_near() {
    with_options(
        |options| options.dedicated_thread = false,
        async |sessions| {
            for _ in 0..100 {
                assert_eq!(eval(sessions.default_session(), WAS_DRAWN).await.value(), false);
            }
        },
    );
}
