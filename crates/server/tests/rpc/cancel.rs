//! A client that cancels its call over HTTP/2, whose deadline passes, or that is lost.

use std::path::Path;

use beep_python_client::RpcBackend;
use beep_python_protocol::grpc::encode;
use beep_python_protocol::grpc::messages as m;
use bytes::Bytes;

use crate::gate::Gate;
use crate::http2::Http2;
use crate::support::Server;

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc"), ("te", "trailers")];
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const KEEP: (&str, &str) = ("beep-cancel-on-disconnect", "false");
const CANCEL: (&str, &str) = ("beep-cancel-on-disconnect", "true");

/// How a request is made: as a single message, as events, in a worker of its own, as JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Unary,
    Events,
    Followed,
    Isolated,
    Json,
    JsonEvents,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Unary, Kind::Events, Kind::Followed, Kind::Json, Kind::JsonEvents];

    fn path(self) -> &'static str {
        match self {
            Kind::Unary | Kind::Isolated => "/beep.python.runtime.PythonService/Evaluate",
            Kind::Events => "/beep.python.runtime.PythonService/Execute",
            Kind::Followed => "/beep.python.runtime.EventService/Evaluate",
            Kind::Json => "/rpc/PythonService/Evaluate",
            Kind::JsonEvents => "/rpc/PythonService/Execute",
        }
    }

    fn is_json(self) -> bool {
        matches!(self, Kind::Json | Kind::JsonEvents)
    }

    fn body(self, code: &str) -> Bytes {
        match self.is_json() {
            true => serde_json::json!({ "Expression": code }).to_string().into(),
            false => encode(&m::EvaluateRequest { expression: code.into(), ..Default::default() }),
        }
    }

    fn send(self, server: &Server, code: &str, option: Option<(&str, &str)>) -> Http2 {
        let mut headers = if self.is_json() { JSON.to_vec() } else { GRPC.to_vec() };
        // As a header of HTTP, an option has another name.
        let renamed = option.map(|(name, value)| (format!("x-{name}"), value));
        match self.is_json() {
            true => headers.extend(renamed.iter().map(|(name, value)| (name.as_str(), *value))),
            false => headers.extend(option),
        }
        if self == Kind::Isolated {
            headers.push(("beep-isolated", "true"));
        }
        Http2::send(server.port, self.path(), &headers, &self.body(code))
    }
}

/// A client that shares nothing with the one that cancels.
fn another(server: &Server) -> RpcBackend {
    RpcBackend::connect(&format!("grpc://127.0.0.1:{}", server.port)).expect("an endpoint")
}

/// Code that says when it runs, goes on until it is interrupted, and then says so. Its loop is in a function: the `try` around a
/// `while` does not cover the jump back to its head in Python 3.13.
fn endless(gate: &Gate, interrupted: &Path) -> String {
    let code = gate.before("");
    let code = code.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "kept = 1\ndef endless():\n{code}\ntry:\n    endless()\n    undisturbed = True\nexcept KeyboardInterrupt:\n    open({interrupted:?}, 'w').close()\n    raise"
    )
}

fn wait_for(path: &Path) {
    assert!(comes(path), "{} does not come", path.display());
}

/// Waits for a file.
fn comes(path: &Path) -> bool {
    let began = std::time::Instant::now();
    while !path.exists() && began.elapsed().as_secs() < 60 {
        pause();
    }
    path.exists()
}

/// Between two looks at what no event tells.
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(1));
}

/// Makes a request, ends it with `end`, and checks that its code was interrupted and its session goes on.
async fn is_interrupted(kind: Kind, option: Option<(&str, &str)>, end: impl FnOnce(Http2)) {
    let server = Server::start();
    let (gate, folder) = (Gate::new(), tempfile::tempdir().expect("a folder"));
    let interrupted = folder.path().join("interrupted");
    let connection = kind.send(&server, &endless(&gate, &interrupted), option);
    gate.begun();
    end(connection);
    if !comes(&interrupted) {
        let session = another(&server).inspect_session("default").await;
        panic!("{kind:?} {option:?} was not interrupted: {session:?}");
    }
    assert_eq!(another(&server).evaluate::<i64>("kept").await.expect("the session goes on"), 1, "{kind:?}");
}

/// The same, and checks that the code goes on to its end.
async fn goes_on(kind: Kind, option: Option<(&str, &str)>, end: impl FnOnce(Http2)) {
    let server = Server::start();
    let (gate, folder) = (Gate::new(), tempfile::tempdir().expect("a folder"));
    let interrupted = folder.path().join("interrupted");
    let connection = kind.send(&server, &endless(&gate, &interrupted), option);
    gate.begun();
    end(connection);
    // The server has read what the client sent, and what came after that.
    another(&server).health().await.expect("there");
    gate.open();
    assert!(another(&server).evaluate::<bool>("undisturbed").await.expect("done"), "{kind:?}");
    assert!(!interrupted.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_interrupts_the_call() {
    for kind in Kind::ALL {
        let mut kept = None;
        is_interrupted(kind, None, |mut connection| {
            connection.reset();
            kept = Some(connection);
        })
        .await;
        drop(kept);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_interrupts_the_call_though_the_connection_ends_with_it() {
    for kind in Kind::ALL {
        is_interrupted(kind, None, Http2::reset_and_close).await;
        is_interrupted(kind, Some(CANCEL), Http2::reset_and_close).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_leaves_a_call_running_that_says_so() {
    for kind in Kind::ALL {
        goes_on(kind, Some(KEEP), Http2::reset_and_close).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_no_cancel_unless_the_call_says_so() {
    for kind in Kind::ALL {
        goes_on(kind, None, Http2::lose).await;
        goes_on(kind, Some(KEEP), Http2::lose).await;
        is_interrupted(kind, Some(CANCEL), Http2::lose).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_ends_an_isolated_call() {
    for end in [Http2::reset_and_close, |mut connection: Http2| connection.reset()] {
        let server = Server::start();
        let folder = tempfile::tempdir().expect("a folder");
        let (pid, begun) = (folder.path().join("pid"), folder.path().join("begun"));
        let code = format!(
            "import os\nopen({pid:?}, 'w').write(str(os.getpid()))\nopen({begun:?}, 'w').close()\nwhile True: pass"
        );
        let connection = Kind::Isolated.send(&server, &code, None);
        wait_for(&begun);
        let pid = std::fs::read_to_string(pid).expect("told");
        end(connection);
        while Path::new("/proc").join(&pid).exists() {
            pause();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waits_is_taken_out_of_the_queue_by_a_reset() {
    for kind in [Kind::Unary, Kind::Events, Kind::Json] {
        let server = Server::start();
        let (gate, folder) = (Gate::new(), tempfile::tempdir().expect("a folder"));
        let ran = folder.path().join("ran");
        let _running = Kind::Unary.send(&server, &gate.before("done = 1"), None);
        gate.begun();
        let python = another(&server);
        let mut waiting = kind.send(&server, &format!("open({ran:?}, 'w').close()"), None);
        while python.get_session("default").await.expect("told").calls < 2 {
            pause();
        }
        waiting.reset();
        // A call that will not start has its answer already, but the worker passes it by only when its turn comes.
        while !python.inspect_session("default").await.expect("told").waiting.is_empty() {
            pause();
        }
        gate.open();
        assert_eq!(python.evaluate::<i64>("done").await.expect("done"), 1);
        assert!(!ran.exists(), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_of_grpc_is_answered_and_the_session_keeps_its_state() {
    for kind in [Kind::Unary, Kind::Events, Kind::Followed] {
        let server = Server::start();
        let python = another(&server);
        // So that the call is begun within its time.
        python.evaluate::<()>("kept = 1").await.expect("done");
        let (gate, folder) = (Gate::new(), tempfile::tempdir().expect("a folder"));
        let interrupted = folder.path().join("interrupted");
        let body = kind.body(&endless(&gate, &interrupted));
        for option in [None, Some(KEEP)] {
            let headers: Vec<_> = GRPC.iter().copied().chain([("grpc-timeout", "2S")]).chain(option).collect();
            let told = server.raw(kind.path(), &headers, body.clone()).await;
            assert_eq!(told.grpc_status(), Some("4"), "{kind:?}: {told:?}");
            std::fs::remove_file(&interrupted).expect("it was interrupted before it was answered");
            assert_eq!(python.evaluate::<i64>("kept").await.expect("kept"), 1, "{kind:?}");
        }
    }
}
