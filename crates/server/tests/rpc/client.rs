//! Our own client over gRPC: what it gives is what it gives over HTTP.

use std::time::Duration;

use beep_python_client::{Args, CancelOutcome, Error, ErrorCode, Handle, Locals, Response, RpcBackend, Value};
use beep_python_protocol::Outcome;

use crate::port::Port;
use crate::support::Server;

fn connect(server: &Server) -> RpcBackend {
    RpcBackend::connect(&format!("grpc://127.0.0.1:{}", server.port)).expect("an endpoint")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_works() {
    let server = Server::start();
    let python = connect(&server);
    let health = python.health().await.expect("there");
    assert_eq!((health.status.as_str(), &health.details["pid"]), ("ok", &std::process::id().into()));
    let answer: Response<i64> = python.evaluate_with("print('out') or n + 1", [("n", 1)]).await.expect("answered");
    assert_eq!((answer.value, &answer.stdout[..], &answer.stderr[..], answer.session_epoch), (2, "out\n", "", Some(1)));
    assert_eq!(answer.omitted_output_bytes, 0);
    let exact: Value = python.evaluate("(1, {2: b'x'}, 2**100, float('-inf'))").await.expect("exact");
    let again: Value = python.evaluate_with("v", Locals::new().local("v", exact.clone())).await.expect("exact");
    assert_eq!(exact, again);
    let none: Option<String> = python.evaluate("").await.expect("nothing");
    assert_eq!(none, None);
    let fractions = python.import_module("fractions").await.expect("imported");
    let made = python.create_object(&fractions, "Fraction", (3, 4)).await.expect("made");
    assert_eq!((made.type_name(), made.type_module()), ("Fraction", Some("fractions")));
    assert_eq!(python.get_attribute::<i64>(&made, "numerator").await.expect("read"), 3);
    let limit = Args::new().kwarg("max_denominator", 2);
    let limited: Handle = python.with_reprs().call_method(&made, "limit_denominator", limit).await.expect("called");
    assert_eq!(limited.repr(), Some("Fraction(1, 1)"));
    let list: Handle = python.evaluate("[]").await.expect("a handle, for one was asked for");
    python.call_method::<()>(&list, "append", (made.clone(),)).await.expect("appended");
    let same: Handle = python.call_method(&list, "pop", ()).await.expect("popped");
    assert_eq!((same.type_name(), same.repr()), ("Fraction", None));
    let owner: Handle = python.evaluate("class Owner: pass\nOwner()").await.expect("made");
    python.set_attribute(&owner, "name", Option::<i64>::None).await.expect("set");
    assert_eq!(python.get_attribute::<Option<i64>>(&owner, "name").await.expect("read"), None);
    assert!(python.is_module_available("json").await.expect("known"));
    let wrapped = python.wrap_value(vec![vec![1.5, f64::NAN], vec![2.0]]).await.expect("wrapped");
    let rows = python.to_float_array_2d(&wrapped).await.expect("rows");
    assert!(rows[0][1].is_nan() && rows[1] == [2.0]);
    let wrapped = python.wrap_value(vec![0.25; 100_000]).await.expect("wrapped");
    assert_eq!(python.to_float_array(&wrapped).await.expect("floats"), vec![0.25f32; 100_000]);
    python.dispose_handle(wrapped.clone()).await.expect("disposed");
    let gone = python.to_float_array(&wrapped).await.expect_err("gone");
    assert_eq!(gone.code(), Some(ErrorCode::UnknownHandle));
    let long: String = python.evaluate("'ä' * 5_000_000").await.expect("long");
    assert_eq!(long.len(), 10_000_000);
    drop((made, limited, list, same, owner));
    python.release_dropped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_distinct_and_complete() {
    let server = Server::start();
    let python = connect(&server);
    let raised =
        python.evaluate::<()>("print('p' * 300_000)\ntry: 1/0\nexcept Exception: raise ValueError('nö')").await;
    let Err(Error::Python(error)) = raised else { panic!("{raised:?}") };
    assert_eq!((error.exception.kind.as_str(), error.exception.message.as_str()), ("ValueError", "nö"));
    assert_eq!(error.exception.context.as_ref().map(|context| context.kind.as_str()), Some("ZeroDivisionError"));
    assert_eq!((error.stdout.len(), error.session_epoch), (300_001, Some(1)));
    // Long enough for it to begin, however busy the machine is: else it would be told that it was not started.
    let late = python.with_timeout(Duration::from_secs(2)).evaluate::<()>("import time; time.sleep(60)").await;
    let Err(Error::Host(problem)) = late else { panic!("{late:?}") };
    assert_eq!((problem.code, problem.outcome), (ErrorCode::DeadlineExceeded, Some(Outcome::StateKept)));
    let died = python.evaluate::<()>("import os; os._exit(3)").await;
    let Err(Error::Host(problem)) = died else { panic!("{died:?}") };
    assert_eq!(problem.death.and_then(|death| death.exit_code), Some(3));
    let missing = python.with_session("nowhere").evaluate::<()>("1").await.expect_err("missing");
    assert_eq!(missing.code(), Some(ErrorCode::UnknownSession));
    let stranger = Server::with(beep_python_server::auth::AccessConfig { max_body_bytes: 100, ..Default::default() });
    let too_long = connect(&stranger).evaluate::<()>(&"1".repeat(1000)).await.expect_err("too long");
    assert_eq!(too_long.code(), Some(ErrorCode::BodyTooLarge));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_and_environments() {
    let server = Server::start();
    let python = connect(&server);
    let session = python.create_session().await.expect("a session");
    let there = python.with_session(&session);
    there.evaluate::<()>("mine = 1").await.expect("done");
    assert!(!python.evaluate::<bool>("'mine' in globals()").await.expect("done"));
    let list = python.list_sessions().await.expect("a list");
    assert_eq!(list.iter().map(|info| info.session_epoch).collect::<Vec<_>>(), [1, 1]);
    python.delete_session(&session).await.expect("ended");
    assert_eq!(there.evaluate::<()>("1").await.expect_err("gone").code(), Some(ErrorCode::UnknownSession));
    let path = python.create_environment("hugging", None).await.expect("made");
    let list = python.list_environments().await.expect("a list");
    assert_eq!((list.len(), list[0].path.as_str()), (1, path.to_str().expect("UTF-8")));
    let status = python.environment_status(&list[0].name).await.expect("known");
    assert_eq!(
        (status.state.as_str(), status.record.and_then(|r| r.provider).as_deref()),
        ("healthy", Some("hugging"))
    );
    python.delete_environment(&list[0].name).await.expect("deleted");
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_serves_many_at_once_and_is_made_again() {
    let port = Port::new();
    let server = Server::at(port.number, Default::default());
    let python = connect(&server);
    let asked = (0..64).map(|n| {
        let python = python.clone();
        tokio::spawn(async move { python.evaluate::<i64>(&format!("{n} * 2")).await.expect("answered") })
    });
    for (n, answer) in asked.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(answer.await.expect("no panic"), n as i64 * 2);
    }
    drop(server);
    port.free();
    assert!(matches!(python.evaluate::<i64>("1").await, Err(Error::Connect { .. })));
    let another = Server::at(port.number, Default::default());
    assert_eq!(python.evaluate::<i64>("1").await.expect("connected again"), 1);
    drop(another);
}

/// A backend may be used from one tokio runtime after another.
#[test]
fn a_connection_does_not_outlive_the_runtime_that_drives_it() {
    let server = Server::start();
    let python = connect(&server);
    for n in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        assert_eq!(runtime.block_on(python.evaluate::<i64>(&n.to_string())).expect("answered"), n);
    }
}

#[test]
fn endpoints_are_read_with_their_defaults() {
    for (text, shown) in [
        ("grpc://localhost", "grpc://localhost:50051"),
        ("http://127.0.0.1:9", "grpc://127.0.0.1:9"),
        ("[::1]:9", "grpc://[::1]:9"),
    ] {
        assert_eq!(RpcBackend::connect(text).expect(text).endpoint().to_string(), shown);
    }
    assert!(RpcBackend::connect("ftp://localhost").is_err());
    let refused = RpcBackend::connect("localhost").expect("an endpoint").with_token("sec\nret").expect_err("refused");
    assert!(!format!("{refused} {refused:?}").contains("sec"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_cancelled_from_another_task() {
    let server = Server::start();
    let python = connect(&server);
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let code = format!("open({:?}, 'w').close()\nwhile True: pass", mark.to_str().expect("UTF-8"));
    let runs = async || {
        while !mark.exists() {
            tokio::task::yield_now().await;
        }
        std::fs::remove_file(&mark).expect("removed");
    };
    assert_eq!(python.cancel("mine").await.expect("told"), CancelOutcome::NotFound);
    let call = python.with_request_id("mine");
    let (calling, busy) = (call.clone(), code.clone());
    let calling = tokio::spawn(async move { calling.evaluate::<()>(&busy).await });
    runs().await;
    assert_eq!(python.cancel("mine").await.expect("told"), CancelOutcome::StateKept);
    let Err(Error::Host(problem)) = calling.await.expect("no panic") else { panic!("not cancelled") };
    assert_eq!((problem.code, problem.outcome), (ErrorCode::Cancelled, Some(Outcome::StateKept)));
    let gone = python.with_cancel_on_disconnect();
    let calling = tokio::spawn(async move { gone.evaluate::<()>(&code).await });
    runs().await;
    calling.abort();
    assert_eq!(python.evaluate::<i64>("1 + 1").await.expect("the session is free again"), 2);
}
