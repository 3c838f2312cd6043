//! Clients that vanish, workers that are killed: no memory is left.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::{http, pipe};

/// How many memories of data this process, which is the server, has open.
fn open_memories() -> usize {
    let all = std::fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
    let is_memory = |path: std::path::PathBuf| path.to_string_lossy().starts_with("/memfd:beep-python-data");
    all.filter(|one| std::fs::read_link(one.path()).is_ok_and(is_memory)).count()
}

/// Waits until the count is back at what it was.
fn await_memories(before: usize) {
    let began = Instant::now();
    while open_memories() > before {
        assert!(began.elapsed() < Duration::from_secs(20), "{} memories are left", open_memories() - before);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One test: the count is of the whole process.
#[test]
fn nothing_is_left_of_clients_that_vanish() {
    let (http, pipe) = (http::Server::start(), pipe::Server::start());
    let (warm, before) = (http.eval("1"), open_memories());
    assert_eq!(warm, 1);
    // In the middle of a put.
    let mut client = http.connect();
    client.send(b"POST /api/put?name=x HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\ncontent-length: 1000000\r\n\r\nbeginning");
    let mut other = pipe.connect();
    other.send("{\"command\":\"put\",\"payload\":{\"name\":\"x\"},\"via\":\"inline\",\"data\":[{\"byteLength\":1000000}]}\nbeginning");
    let began = Instant::now();
    while open_memories() < before + 2 {
        assert!(began.elapsed() < Duration::from_secs(20), "the puts have begun");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop((client, other));
    await_memories(before);
    assert_eq!(http.eval("'x' in globals()"), false);
    // In the middle of a fetch.
    let fetch = json!({ "expression": "bytes(50_000_000)" }).to_string();
    let mut client = http.connect();
    client.send(format!("POST /api/fetch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{fetch}", fetch.len()).as_bytes());
    client.stream.read_exact(&mut [0; 1000]).expect("its beginning");
    let mut other = pipe.connect();
    other.send(format!("{{\"command\":\"fetch\",\"payload\":{fetch}}}\n"));
    other.stream.read_exact(&mut [0; 1000]).expect("its beginning");
    assert_eq!(open_memories(), before + 2, "both are on their way");
    drop((client, other));
    await_memories(before);
    // Files of a connection end with it.
    let mut client = pipe.connect();
    let answer =
        client.line(json!({ "command": "fetch", "payload": { "expression": "b'x'" }, "via": "file" }).to_string());
    assert!(answer["path"].is_string() && open_memories() == before + 1);
    drop(client);
    await_memories(before);
    // A worker that is killed while it has data, and while it makes them.
    let kept = http.connect().request(
        "POST",
        "/api/put?name=x",
        &[("Content-Type", "application/octet-stream"), ("X-Beep-Dtype", "|u1")],
        "data",
    );
    assert_eq!(kept.status, 200);
    http.post("/api/fetch", json!({ "expression": "import os; os.kill(os.getpid(), 9)" }))
        .expect_problem(502, "worker_died");
    let killer = "import os, threading, time\nthreading.Timer(0.02, lambda: os.kill(os.getpid(), 9)).start()\nbytes(300_000_000)";
    let mut client = http.connect();
    let ended = client.post("/api/fetch", &[], &json!({ "expression": killer }).to_string());
    assert!(matches!(ended.status, 200 | 502), "{}", ended.status);
    drop((client, ended));
    await_memories(before);
    assert_eq!(http.eval("1 + 1"), 2);
    std::io::stdout().flush().expect("flushed");
}
