//! A session that ends while code runs: the code is interrupted, and what a program does at its end is done when that is told.

use std::path::Path;
use std::time::Duration;

use beep_python_client::{
    AnyBackend, CancelOutcome, Error, ErrorCode, InterruptRequest, Limits, SessionEvent, SessionOptions,
};
use beep_python_protocol::{Outcome, Problem};
use futures_util::StreamExt;

use crate::test_context::{Case, TestContext, cases};

pub const CASES: &[Case] = cases![
    deleting_a_busy_session_interrupts_it,
    restarting_a_busy_session_interrupts_it,
    code_that_does_not_stop_is_killed_with_its_session,
    an_isolated_call_is_answered_when_its_files_are_written,
    the_end_of_a_session_may_take_its_drain,
    an_interrupt_reaches_what_the_end_of_a_session_waits_for,
];

/// Until it ends, a session with so much time for a call to stop.
async fn session(context: &TestContext, grace_ms: u64) -> (AnyBackend, String) {
    let limits = Limits { grace_ms: Some(grace_ms), ..Limits::default() };
    let options = SessionOptions { limits, ..SessionOptions::default() };
    let session = context.python.create_session_with(&options).await.expect("a session");
    (context.stranger().with_session(&session), session)
}

/// Code that says in `folder` when it runs, when it was interrupted, and when its program ends.
fn busy(folder: &Path) -> String {
    format!(
        "import atexit, os, time\nos.chdir({folder:?})\ndef write(name):\n    open(name, 'w').close()\n\
         atexit.register(write, 'ended')\ntext = open('text', 'w')\ntext.write('written')\n\
         try:\n    write('runs')\n    while True: time.sleep(0.01)\nfinally: write('interrupted')",
        folder = folder.to_str().expect("UTF-8")
    )
}

async fn runs(folder: &Path) {
    while !folder.join("runs").exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn problem<T: std::fmt::Debug>(told: Result<T, Error>) -> Problem {
    match told {
        Err(Error::Host(problem)) => *problem,
        other => panic!("no problem: {other:?}"),
    }
}

fn has_ended_well(folder: &Path) {
    for name in ["interrupted", "ended"] {
        assert!(folder.join(name).exists(), "{name}");
    }
    assert_eq!(std::fs::read_to_string(folder.join("text")).expect("a file"), "written");
}

/// A call that runs, and one that waits behind it, while `end` ends the session. Returns what both are told.
async fn ended_while_busy(
    (python, session): (&AnyBackend, &str),
    folder: &Path,
    end: impl Future<Output = ()>,
) -> (Problem, Problem) {
    let code = busy(folder);
    let ending = async {
        runs(folder).await;
        let ending = async {
            while python.get_session(session).await.expect("known").calls < 2 {}
            end.await;
        };
        tokio::join!(python.evaluate::<()>("waited = 1"), ending).0
    };
    let (running, waiting) = tokio::join!(python.evaluate::<()>(&code), ending);
    (problem(running), problem(waiting))
}

async fn deleting_a_busy_session_interrupts_it(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let (python, session) = session(context, 20_000).await;
    let (running, waiting) = ended_while_busy((&python, &session), folder.path(), async {
        context.python.delete_session(&session).await.expect("ended");
        has_ended_well(folder.path());
    })
    .await;
    assert_eq!((running.code, running.started), (ErrorCode::ShuttingDown, Some(true)), "{running:?}");
    assert_eq!(running.exception.expect("what ended it").kind, "KeyboardInterrupt");
    assert_eq!((waiting.code, waiting.started), (ErrorCode::ShuttingDown, Some(false)), "{waiting:?}");
}

async fn restarting_a_busy_session_interrupts_it(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let (python, session) = session(context, 20_000).await;
    let (running, waiting) = ended_while_busy((&python, &session), folder.path(), async {
        assert_eq!(context.python.restart_session(&session).await.expect("restarted"), 2);
        has_ended_well(folder.path());
    })
    .await;
    assert_eq!((running.code, running.started), (ErrorCode::SessionRestarted, Some(true)), "{running:?}");
    assert_eq!(running.exception.expect("what ended it").kind, "KeyboardInterrupt");
    assert_eq!((waiting.code, waiting.started), (ErrorCode::SessionRestarted, Some(false)), "{waiting:?}");
    assert!(!python.evaluate::<bool>("'waited' in globals()").await.expect("it goes on"));
    context.python.delete_session(&session).await.expect("ended");
}

async fn code_that_does_not_stop_is_killed_with_its_session(context: &TestContext) {
    for restart in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let (python, session) = session(context, 100).await;
        let deaf = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n";
        let deaf = format!("{deaf}{}", busy(folder.path()));
        let ending = async {
            runs(folder.path()).await;
            match restart {
                true => assert_eq!(context.python.restart_session(&session).await.expect("restarted"), 2),
                false => context.python.delete_session(&session).await.expect("ended"),
            }
        };
        let (told, ()) = tokio::join!(python.evaluate::<()>(&deaf), ending);
        let told = problem(told);
        let code = if restart { ErrorCode::SessionRestarted } else { ErrorCode::ShuttingDown };
        assert_eq!((told.code, told.started), (code, Some(true)), "{told:?}");
        assert!(told.death.is_some() && told.outcome != Some(Outcome::StateKept), "{told:?}");
        if restart {
            assert_eq!(python.evaluate::<i64>("1 + 1").await.expect("it goes on"), 2);
            context.python.delete_session(&session).await.expect("ended");
        }
    }
}

async fn an_isolated_call_is_answered_when_its_files_are_written(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let code = format!(
        "import atexit, os\nos.chdir({:?})\ntext = open('text', 'w')\ntext.write('written')\n\
         atexit.register(lambda: open('ended', 'w').close())\n7",
        folder.path().to_str().expect("UTF-8")
    );
    assert_eq!(context.python.with_isolation().evaluate::<i64>(&code).await.expect("a result"), 7);
    assert!(folder.path().join("ended").exists());
    assert_eq!(std::fs::read_to_string(folder.path().join("text")).expect("a file"), "written");
}

/// The server's own would be 5 s.
async fn the_end_of_a_session_may_take_its_drain(context: &TestContext) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = SessionOptions { drain_ms: Some(300), ..SessionOptions::default() };
    let session = context.python.create_session_with(&options).await.expect("a session");
    let mut events = context.python.session_events(&session).await.expect("followed");
    let code = format!(
        "import threading\nthreading.Thread(target=threading.Event().wait).start()\n\
         import atexit; atexit.register(lambda: open({:?}, 'w')); None",
        folder.path().join("ended").to_str().expect("UTF-8")
    );
    context.python.with_session(&session).evaluate::<()>(&code).await.expect("a thread");
    context.python.delete_session(&session).await.expect("ended");
    let mut told = String::new();
    while let Some(Ok(event)) = events.next().await {
        if let SessionEvent::Stderr(text) = event {
            told.push_str(&text);
        }
    }
    assert!(told.contains("the end of the session took longer than it may"), "{told}");
    assert!(!folder.path().join("ended").exists());
}

/// As Ctrl-C does at the end of a program: a thread is waited for no longer, and functions of `atexit` run.
async fn an_interrupt_reaches_what_the_end_of_a_session_waits_for(context: &TestContext) {
    let options = SessionOptions { drain_ms: Some(60_000), ..SessionOptions::default() };
    let session = context.python.create_session_with(&options).await.expect("a session");
    let mut events = context.python.session_events(&session).await.expect("followed");
    let code = "import atexit, sys, threading, time\n\
                atexit.register(print, 'at exit')\n\
                def wait():\n    print('waiting', flush=True)\n    while True: time.sleep(0.01)\n\
                atexit.register(wait)\n\
                main = threading.main_thread().ident\n\
                def names(frame):\n    while frame: yield frame.f_code.co_name; frame = frame.f_back\n\
                def work():\n    while '_shutdown' not in names(sys._current_frames()[main]): time.sleep(0.01)\n    print('joined', flush=True); stop.wait()\n\
                stop = threading.Event()\n\
                threading.Thread(target=work).start()";
    context.python.with_session(&session).evaluate::<()>(code).await.expect("a thread");
    let once = InterruptRequest { once: true, ..InterruptRequest::default() };
    let (mut shown, mut interrupts) = (String::new(), 0);
    let follow = async {
        while let Some(Ok(event)) = events.next().await {
            let SessionEvent::Stdout(text) = event else { continue };
            shown.push_str(&text);
            if text.contains("joined") || text.contains("waiting") {
                interrupts += 1;
                let answer = context.stranger().interrupt_session(&session, &once).await.expect("known until it ends");
                assert_eq!(answer.outcome, CancelOutcome::Interrupted);
            }
        }
    };
    let (ended, ()) = tokio::join!(context.python.delete_session(&session), follow);
    ended.expect("ended");
    assert_eq!((shown.as_str(), interrupts), ("joined\nwaiting\nat exit\n", 2));
    assert!(context.python.interrupt_session(&session, &once).await.is_err(), "it has ended");
}
