//! Bounds of connections and requests: what is beyond them is told so, and health is answered whatever else is served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use beep_python_client::{AnyBackend, Error, ErrorCode, connect};
use beep_python_server::BoundsConfig;
use beep_python_server::auth::AccessConfig;
use serde_json::json;

use crate::gate::Gate;
use crate::host::{Most, newest};
use crate::server::Server;
use crate::{http, pipe};

/// How long anything is tried: a place that is kept back lasts for a moment, which a busy machine may miss.
const PATIENCE: Duration = Duration::from_secs(60);
const EVAL: &str = r#"{"expression": "6 * 7"}"#;

fn bounded(connections: usize, of_one: usize, requests: usize) -> Server {
    let bounds = BoundsConfig {
        max_connections: Some(connections),
        max_peer_connections: Some(of_one),
        max_requests: Some(requests),
    };
    Server::start_up_to(Most { bounds, ..Most::default() }, newest(), AccessConfig::default())
}

/// What a connection of its own is answered, until the server closes it; `None` where it does not.
fn try_ask(port: u16, method: &str, path: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let length = body.len();
    let head = "host: localhost\r\ncontent-type: application/json";
    stream
        .write_all(format!("{method} {path} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes())
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

fn ask(port: u16, method: &str, path: &str, body: &str) -> String {
    let began = Instant::now();
    loop {
        match try_ask(port, method, path, body) {
            Some(answer) => return answer,
            None => assert!(began.elapsed() < PATIENCE, "{method} {path}: no answer, or the connection stays"),
        }
    }
}

/// What a client is told, as soon as it is told anything.
async fn told<T, F: Future<Output = Result<T, Error>>>(wire: &str, call: impl Fn() -> F) -> Result<T, Error> {
    let began = Instant::now();
    loop {
        match call().await {
            Err(error) if error.code().is_none() => assert!(began.elapsed() < PATIENCE, "{wire}: {error:?}"),
            told => return told,
        }
    }
}

fn client(url: &str) -> AnyBackend {
    connect(url).expect("a client").with_timeout(Duration::from_secs(10))
}

fn over_pipe(server: &Server) -> AnyBackend {
    client(&format!("unix:{}", server.socket.display()))
}

/// Calls until it works. Other servers of this user look for a moment whether a pipe is alive, and take a place for that.
async fn expect_answer(client: impl Fn() -> AnyBackend) {
    let began = Instant::now();
    loop {
        match client().evaluate::<u8>("6 * 7").await {
            Ok(value) => break assert_eq!(value, 42),
            Err(error) => assert!(began.elapsed() < PATIENCE, "no place is free: {error:?}"),
        }
    }
}

/// Connections of HTTP that stay, each of which has been answered.
fn idle(server: &Server, number: usize) -> Vec<http::Connection> {
    let began = Instant::now();
    let mut idle = Vec::new();
    while idle.len() < number {
        let mut connection = http::Connection::open(server.http);
        let answer = connection.request("GET", "/livez", &[], "");
        assert_eq!(answer.status, 200);
        match answer.header("connection") {
            None => idle.push(connection),
            Some(_) => assert!(began.elapsed() < PATIENCE, "it has {}, and no more are let in", idle.len()),
        }
    }
    idle
}

/// A refused request: the whole answer, which ends the connection.
fn expect_refused(port: u16, path: &str, names: &str) {
    let answer = ask(port, "POST", path, EVAL).to_lowercase();
    assert!(answer.starts_with("http/1.1 503"), "{answer}");
    for part in
        ["retry-after: 1\r\n", "connection: close\r\n", "application/problem+json", r#""code":"overloaded""#, names]
    {
        assert!(answer.contains(part), "{part}: {answer}");
    }
}

fn expect_health(server: &Server) {
    for (port, path) in [
        (server.http, "/health"),
        (server.http, "/livez"),
        (server.http, "/readyz"),
        (server.http, "/metrics"),
        (server.rpc, "/health"),
        (server.rpc, "/livez"),
        (server.rpc, "/readyz"),
    ] {
        let answer = ask(port, "GET", path, "");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_has_its_share_is_told_so_and_no_other_is_kept_out() {
    let server = bounded(20, 3, 100);
    let mut held = idle(&server, 3);
    expect_refused(server.http, "/api/eval", "--max-peer-connections");
    expect_refused(server.rpc, "/rpc/PythonService/Evaluate", "--max-peer-connections");
    expect_health(&server);
    let grpc = || client(&format!("grpc://127.0.0.1:{}", server.rpc));
    told("gRPC", async || grpc().health().await).await.unwrap();
    let refused = told("gRPC", async || grpc().evaluate::<u8>("6 * 7").await).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Overloaded), "{refused:?}");
    // The pipe is another peer.
    expect_answer(|| over_pipe(&server)).await;
    // Those that it has go on, and one that ends makes room.
    for connection in &mut held {
        assert_eq!(connection.post("/api/eval", &[], EVAL).json()["value"], 42);
    }
    drop(held.pop());
    expect_answer(grpc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_slow_connections_that_take_all_places_keep_no_health_waiting() {
    let server = bounded(6, 6, 100);
    let mut held = idle(&server, 6);
    // More than there are places, those kept back included. They say nothing, or never all.
    let flood: Vec<_> = (0..80).map(|_| http::Connection::open(server.http)).collect();
    let pipes: Vec<_> = (0..30).map(|_| UnixStream::connect(&server.socket).unwrap()).collect();
    let slow: Vec<_> = ["GET /health", "GET /health HTTP/1.1\r\nhost: local"]
        .map(|part| {
            let mut connection = http::Connection::open(server.http);
            connection.send(part.as_bytes());
            connection
        })
        .into();
    expect_health(&server);
    expect_refused(server.http, "/api/eval", "connections");
    told("pipe", async || over_pipe(&server).health().await).await.unwrap();
    // They are closed, long before an ordinary connection would be.
    for (number, mut connection) in flood.into_iter().chain(slow).enumerate() {
        assert!(connection.is_closed(), "connection {number} of the flood stays");
    }
    for mut stream in pipes {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    }
    // Now the pipe has no connection, and still all places are taken.
    let began = Instant::now();
    loop {
        let refused = told("pipe", async || over_pipe(&server).evaluate::<u8>("6 * 7").await).await.unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::Overloaded), "{refused:?}");
        if refused.to_string().contains("--max-connections") {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{refused}");
    }
    // Those that had come before go on.
    for connection in &mut held {
        assert_eq!(connection.post("/api/eval", &[], EVAL).json()["value"], 42);
    }
    drop(held);
    expect_answer(|| over_pipe(&server)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_bound_are_refused_and_those_under_way_are_answered() {
    let server = bounded(200, 100, 2);
    let (called, followed) = (Gate::new(), Gate::new());
    let mut first = http::Connection::open(server.http);
    let created = first.post("/api/sessions", &[], "{}").json();
    let session = created["sessionId"].as_str().unwrap();
    let url = format!("http://127.0.0.1:{}", server.http);
    let code = called.before("'called'");
    let calling = tokio::spawn(async move { connect(&url).unwrap().evaluate::<String>(&code).await });
    called.begun();
    // A call with events is one, too, until its last.
    let mut second = pipe::Connection::open(&server.socket);
    let code = json!({ "expression": followed.before("'followed'") });
    second.send(format!("{}\n", json!({ "command": "execute", "id": 1, "session": session, "payload": code })));
    followed.begun();

    let mut third = http::Connection::open(server.http);
    let refused = third.post("/api/eval", &[], EVAL);
    let problem = refused.expect_problem(503, "overloaded");
    assert!(problem["detail"].as_str().unwrap().contains("--max-requests"), "{problem}");
    assert_eq!((refused.header("retry-after"), refused.header("connection")), (Some("1"), None));
    assert_eq!(third.request("GET", "/health", &[], "").status, 200, "on the same connection");
    let grpc = client(&format!("grpc://127.0.0.1:{}", server.rpc));
    grpc.health().await.unwrap();
    assert_eq!(grpc.evaluate::<u8>("6 * 7").await.unwrap_err().code(), Some(ErrorCode::Overloaded));
    let mut lines = pipe::Connection::open(&server.socket);
    lines.refused("eval", json!({ "expression": "6 * 7" }), "overloaded");
    assert_eq!(lines.ask("ping", json!({}))["status"], "ok", "on the same connection");

    called.open();
    assert_eq!(calling.await.unwrap().unwrap(), "called");
    followed.open();
    let last = std::iter::repeat_with(|| second.receive()).find(|line| line.get("event").is_none()).unwrap();
    assert_eq!(last["result"]["value"], "followed", "{last}");
    // Each gives its place back, over each wire.
    for _ in 0..2 {
        let began = Instant::now();
        while third.post("/api/eval", &[], EVAL).status != 200 {
            assert!(began.elapsed() < PATIENCE, "no place is given back");
        }
        assert_eq!(grpc.evaluate::<u8>("6 * 7").await.unwrap(), 42);
        assert_eq!(lines.ask("eval", json!({ "expression": "6 * 7" }))["value"], 42);
    }
}
