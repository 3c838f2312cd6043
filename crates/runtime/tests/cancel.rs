//! Calls are cancelled by name, from elsewhere, and what became of them is told apart.

#[path = "support/sessions.rs"]
#[allow(unreachable_pub, dead_code)]
mod support;

use std::time::Duration;

use beep_python_protocol::message::CancelOutcome;
use beep_python_protocol::{ErrorCode, Operation, Outcome};
use beep_python_runtime::session::{CallResult, Request, RequestId, Session, SessionManager};
use serde_json::json;
use support::{Told, eval, on_every_python, on_one_python};
use tokio::io::AsyncReadExt;

fn name(id: &str) -> RequestId {
    RequestId::new(id.to_owned())
}

/// Starts a call of this name on a task of its own.
fn start(session: &Session, id: &str, code: &str, grace: Option<Duration>) -> tokio::task::JoinHandle<Told> {
    let mut request = Request::new(Operation::Evaluate, json!({ "expression": code }).to_string());
    (request.request_id, request.grace) = (Some(name(id)), grace);
    let session = session.clone();
    tokio::spawn(async move { Told::from(session.call(request).await) })
}

/// Returns when the call that was sent writes its mark: then it runs.
async fn marked(file: &std::path::Path) {
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    std::fs::remove_file(file).expect("removed");
}

async fn cancel(sessions: &SessionManager, id: &str) -> CancelOutcome {
    sessions.cancel(&name(id), None).await
}

#[test]
fn outcomes_are_told_apart_to_both_sides() {
    on_every_python(async |sessions| {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("mark");
        let runs = |rest: &str| format!("open({mark:?}, 'w').close()\n{rest}", mark = mark.to_str().expect("UTF-8"));
        let session = sessions.default_session();
        assert_eq!(cancel(sessions, "nobody").await, CancelOutcome::NotFound);

        // What it keeps comes before the mark: after that it may be interrupted at once.
        let running = start(session, "a", &format!("kept = 1\n{}", runs("while True: pass")), None);
        marked(&mark).await;
        let waiting = start(session, "b", "started = 1", None);
        tokio::task::yield_now().await;
        assert_eq!(cancel(sessions, "b").await, CancelOutcome::NotStarted);
        assert_eq!(waiting.await.expect("told").problem().outcome, Some(Outcome::NotStarted));
        assert_eq!(cancel(sessions, "a").await, CancelOutcome::StateKept);
        let told = running.await.expect("told");
        assert_eq!((told.problem().code, told.problem().outcome), (ErrorCode::Cancelled, Some(Outcome::StateKept)));
        assert_eq!(eval(session, "kept, 'started' in globals()").await.value(), &json!([1, false]));

        let catches = |code: &str, then: &str| {
            format!(
                "while True:\n    try:\n        {}\n    except KeyboardInterrupt: {then}",
                code.replace('\n', "\n        ")
            )
        };
        // It is interrupted twice; the second may come while it is about to forget the first.
        let stubborn = catches(&catches(&runs("while True: pass"), "pass"), "pass");
        let running = start(session, "c", &stubborn, Some(Duration::from_millis(100)));
        marked(&mark).await;
        assert_eq!(cancel(sessions, "c").await, CancelOutcome::StateLost);
        let told = running.await.expect("told");
        assert_eq!((told.problem().code, told.problem().outcome), (ErrorCode::Cancelled, Some(Outcome::StateLost)));
        assert_eq!(eval(session, "'kept' in globals()").await.value(), &json!(false));

        let _ = std::fs::remove_file(&mark);
        let running = start(session, "d", &format!("{}\n7", catches(&runs("while True: pass"), "break")), None);
        marked(&mark).await;
        assert_eq!(cancel(sessions, "d").await, CancelOutcome::Finished);
        let told = running.await.expect("told");
        assert_eq!((told.problem().code, told.problem().outcome), (ErrorCode::Cancelled, Some(Outcome::Finished)));
        assert_eq!(told.problem().answer["value"], 7);
    });
}

#[test]
fn a_cancel_brings_its_own_grace() {
    on_one_python(async |sessions| {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("mark");
        let code = format!("open({:?}, 'w').close()\nwhile True: pass", mark.to_str().expect("UTF-8"));
        let running = start(sessions.default_session(), "a", &code, None);
        marked(&mark).await;
        assert_eq!(sessions.cancel(&name("a"), Some(Duration::ZERO)).await, CancelOutcome::StateLost);
        running.await.expect("told").problem();
    });
}

#[test]
fn code_that_awaits_gets_a_cancelled_error_first() {
    on_every_python(async |sessions| {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("mark");
        let session = sessions.default_session();
        let code = format!(
            "import asyncio\nseen = []\ntry:\n    open({:?}, 'w').close()\n    await asyncio.sleep(60)\n\
             except BaseException as e:\n    seen.append(type(e).__name__)\n    raise",
            mark.to_str().expect("UTF-8")
        );
        let running = start(session, "a", &code, None);
        marked(&mark).await;
        assert_eq!(cancel(sessions, "a").await, CancelOutcome::StateKept);
        assert_eq!(running.await.expect("told").problem().outcome, Some(Outcome::StateKept));
        assert_eq!(eval(session, "seen").await.value(), &json!(["CancelledError"]));
    });
}

#[test]
fn a_call_whose_caller_goes_away_is_cancelled_if_it_asked() {
    on_one_python(async |sessions| {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("mark");
        let session = sessions.default_session().clone();
        let code = format!("kept = 1\nopen({:?}, 'w').close()\nwhile True: pass", mark.to_str().expect("UTF-8"));
        let mut request = Request::new(Operation::Evaluate, json!({ "expression": code }).to_string());
        request.cancel_on_disconnect = true;
        let asking = {
            let session = session.clone();
            tokio::spawn(async move { session.call(request).await })
        };
        marked(&mark).await;
        asking.abort();
        assert_eq!(eval(&session, "kept").await.value(), &json!(1), "the session is free again, with its state");
    });
}

#[test]
fn a_call_without_any_time_never_runs() {
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        let mut request = Request::new(Operation::Evaluate, json!({ "expression": "ran = 1" }).to_string());
        request.deadline = Some(Duration::ZERO);
        let told = Told::from(session.call(request).await);
        assert_eq!(told.problem().outcome, Some(Outcome::NotStarted));
        assert_eq!(eval(session, "'ran' in globals()").await.value(), &json!(false));
    });
}

/// Cancels meet calls that are about to end: each hits its own call or none, and the worker lives. A call says when it is
/// about to end, and in how long; as long as cancels mostly miss, the next ones get more time, so that about half meet their
/// calls whatever else the machine does. `BEEP_PYTHON_RACES` says how many.
#[test]
fn a_cancel_that_races_with_the_end_hits_nobody_else() {
    let races = std::env::var("BEEP_PYTHON_RACES").ok().and_then(|n| n.parse().ok()).unwrap_or(600u64);
    on_one_python(async |sessions| {
        let session = sessions.default_session();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("soon");
        let text = path.to_str().expect("UTF-8");
        eval(session, &format!("import asyncio, os, time\nreturned = []\nos.mkfifo({text:?})")).await.value();
        let mut soon = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&path).expect("a pipe");
        eval(session, &format!("soon = os.open({text:?}, os.O_WRONLY)\nNone")).await.value();
        let mut seen = [(); 2].map(|()| std::collections::BTreeMap::<_, u64>::new());
        // In how many seconds calls end when their cancels are sent: those without, and those with await.
        let mut left = [200e-6, 200e-6];
        for n in 0..races {
            let kind = (n % 2) as usize;
            let time = left[kind] * (0.7 + 0.6 * (n % 61) as f64 / 60.0);
            let wait = ["pass", "await asyncio.sleep(0)"][kind];
            let code = format!(
                "end = time.perf_counter() + {time:.7}\nos.write(soon, b'x')\nwhile time.perf_counter() < end: {wait}\n\
                 returned.append({n})\n{n}"
            );
            let running = start(session, "raced", &code, None);
            let after = start(session, "after", &format!("{n} + 1"), None);
            soon.read_exact(&mut [0]).await.expect("it runs");
            let outcome = cancel(sessions, "raced").await;
            let told = running.await.expect("told");
            let met = match (&told.reply.result, outcome) {
                (CallResult::Value(_), CancelOutcome::Finished | CancelOutcome::NotFound) => {
                    assert_eq!(told.value(), &json!(n));
                    false
                }
                (CallResult::Problem(problem), _) => {
                    assert_eq!(problem.code, ErrorCode::Cancelled);
                    // Code that awaits for the last time as it is cancelled ends all the same.
                    let expected = match problem.outcome {
                        Some(Outcome::StateKept) => CancelOutcome::StateKept,
                        Some(Outcome::Finished) => CancelOutcome::Finished,
                        _ => CancelOutcome::NotStarted,
                    };
                    assert_eq!(outcome, expected);
                    true
                }
                (other, outcome) => panic!("{other:?} {outcome:?}"),
            };
            left[kind] = (left[kind] * if met { 0.97 } else { 1.03 }).clamp(1e-6, 0.1);
            *seen[kind].entry(outcome.as_str()).or_default() += 1;
            assert_eq!(after.await.expect("told").value(), &json!(n + 1), "race {n}: the next call was hit");
            // One that returned did all it had to do; one that was not started did nothing.
            let returned = eval(session, &format!("{n} in returned")).await.value().clone();
            match outcome {
                CancelOutcome::Finished | CancelOutcome::NotFound => assert_eq!(returned, json!(true), "race {n}"),
                CancelOutcome::NotStarted => assert_eq!(returned, json!(false), "race {n}"),
                _ => {} // interrupted anywhere, also behind its last line
            }
        }
        println!("{seen:?}, time left {left:?}");
        for seen in seen {
            assert!(seen.contains_key("state_kept") && seen.len() > 1, "the races were none: {seen:?}");
        }
        assert_eq!(session.info().epoch, 1, "no worker died");
    });
}

#[test]
fn a_call_that_does_not_finish_while_the_host_shuts_down_is_interrupted() {
    on_one_python(async |sessions| {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = folder.path().join("mark");
        let session = sessions.default_session();
        let code = format!(
            "import os\nos.chdir({:?})\nimport atexit\natexit.register(lambda: open('ended', 'w').close())\n\
             try:\n    open('mark', 'w').close()\n    while True: pass\nfinally: open('interrupted', 'w').close()",
            folder.path().to_str().expect("UTF-8")
        );
        let running = start(session, "a", &code, None);
        marked(&mark).await;
        sessions.shut_down(Duration::from_millis(50)).await;
        let told = running.await.expect("told");
        assert_eq!((told.problem().code, told.problem().started), (ErrorCode::ShuttingDown, Some(true)));
        assert!(folder.path().join("interrupted").exists() && folder.path().join("ended").exists());
    });
}
