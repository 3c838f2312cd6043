//! What is no request, on every wire: a clear error or a closed connection, noted once in the log, and nothing lost for
//! anybody else.

#[path = "support/host.rs"]
#[allow(unreachable_pub, dead_code)]
mod host;
#[path = "support/http.rs"]
#[allow(unreachable_pub, dead_code)]
mod http;
#[path = "support/pipe.rs"]
#[allow(unreachable_pub, dead_code)]
mod pipe;
#[path = "support/rpc.rs"]
#[allow(unreachable_pub, dead_code)]
mod rpc;
#[path = "support/server.rs"]
#[allow(unreachable_pub, dead_code)]
mod server;

use std::io::{Read as _, Write};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use base64::Engine;
use beep_python_protocol::grpc::messages as m;
use beep_python_protocol::grpc::{decode_details, encode};
use beep_python_server::auth::AccessConfig;
use serde_json::json;
use server::Server;

/// Bodies and lines may have as many bytes.
const CAP: u64 = 20_000;

/// Where something is sent, and the bytes of it.
enum Sent {
    /// To the HTTP backend.
    Http(Vec<u8>),
    /// To the JSON side of the RPC backend.
    Json(Vec<u8>),
    /// Over the pipe.
    Pipe(Vec<u8>),
    /// As a gRPC call: the rpc, and what stands in for its message.
    Grpc(&'static str, Vec<u8>),
    /// To the RPC backend, as the beginning of HTTP/2.
    Http2(Vec<u8>),
}

use Sent::{Grpc, Http, Http2, Json, Pipe};

/// What comes of it where it is no error answer.
const CLOSED: &str = "closed";
/// The answer to a head that cannot be read; the log has what HTTP's parser says.
const UNREADABLE: &str = "unreadable";

fn post(path: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
    [format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// A request whose body is declared to be compressed.
fn coded(path: &str, coding: &str, body: &str) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-encoding: {coding}\r\n");
    format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn eval(body: impl AsRef<[u8]>) -> Sent {
    Http(post("/api/eval", body))
}

fn evaluate(body: impl AsRef<[u8]>) -> Sent {
    Json(post("/rpc/PythonService/Evaluate", body))
}

fn line(line: impl AsRef<[u8]>) -> Sent {
    Pipe([line.as_ref(), b"\n"].concat())
}

fn message(message: &[u8]) -> Sent {
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    Grpc("Evaluate", [&[0][..], &length, message].concat())
}

fn with_locals(locals: &str) -> Sent {
    let request = m::EvaluateRequest { expression: "1".into(), locals_json: locals.into(), ..Default::default() };
    Grpc("Evaluate", encode(&request).to_vec())
}

/// Each kind of bad input, on each wire that can have it, and the code that answers it.
fn table() -> Vec<(&'static str, Sent, &'static str)> {
    let long = "x".repeat(2 * CAP as usize);
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    let twice = |body: &[u8]| [body, body].concat();
    vec![
        ("over the cap", eval(format!(r#"{{"expression":"{long}"}}"#)), "body_too_large"),
        ("over the cap", evaluate(format!(r#"{{"Expression":"{long}"}}"#)), "body_too_large"),
        ("over the cap", line(format!(r#"{{"command":"eval","payload":{{"expression":"{long}"}}}}"#)), "body_too_large"),
        ("over the cap", message(long.as_bytes()), "body_too_large"),
        ("invalid UTF-8", eval(b"{\"expression\":\"'\xff\xfe'\"}"), "invalid_request"),
        ("invalid UTF-8", evaluate(b"{\"Expression\":\"'\xff\xfe'\"}"), "invalid_request"),
        ("invalid UTF-8", line(b"{\"command\":\"eval\",\"payload\":{\"expression\":\"'\xff\xfe'\"}}"), "invalid_request"),
        ("invalid UTF-8", message(b"\x0a\x02\xff\xfe"), "invalid_request"),
        ("an unknown route", Http(post("/api/evaluate", "{}")), "unknown_operation"),
        ("an unknown rpc", Json(post("/rpc/PythonService/Eval", "{}")), "unknown_operation"),
        ("an unknown command", line(r#"{"command":"evaluate"}"#), "unknown_operation"),
        ("an unknown rpc", Grpc("Eval", vec![0; 5]), "unknown_operation"),
        ("no command", line("{}"), "invalid_request"),
        ("another method", Http(b"PUT /api/eval HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}".to_vec()), "method_not_allowed"),
        ("missing fields", eval("{}"), "invalid_request"),
        ("missing fields", evaluate("{}"), "invalid_request"),
        ("missing fields", line(r#"{"command":"eval","payload":{}}"#), "invalid_request"),
        ("wrong types", eval(r#"{"expression":5}"#), "invalid_request"),
        ("wrong types", evaluate(r#"{"Expression":["1"]}"#), "invalid_request"),
        ("wrong types", line(r#"{"command":"eval","payload":{"expression":null}}"#), "invalid_request"),
        ("wrong types", line(r#"{"command":["eval"]}"#), "invalid_request"),
        ("wrong types", message(b"\x08\x01"), "invalid_request"),
        ("an unknown limit", eval(r#"{"expression":"1","limits":{"cpuMS":5}}"#), "invalid_request"),
        ("an unknown limit", Http(post("/api/sessions", r#"{"limits":{"memory":5}}"#)), "invalid_request"),
        ("a misspelt option", Http(post("/api/sessions", r#"{"enviroment":"x"}"#)), "invalid_request"),
        ("a misspelt option", line(r#"{"command":"session_create","payload":{"enviroment":"x"}}"#), "invalid_request"),
        ("a call option of a session", Http(post("/api/sessions", r#"{"timeoutMs":1}"#)), "invalid_request"),
        ("a misspelt option", Http(post("/api/cancel", r#"{"requestId":"1","gracems":5}"#)), "invalid_request"),
        ("a misspelt option", line(r#"{"command":"cancel","payload":{"requestId":"1","grace":5}}"#), "invalid_request"),
        ("a misspelt option", Http(post("/api/sessions/default/interrupt", r#"{"abortqueued":true}"#)), "invalid_request"),
        ("a misspelt option", Http(post("/api/venv/create", r#"{"providerName":"x","model":"y"}"#)), "invalid_request"),
        ("no Python", Http(post("/api/sessions", r#"{"python":"three"}"#)), "invalid_request"),
        ("too little memory", Http(post("/api/sessions", r#"{"limits":{"memoryBytes":10000000}}"#)), "invalid_request"),
        ("no time to be idle", Http(post("/api/sessions", r#"{"idleTimeoutMs":0}"#)), "invalid_request"),
        ("an isolated call within a callback", eval(r#"{"expression":"1","isolated":true,"callback":"q1"}"#), "invalid_request"),
        ("an unknown limit", line(r#"{"command":"eval","payload":{"expression":"1"},"limits":{"cpuMS":5}}"#), "invalid_request"),
        ("wrong types", with_locals("[1]"), "invalid_request"),
        ("wrong types in the envelope", eval(r#"{"expression":"1","timeoutMs":"soon"}"#), "invalid_request"),
        ("wrong types in the envelope", evaluate(r#"{"Expression":"1","Session":5}"#), "invalid_request"),
        ("wrong types in the envelope", line(r#"{"command":"ping","id":[1]}"#), "invalid_request"),
        ("half a millisecond", eval(r#"{"expression":"1","timeoutMs":1.5}"#), "invalid_request"),
        ("an array for an object", eval(r#"{"expression":"1","limits":[50]}"#), "invalid_request"),
        ("an array for an object", Http(post("/api/sessions", "[]")), "invalid_request"),
        ("an array for an object", Http(post("/api/sessions", r#"{"limits":[]}"#)), "invalid_request"),
        ("an option twice", evaluate(r#"{"Expression":"1","TimeoutMs":1,"TimeoutMs":2}"#), "invalid_request"),
        ("no process", Http(post("/api/sessions", r#"{"limits":{"processes":0}}"#)), "invalid_request"),
        ("no place in the queue", Http(post("/api/sessions", r#"{"limits":{"waiting":0}}"#)), "invalid_request"),
        ("no descriptor", Http(post("/api/sessions", r#"{"limits":{"openFiles":3}}"#)), "invalid_request"),
        ("a secret", eval(r#"{"expression":"1","limits":"SECRET"}"#), "invalid_request"),
        ("a secret", eval(r#"{"expression":"1","locals":{"a":{"$int":"SECRET"}},"values":"exact"}"#), "invalid_request"),
        ("a secret", Http(post("/api/venv/install", r#"{"name":"x","packages":"SECRET"}"#)), "invalid_request"),
        ("a secret", line(r#"{"command":"SECRET\nforged"}"#), "unknown_operation"),
        ("null", eval("null"), "invalid_request"),
        ("null", evaluate("null"), "invalid_request"),
        ("null for a payload", line(r#"{"command":"eval","payload":null}"#), "invalid_request"),
        ("null", line("null"), "invalid_request"),
        ("nothing", eval(""), "invalid_request"),
        ("nothing", evaluate(""), "invalid_request"),
        ("nothing", line(""), "invalid_request"),
        ("nothing", Grpc("Evaluate", Vec::new()), "invalid_request"),
        ("no JSON", eval("{'expression':1}"), "invalid_request"),
        ("no JSON", evaluate("{"), "invalid_request"),
        ("no JSON", line("eval 1+1"), "invalid_request"),
        ("no JSON", with_locals("{"), "invalid_request"),
        ("more than one", eval(r#"{"expression":"1"}{}"#), "invalid_request"),
        ("more than one", evaluate(r#"{"Expression":"1"}{}"#), "invalid_request"),
        ("more than one", line(r#"{"command":"ping"}{"command":"ping"}"#), "invalid_request"),
        ("more than one", Grpc("Evaluate", twice(&encode(&m::EvaluateRequest::default()))), "invalid_request"),
        ("another object for a body", with_locals(r#"{},"expression":"2""#), "invalid_request"),
        ("too deep", eval(format!(r#"{{"expression":"1","locals":{{"x":{deep}}}}}"#)), "invalid_request"),
        ("too deep", evaluate(format!(r#"{{"Expression":"1","Locals":{{"x":{deep}}}}}"#)), "invalid_request"),
        ("too deep", line(format!(r#"{{"command":"eval","payload":{{"expression":"1","locals":{{"x":{deep}}}}}}}"#)), "invalid_request"),
        ("too deep", with_locals(&format!(r#"{{"x":{deep}}}"#)), "invalid_request"),
        ("half a message", Grpc("Evaluate", b"\0\0\0\0\x0a\x0a\x03".to_vec()), "invalid_request"),
        ("another type of body", Http(b"POST /api/eval HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}".to_vec()), "unsupported_media_type"),
        ("another coding", Http(coded("/api/eval", "br", "{}")), "unsupported_media_type"),
        ("another coding", Json(coded("/rpc/PythonService/Evaluate", "zstd", "{}")), "unsupported_media_type"),
        ("no gzip", Http(coded("/api/eval", "gzip", "{}")), "invalid_request"),
        ("no gzip", Json(coded("/rpc/PythonService/Evaluate", "gzip", "{}")), "invalid_request"),
        ("no HTTP", Http(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n".to_vec()), UNREADABLE),
        ("no HTTP", Json(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n".to_vec()), UNREADABLE),
        ("two lengths", Http(b"POST /api/eval HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}".to_vec()), UNREADABLE),
        ("no frames", Http2(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()), CLOSED),
    ]
}

#[test]
fn bad_input_gets_one_clear_response_and_one_log_line() {
    let _alone = alone();
    let server = Server::start(host::newest(), AccessConfig { max_body_bytes: CAP, ..AccessConfig::default() });
    let mut others = Others::of(&server);
    let mut failures = Vec::new();
    for (what, sent, expected) in table() {
        let before = log().len();
        let (wire, got) = send(&server, &sent);
        let answer = if expected == UNREADABLE { "invalid_request" } else { expected };
        if got != answer {
            failures.push(format!("{what} {wire}: {got}, and not {answer}"));
        }
        // The line is written before the answer; that of a connection's end may come after it.
        let noted = || log().split_off(before);
        let began = std::time::Instant::now();
        while noted().is_empty() && began.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        others.go_on();
        let noted = noted();
        let lines: Vec<_> = noted.lines().filter(|line| !line.is_empty()).collect();
        let tells_code = expected != CLOSED && expected != UNREADABLE;
        if lines.len() != 1 || (tells_code && !lines[0].contains(expected)) {
            failures.push(format!("{what} {wire}: the log has {lines:#?}"));
        }
        if noted.contains("SECRET") {
            failures.push(format!("{what} {wire}: what the client sent is in the log"));
        }
        if noted.len() > 1000 {
            failures.push(format!("{what} {wire}: {} bytes in the log", noted.len()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn stalled_request_times_out_and_is_logged() {
    let _alone = alone();
    // A server, its clients and their time in one place, so that two minutes pass at once.
    for (what, port, beginning, wanted) in [
        ("half a head", 0, b"POST /api/eval HTTP/1.1\r\nhost: loc".to_vec(), ""),
        (
            "half a body",
            0,
            post("/api/eval", "{}     ")[..].strip_suffix(b"   ").expect("spaces").to_vec(),
            "request_timeout",
        ),
        ("half a head", 1, b"POST /rpc/PythonService/Evaluate HTTP/1.1\r\nhost: loc".to_vec(), ""),
        (
            "half a body",
            1,
            post("/rpc/PythonService/Evaluate", "{}   ")[..].strip_suffix(b"  ").expect("spaces").to_vec(),
            "request_timeout",
        ),
        ("half a beginning", 1, b"PRI * HT".to_vec(), ""),
        ("half a frame", 1, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0".to_vec(), ""),
        ("half a line", 2, br#"{"command":"ping""#.to_vec(), "request_timeout"),
    ] {
        let ((http_port, http), (rpc_port, rpc)) = (listen(), listen());
        let folder = tempfile::tempdir().expect("a folder");
        let home = beep_python_runtime::platform::Home::open(folder.path()).expect("a home");
        let bound = beep_python_server::unix_socket::bind_pipe(
            &home,
            &beep_python_server::unix_socket::PipeName::random().expect("a name"),
        );
        let bound = bound.expect("bound");
        let socket = bound.path().to_owned();
        let pipe =
            beep_python_server::unix_socket::Pipe::open(bound.into_listener().expect("non-blocking")).expect("a link");
        let (tell, told) = std::sync::mpsc::channel();
        let running = host::Running::start_in(folder, AccessConfig::default(), async move |host, stop| {
            use beep_python_server::{http as over_http, rpc as over_rpc, unix_socket as over_pipe};
            let serving = [
                tokio::spawn(over_http::serve(vec![http], host.clone(), stop.clone())),
                tokio::spawn(over_rpc::serve(vec![rpc], host.clone(), stop.clone())),
                tokio::spawn(over_pipe::serve(pipe, host, stop)),
            ];
            let said = match port {
                0 => silence(tokio::net::TcpStream::connect(("127.0.0.1", http_port)).await?, &beginning).await,
                1 => silence(tokio::net::TcpStream::connect(("127.0.0.1", rpc_port)).await?, &beginning).await,
                _ => silence(tokio::net::UnixStream::connect(socket).await?, &beginning).await,
            };
            let _ = tell.send(said);
            for serving in serving {
                serving.await.expect("no panic")?;
            }
            Ok(())
        });
        let said = told.recv().unwrap_or_else(|_| panic!("{what} on {port}: it did not end"));
        assert!(said.contains(wanted), "{what} on {port}: {said:?}");
        drop(running);
    }
}

/// Sends what it has, lets the server's time pass, and gives what was said until the connection was closed.
async fn silence<S>(mut stream: S, beginning: &[u8]) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    stream.write_all(beginning).await.expect("sent");
    // What was sent arrives, and is waited for, before time goes on.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut said = Vec::new();
    // Ten turns are ten minutes of the server's time.
    for _ in 0..10 {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
        let mut chunk = [0; 4096];
        match tokio::time::timeout(Duration::from_millis(50), stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => return String::from_utf8_lossy(&said).into_owned(),
            Ok(Ok(n)) => said.extend_from_slice(&chunk[..n]),
            Err(_) => {}
        }
    }
    panic!("the connection stays; it was told {:?}", String::from_utf8_lossy(&said));
}

#[test]
fn an_idle_connection_is_kept_for_longer_than_existing_clients_keep_it() {
    let _alone = alone();
    let (port, listener) = listen();
    let (tell, told) = std::sync::mpsc::channel();
    let running = host::Running::start(AccessConfig::default(), async move |host, stop| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let serving = tokio::spawn(beep_python_server::http::serve(vec![listener], host, stop));
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        for _ in 0..3 {
            stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
            let mut answer = String::new();
            // It may come in pieces, and ends with its JSON.
            while !answer.ends_with('}') {
                let mut piece = [0; 4096];
                match stream.read(&mut piece).await? {
                    0 => return Ok(()),
                    n => answer.push_str(&String::from_utf8_lossy(&piece[..n])),
                }
            }
            let _ = tell.send(answer);
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(100)).await;
            tokio::time::resume();
        }
        serving.await.expect("no panic")
    });
    for _ in 0..3 {
        let answer = told.recv().expect("the connection is still there");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    drop(running);
}

#[test]
fn clients_that_never_read_cost_little_and_delay_no_other() {
    let _alone = alone();
    let server = Server::start(host::newest(), AccessConfig::default());
    let mut others = Others::of(&server);
    let before = memory();
    let code = "asked = globals().get('asked', 0) + 1; 'x' * 1_000_000";
    let requests = |one: Vec<u8>| one.repeat(200);
    let mut deaf: Vec<Box<dyn Write>> = vec![
        Box::new(std::net::TcpStream::connect(("127.0.0.1", server.http)).expect("connected")),
        Box::new(std::net::TcpStream::connect(("127.0.0.1", server.rpc)).expect("connected")),
        Box::new(std::os::unix::net::UnixStream::connect(&server.socket).expect("connected")),
    ];
    let sent = [
        post("/api/eval", json!({ "expression": code }).to_string()),
        post("/rpc/PythonService/Evaluate", json!({ "Expression": code }).to_string()),
        format!("{}\n", json!({ "command": "eval", "payload": { "expression": code } })).into_bytes(),
    ];
    for (client, one) in deaf.iter_mut().zip(sent) {
        client.write_all(&requests(one)).expect("it fits into the socket");
    }
    // Whatever is made for them is made before these are answered: calls run in order of arrival.
    for _ in 0..20 {
        others.go_on();
    }
    let asked =
        others.http.post("/api/eval", &[], r#"{"expression":"asked"}"#).json()["value"].as_u64().expect("asked");
    assert!(asked < 60, "{asked} answers of a megabyte were made for nobody");
    let grown = memory().saturating_sub(before) >> 20;
    assert!(grown < 100, "{grown} MiB more");
    drop(deaf);
    others.go_on();
}

/// What this process holds in memory, in bytes.
fn memory() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4096
}

/// Clients that were there before, one on each wire, in the session that everybody shares.
struct Others {
    http: http::Connection,
    pipe: pipe::Connection,
    rpc: http::Connection,
}

impl Others {
    fn of(server: &Server) -> Others {
        let (http, rpc) = (http::Connection::open(server.http), http::Connection::open(server.rpc));
        let mut others = Others { http, pipe: pipe::Connection::open(&server.link), rpc };
        others.http.post("/api/eval", &[], r#"{"expression":"kept = 'kept'"}"#);
        others
    }

    /// They are served, and have what they had.
    fn go_on(&mut self) {
        let kept = json!({ "value": "kept", "sessionEpoch": 1 });
        assert_eq!(self.http.post("/api/eval", &[], r#"{"expression":"kept"}"#).json(), kept);
        assert_eq!(self.pipe.ask("eval", json!({ "expression": "kept" })), kept);
        let answer = self.rpc.post("/rpc/PythonService/Evaluate", &[], r#"{"Expression":"kept"}"#).json();
        assert_eq!(answer, json!({ "Value": "kept", "SessionEpoch": 1 }));
    }
}

/// Sends it on a connection of its own. Gives the wire, and the code of the error, or [`CLOSED`].
fn send(server: &Server, sent: &Sent) -> (&'static str, String) {
    match sent {
        Http(bytes) => ("over HTTP", over_http(server.http, bytes)),
        Json(bytes) => ("over RPC as JSON", over_http(server.rpc, bytes)),
        Http2(bytes) => ("over RPC", over_http(server.rpc, bytes)),
        Pipe(bytes) => {
            let mut client = pipe::Connection::open(&server.link);
            client.send(bytes);
            ("over the pipe", pipe_code(&client.receive()))
        }
        Grpc(rpc, body) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let path = format!("/beep.python.runtime.PythonService/{rpc}");
            let headers = [("content-type", "application/grpc"), ("te", "trailers")];
            let answer = runtime.block_on(rpc::raw(server.rpc, &path, &headers, body.clone()));
            let details = answer.headers.get("grpc-status-details-bin").expect("details");
            let details = base64::prelude::BASE64_STANDARD_NO_PAD.decode(details).expect("base64");
            ("over gRPC", decode_details(&details).expect("a problem").code.to_string())
        }
    }
}

fn pipe_code(answer: &serde_json::Value) -> String {
    answer["errorInfo"]["code"].as_str().map_or_else(|| answer.to_string(), str::to_owned)
}

fn over_http(port: u16, bytes: &[u8]) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let (_, body) =
            std::str::from_utf8(&said).ok().and_then(|said| said.split_once("\r\n\r\n")).unwrap_or_default();
        if let Ok(problem) = serde_json::from_str::<serde_json::Value>(body) {
            return problem["code"].as_str().map_or_else(|| body.to_owned(), str::to_owned);
        }
        match stream.read(&mut chunk) {
            // A read with a time limit is not resumed after a signal, such as that a process of another server ended.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return "nothing".to_owned(),
            Ok(0) | Err(_) => return CLOSED.to_owned(),
            Ok(n) => said.extend_from_slice(&chunk[..n]),
        }
    }
}

fn listen() -> (u16, std::net::TcpListener) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("non-blocking");
    (listener.local_addr().expect("an address").port(), listener)
}

/// These tests run one after the other: all servers of a process share its log and its memory.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|failed| failed.into_inner())
}

/// What all servers of this process have logged by now, as the product does by default.
fn log() -> String {
    static LOG: OnceLock<&'static Mutex<Vec<u8>>> = OnceLock::new();
    struct Kept(&'static Mutex<Vec<u8>>);
    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic while held").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let kept = LOG.get_or_init(|| {
        let kept: &'static Mutex<Vec<u8>> = Box::leak(Box::default());
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || Kept(kept)).init();
        kept
    });
    String::from_utf8_lossy(&kept.lock().expect("no panic while held")).into_owned()
}
