//! A server to ask, and a client that sends exactly what a test says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use beep_python_runtime::interpreter::{PythonRuntimeManager, SearchPaths, discover};
use beep_python_runtime::platform::Home;
use beep_python_runtime::session::{SessionLimits, Sessions, SessionsOptions};
use beep_python_server::Host;
use beep_python_server::door::{Door, DoorConfig, Token};
use beep_python_server::http::serve;
use serde_json::Value;
use tokio::sync::watch;

/// A running HTTP backend; stopped and waited for when dropped.
pub struct Server {
    pub port: u16,
    pub token: String,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    _home: tempfile::TempDir,
}

/// The newest Python of the machine.
pub fn python(home: &Home) -> PathBuf {
    let found = discover(home, &SearchPaths::from_env()).expect("a search");
    found.first().expect("these tests need a CPython of 3.9 or later").path.clone()
}

impl Server {
    pub fn start() -> Server {
        Server::with(DoorConfig::default())
    }

    pub fn with(config: DoorConfig) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let python = python(&home);
        let found = discover(&home, &SearchPaths::from_env()).expect("a search");
        PythonRuntimeManager::new(home.clone()).adopt(&found[0]).expect("adopted");
        let token_file = folder.path().join("token");
        let token = Token::load_or_create(&token_file).expect("a token");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let port = listener.local_addr().expect("an address").port();
        let (stop, stopping) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let sessions = Sessions::start(SessionsOptions {
                    python,
                    environment: home.root().join("environments/none"),
                    home: home.clone(),
                    preload: Vec::new(),
                    directory: None,
                    limits: SessionLimits::default(),
                })
                .await
                .expect("sessions start");
                let sessions = Arc::new(sessions);
                let host = Arc::new(Host {
                    sessions: sessions.clone(),
                    door: Door::new(config, token),
                    python_version: sessions.python_version().await.expect("a version"),
                    began: Instant::now(),
                });
                let mut stopped = stopping.clone();
                let serving = tokio::spawn(serve(vec![listener], host, stopping));
                let _ = stopped.wait_for(|stop| *stop).await;
                sessions.shut_down(Duration::from_secs(5)).await;
                serving.await.expect("no panic").expect("served");
            });
        });
        let token = std::fs::read_to_string(&token_file).expect("a token").trim().to_owned();
        Server { port, token, stop, thread: Some(thread), _home: folder }
    }

    /// A connection of its own.
    pub fn connect(&self) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        Connection { stream, read: Vec::new(), port: self.port }
    }

    /// Posts JSON, as a stranger's client would.
    pub fn post(&self, path: &str, body: Value) -> Response {
        self.connect().post(path, &[], &body.to_string())
    }

    pub fn get(&self, path: &str) -> Response {
        self.connect().request("GET", path, &[], "")
    }

    /// Evaluates, and gives the value.
    pub fn eval(&self, code: &str) -> Value {
        let response = self.post("/api/eval", serde_json::json!({ "expression": code }));
        assert_eq!(response.status, 200, "{code}: {}", response.json());
        response.json()["value"].clone()
    }

    /// Tells the server to stop, without waiting for it.
    pub fn tell_to_stop(&self) {
        let _ = self.stop.send(true);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tell_to_stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
    port: u16,
}

pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// An error of this status and code, in the form that all errors have.
    pub fn expect_problem(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!((self.status, body["code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
        body
    }
}

impl Connection {
    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.request("POST", path, headers, body)
    }

    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        let given = |name: &str| headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        if !given("host") {
            head.push_str(&format!("host: localhost:{}\r\n", self.port));
        }
        if method != "GET" && !given("content-type") {
            head.push_str("content-type: application/json\r\n");
        }
        if method != "GET" && !given("content-length") && !given("transfer-encoding") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.send(format!("{head}\r\n{body}").as_bytes());
        self.receive()
    }

    /// Sends bytes as they are. A server that has heard enough may have closed, which its answer tells.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn receive(&mut self) -> Response {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more();
        };
        let head = String::from_utf8(self.read[..end].to_vec()).expect("an ASCII head");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        let mut response = Response { status, head, body: Vec::new() };
        let length: usize = response.header("content-length").expect("a length").parse().expect("a number");
        while self.read.len() < end + length {
            self.more();
        }
        response.body = self.read[end..end + length].to_vec();
        self.read.drain(..end + length);
        response
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0) | Err(_))
    }

    fn more(&mut self) {
        let mut chunk = [0; 65536];
        let n = self.stream.read(&mut chunk).expect("an answer");
        assert!(n > 0, "the server closed; it had said: {}", String::from_utf8_lossy(&self.read));
        self.read.extend_from_slice(&chunk[..n]);
    }
}
