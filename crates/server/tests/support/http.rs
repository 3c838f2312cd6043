//! A server to ask, and a client that sends exactly what a test says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use beep_python_server::auth::AccessConfig;
use beep_python_server::http::serve;
use serde_json::Value;

use super::host::Running;

/// A running HTTP backend; stopped and waited for when dropped.
pub struct Server {
    pub port: u16,
    pub token: String,
    running: Running,
}

impl Server {
    pub fn start() -> Server {
        Server::with(AccessConfig::default())
    }

    pub fn with(config: AccessConfig) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let port = listener.local_addr().expect("an address").port();
        let running = Running::start(config, move |host, stop| serve(vec![listener], host, stop));
        let token_file = running.folder.path().join("token");
        let token = std::fs::read_to_string(&token_file).expect("a token").trim().to_owned();
        Server { port, token, running }
    }

    /// A connection of its own.
    pub fn connect(&self) -> Connection {
        Connection::open(self.port)
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
        self.running.tell_to_stop();
    }
}

/// A connection to a backend that speaks HTTP/1.1.
pub struct Connection {
    pub stream: TcpStream,
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
    pub fn open(port: u16) -> Connection {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        Connection { stream, read: Vec::new(), port }
    }

    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.request("POST", path, headers, body)
    }

    pub fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.request_bytes(method, path, headers, body.as_bytes())
    }

    pub fn request_bytes(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
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
        self.send(&[head.as_bytes(), b"\r\n", body].concat());
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
        if response.header("transfer-encoding") == Some("chunked") {
            self.read.drain(..end);
            response.body = self.chunks();
            return response;
        }
        let length: usize = match status {
            204 => 0, // no content
            _ => response.header("content-length").expect("a length").parse().expect("a number"),
        };
        while self.read.len() < end + length {
            self.more();
        }
        response.body = self.read[end..end + length].to_vec();
        self.read.drain(..end + length);
        response
    }

    /// The chunks of a body, to its end.
    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let Some(at) = self.read.windows(2).position(|two| two == b"\r\n") else {
                self.more();
                continue;
            };
            let size = std::str::from_utf8(&self.read[..at]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
            let size = size.expect("the size of a chunk");
            while self.read.len() < at + size + 4 {
                self.more();
            }
            body.extend_from_slice(&self.read[at + 2..at + 2 + size]);
            self.read.drain(..at + size + 4);
            if size == 0 {
                return body;
            }
        }
    }

    /// Asks for a head alone, which ends where a body would begin.
    pub fn head(&mut self, path: &str) -> String {
        self.send(format!("HEAD {path} HTTP/1.1\r\nhost: localhost:{}\r\n\r\n", self.port).as_bytes());
        while !self.read.ends_with(b"\r\n\r\n") {
            self.more();
        }
        String::from_utf8(std::mem::take(&mut self.read)).expect("an ASCII head")
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&mut self) -> bool {
        loop {
            match self.stream.read(&mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock, // which says that the time is over
                Ok(read) => return read == 0,
            }
        }
    }

    fn more(&mut self) {
        let mut chunk = [0; 65536];
        let n = loop {
            match self.stream.read(&mut chunk) {
                // A read with a time limit is not resumed after a signal, such as that a worker of this process ended.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read.expect("an answer"),
            }
        };
        assert!(n > 0, "the server closed; it had said: {}", String::from_utf8_lossy(&self.read));
        self.read.extend_from_slice(&chunk[..n]);
    }
}
