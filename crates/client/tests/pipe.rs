//! Calls over a pipe, against a host that answers what its test tells it to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beep_python_client::{AnyTransport, Error, ErrorCode, Handle, PipeBackend, connect};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// A host at a socket of its own. An answer without an end of its line closes the connection after it.
struct Fake {
    backend: PipeBackend,
    seen: Arc<Mutex<Vec<Json>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Fake {
    fn start(script: impl Fn(usize, &Json) -> String + Send + Sync + 'static) -> Fake {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let (seen, connections) = (Arc::new(Mutex::default()), Arc::new(AtomicUsize::new(0)));
        let script: Arc<Script> = Arc::new(script);
        let task = tokio::spawn({
            let (seen, connections) = (seen.clone(), connections.clone());
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let number = connections.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(serve(stream, number, Arc::clone(&seen), Arc::clone(&script)));
                }
            }
        });
        let backend = PipeBackend::connect(&format!("unix:{}", path.display())).unwrap();
        Fake { backend, seen, connections, task, _folder: folder }
    }

    fn always(result: &'static str) -> Fake {
        Fake::start(move |_, _| format!("{{\"result\":{result}}}\n"))
    }

    fn seen(&self) -> Vec<Json> {
        self.seen.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Script = dyn Fn(usize, &Json) -> String + Send + Sync;

async fn serve(stream: UnixStream, number: usize, seen: Arc<Mutex<Vec<Json>>>, script: Arc<Script>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let request = serde_json::from_str(&line).unwrap();
        let answer = script(number, &request);
        seen.lock().unwrap().push(request);
        if stream.write_all(answer.as_bytes()).await.is_err() || !answer.ends_with('\n') {
            return;
        }
        line.clear();
    }
}

#[tokio::test]
async fn a_call_is_one_line() {
    let fake = Fake::always(r#"{"value":{"$tuple":[1,"x"]},"sessionEpoch":1}"#);
    let backend = fake.backend.with_session("s1").with_timeout(Duration::from_millis(1500)).with_request_id("r\n1");
    assert_eq!(backend.evaluate::<(i64, String)>("1\n2").await.unwrap(), (1, "x".to_owned()));
    let expected = json!({ "command": "eval", "requestId": "r\n1", "session": "s1", "timeoutMs": 1500, "values": "exact",
        "payload": { "expression": "1\n2", "returnType": "json" } });
    assert_eq!(fake.seen(), [expected]);
}

#[tokio::test]
async fn operations_of_the_host_have_their_commands() {
    let fake = Fake::start(|_, request| match request["command"].as_str().unwrap() {
        "ping" => "{\"result\":{\"status\":\"ok\"}}\n".to_owned(),
        "session_create" => "{\"result\":{\"sessionId\":\"s4\"}}\n".to_owned(),
        "session_list" => "{\"result\":{\"sessions\":[]}}\n".to_owned(),
        "session_delete" => "{\"result\":{\"success\":true}}\n".to_owned(),
        "venv_create" => "{\"result\":{\"path\":\"/x\",\"success\":true}}\n".to_owned(),
        other => panic!("{other}"),
    });
    assert_eq!(fake.backend.health().await.unwrap().status, "ok");
    assert_eq!(fake.backend.create_session().await.unwrap(), "s4");
    assert!(fake.backend.list_sessions().await.unwrap().is_empty());
    fake.backend.delete_session("s4").await.unwrap();
    assert_eq!(fake.backend.create_environment("p", None).await.unwrap().to_str(), Some("/x"));
    let payloads: Vec<_> = fake.seen().iter().map(|seen| seen["payload"].clone()).collect();
    assert_eq!(
        payloads,
        [json!({}), json!({}), json!({}), json!({ "sessionId": "s4" }), json!({ "providerName": "p" })]
    );
    assert_eq!(fake.connections(), 1, "calls one after another share a connection");
}

#[tokio::test]
async fn failures_are_told_apart() {
    let fake = Fake::start(|_, request| {
        let info = match request["payload"]["expression"].as_str().unwrap() {
            "python" => {
                r#","errorInfo":{"title":"t","status":422,"code":"python_exception","detail":"KeyError: 'a'","exception":{"type":"KeyError","message":"'a'","traceback":[]}}"#
            }
            "host" => r#","errorInfo":{"title":"t","status":404,"code":"unknown_session","detail":"none"}"#,
            _ => "",
        };
        format!("{{\"error\":\"text\"{info}}}\n")
    });
    let python = fake.backend.evaluate::<i64>("python").await.unwrap_err();
    assert_eq!(python.exception().unwrap().kind, "KeyError");
    assert_eq!(fake.backend.evaluate::<i64>("host").await.unwrap_err().code(), Some(ErrorCode::UnknownSession));
    let foreign = fake.backend.evaluate::<i64>("foreign").await.unwrap_err();
    assert!(matches!(&foreign, Error::Protocol { detail, .. } if detail == "text"), "{foreign:?}");
    let broken = Fake::start(|_, _| "{}\n".to_owned());
    assert!(matches!(broken.backend.evaluate::<i64>("1").await.unwrap_err(), Error::Protocol { .. }));
}

#[tokio::test]
async fn float_arrays_come_as_json_with_words_for_what_it_has_no_number_for() {
    let fake = Fake::start(|_, request| match request["command"].as_str().unwrap() {
        "wrap" => "{\"result\":{\"handleId\":\"h\",\"typeName\":\"list\"}}\n".to_owned(),
        "tofloatarray" => "{\"result\":[1.5,\"NaN\",-1e999]}\n".to_owned(),
        "tofloatarray2d" => "{\"result\":[[1.0],[]]}\n".to_owned(),
        _ => "{\"result\":{\"success\":true}}\n".to_owned(),
    });
    let held: Handle = fake.backend.wrap_value([1]).await.unwrap();
    let floats = fake.backend.to_float_array(&held).await.unwrap();
    assert!(floats[0] == 1.5 && floats[1].is_nan() && floats[2] == f32::NEG_INFINITY);
    assert_eq!(fake.backend.to_float_array_2d(&held).await.unwrap(), [vec![1.0], vec![]]);
}

#[tokio::test]
async fn a_connection_that_the_host_closed_while_it_was_idle_is_replaced() {
    let fake = Fake::start(|connection, _| match connection {
        0 => "{\"result\":{\"value\":1}}\n ".to_owned(), // says more than it was asked, and closes
        _ => "{\"result\":{\"value\":2}}\n".to_owned(),
    });
    assert_eq!(fake.backend.evaluate::<i64>("1").await.unwrap(), 1);
    assert_eq!(fake.backend.evaluate::<i64>("2").await.unwrap(), 2);
    assert_eq!((fake.connections(), fake.seen().len()), (2, 2), "nothing was sent twice");
}

#[tokio::test]
async fn a_call_whose_answer_never_came_is_lost_and_not_repeated() {
    for half in ["", "{\"result\":{\"value\":1}}"] {
        let fake = Fake::start(move |_, _| half.to_owned());
        let error = fake.backend.evaluate::<i64>("1").await.unwrap_err();
        assert!(matches!(error, Error::ConnectionLost { may_have_run: true, .. }), "{error:?}");
        assert_eq!(fake.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_its_answer_to_nobody() {
    let fake = Fake::start(|_, request| {
        if request["payload"]["expression"] == "slow" {
            std::thread::sleep(Duration::from_millis(50));
        }
        format!("{{\"result\":{{\"value\":{}}}}}\n", request["payload"]["expression"])
    });
    let slow = fake.backend.evaluate::<String>("slow");
    let _ = tokio::time::timeout(Duration::ZERO, slow).await;
    assert_eq!(fake.backend.evaluate::<String>("next").await.unwrap(), "next");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clones_call_at_the_same_time() {
    let fake = Fake::start(|_, request| format!("{{\"result\":{{\"value\":{}}}}}\n", request["payload"]["expression"]));
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let backend = fake.backend.clone();
            tokio::spawn(async move { (number, backend.evaluate::<String>(&number.to_string()).await.unwrap()) })
        })
        .collect();
    for call in calls {
        let (sent, received) = call.await.unwrap();
        assert_eq!(sent.to_string(), received);
    }
}

#[tokio::test]
async fn a_large_answer_arrives_whole() {
    let text = "x".repeat(3_000_000);
    let sent = text.clone();
    let fake = Fake::start(move |_, _| format!("{{\"result\":{{\"value\":\"{sent}\"}}}}\n"));
    assert!(fake.backend.evaluate::<String>(&text).await.unwrap() == text);
}

#[tokio::test]
async fn where_nothing_listens_the_error_names_the_endpoint() {
    let error = connect("pipe:nobody-has-this-name").unwrap().health().await.unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to pipe:nobody-has-this-name");
}

#[test]
fn the_scheme_picks_the_backend() {
    assert!(matches!(connect("http://127.0.0.1:5678").unwrap().transport(), AnyTransport::Http(_)));
    assert!(matches!(connect("localhost:5678").unwrap().transport(), AnyTransport::Http(_)));
    assert!(matches!(connect("pipe:x").unwrap().transport(), AnyTransport::Pipe(_)));
    assert!(matches!(connect("unix:/x").unwrap().transport(), AnyTransport::Pipe(_)));
    assert!(matches!(connect("unix:x"), Err(Error::Endpoint { .. })));
    assert!(matches!(connect("ftp://x"), Err(Error::Endpoint { .. })));
}
