//! A host that answers what its test tells it to.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use beep_python_client::HttpBackend;
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The connection, counted from 0.
    pub(crate) connection: usize,
    /// `POST /api/eval`.
    pub(crate) route: String,
    /// The headers, names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// The body.
    pub(crate) body: Json,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// What to answer.
pub(crate) struct Scripted {
    bytes: Vec<u8>,
    close: bool,
}

impl Scripted {
    /// A success.
    pub(crate) fn json(body: &str) -> Scripted {
        Scripted::answer(200, "application/json", "", body.as_bytes())
    }

    /// A failure.
    pub(crate) fn problem(status: u16, body: &str) -> Scripted {
        Scripted::answer(status, "application/problem+json", "", body.as_bytes())
    }

    pub(crate) fn answer(status: u16, kind: &str, headers: &str, body: &[u8]) -> Scripted {
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{headers}content-length: {}\r\n\r\n", body.len());
        Scripted { bytes: [head.as_bytes(), body].concat(), close: false }
    }

    /// These bytes and nothing more.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Scripted {
        Scripted { bytes: bytes.into(), close: false }
    }

    /// The same, and the connection is closed without a word.
    pub(crate) fn then_close(self) -> Scripted {
        Scripted { close: true, ..self }
    }
}

/// A listening host. It ends with the test.
pub(crate) struct Fake {
    pub(crate) backend: HttpBackend,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    closed: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Fake {
    /// Starts a host that answers every request with what `script` makes of it.
    pub(crate) async fn start(script: impl Fn(&Seen) -> Scripted + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let closed = Arc::new(Notify::new());
        let script = Arc::new(script);
        let task = tokio::spawn({
            let (seen, connections, closed) = (seen.clone(), connections.clone(), closed.clone());
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let connection = connections.fetch_add(1, Ordering::SeqCst);
                    let (seen, closed, script) = (seen.clone(), closed.clone(), script.clone());
                    tokio::spawn(async move {
                        serve(stream, connection, &seen, &*script).await;
                        closed.notify_one();
                    });
                }
            }
        });
        Fake { backend: HttpBackend::connect(&endpoint).unwrap(), seen, connections, closed, task }
    }

    /// Starts a host that gives the same answer to every request.
    pub(crate) async fn always(body: &'static str) -> Fake {
        Fake::start(move |_| Scripted::json(body)).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.into_iter().next().unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until the host has closed a connection.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Script = dyn Fn(&Seen) -> Scripted + Send + Sync;

async fn serve(stream: TcpStream, connection: usize, seen: &Mutex<Vec<Seen>>, script: &Script) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream, connection).await {
        let answer = script(&request);
        seen.lock().unwrap().push(request);
        if stream.write_all(&answer.bytes).await.is_err() || answer.close {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>, connection: usize) -> Option<Seen> {
    let mut route = String::new();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line if route.is_empty() => route = line.trim_end_matches(" HTTP/1.1").to_owned(),
            line => {
                let (name, value) = line.split_once(": ").unwrap();
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
        }
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = if body.is_empty() { Json::Null } else { serde_json::from_slice(&body).unwrap() };
    Some(Seen { connection, route, headers, body })
}
