//! Data as descriptors, and as files.

use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use beep_python_memory::{Memory, MemoryWriter, receive, send};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use serde_json::{Value, json};

use crate::pipe::{Connection, Server, expect_problem};

fn memory(bytes: &[u8]) -> Memory {
    let mut writer = MemoryWriter::create().expect("memory");
    writer.write_all(bytes).expect("written");
    writer.finish().expect("sealed")
}

/// Sends a line with descriptors, and reads the line that answers it.
fn ask(pipe: &mut Connection, line: Value, descriptors: &[BorrowedFd<'_>]) -> Value {
    send_line(pipe, line, descriptors);
    pipe.receive()
}

fn send_line(pipe: &mut Connection, line: Value, descriptors: &[BorrowedFd<'_>]) {
    let text = format!("{line}\n");
    assert_eq!(send(&pipe.stream, text.as_bytes(), descriptors).expect("sent"), text.len());
}

/// Reads a line and the descriptors that come with it.
fn receive_with_descriptors(pipe: &mut Connection) -> (Value, Vec<OwnedFd>) {
    let (mut text, mut descriptors, mut buffer) = (Vec::new(), Vec::new(), vec![0; 4096]);
    while !text.ends_with(b"\n") {
        let wait = rustix::event::PollFd::new(&pipe.stream, rustix::event::PollFlags::IN);
        rustix::event::poll(&mut [wait], None).expect("waited");
        let received = receive(&pipe.stream, &mut buffer, &mut descriptors).expect("received");
        assert!(received.bytes > 0 && !received.truncated, "the server closed");
        text.extend_from_slice(&buffer[..received.bytes]);
    }
    (serde_json::from_slice(&text).expect("one line"), descriptors)
}

fn put(name: &str, data: Value) -> Value {
    json!({ "command": "put", "payload": { "name": name }, "via": "fd", "fds": 1, "data": [data] })
}

#[test]
fn descriptors_go_both_ways() {
    let server = Server::start();
    let mut pipe = server.connect();
    let sent = memory(b"__\x01\x00\x02\x00\x03\x00");
    let described = json!({ "dtype": "<i2", "shape": [3], "byteLength": 6, "offset": 2 });
    let kept = ask(&mut pipe, put("row", described), &[sent.as_fd()]);
    assert_eq!(kept["result"]["success"], true, "{kept}");
    assert_eq!(pipe.ask("eval", json!({ "expression": "list(row)" }))["value"], json!([1, 2, 3]));
    send_line(&mut pipe, json!({ "command": "fetch", "payload": { "expression": "row" }, "via": "fd", "id": 7 }), &[]);
    let (answer, mut descriptors) = receive_with_descriptors(&mut pipe);
    assert_eq!((&answer["id"], &answer["via"], &answer["fds"]), (&json!(7), &json!("fd"), &json!(1)), "{answer}");
    let memory = Memory::received(descriptors.remove(0)).expect("sealed memory");
    assert_eq!(
        memory.read_at(answer["result"]["data"]["offset"].as_u64().unwrap_or(0), 6).expect("read"),
        &b"\x01\0\x02\0\x03\0"[..]
    );
    assert!(memory.is_snapshot() && descriptors.is_empty());
}

#[test]
fn arguments_stand_for_the_data_of_their_request() {
    let server = Server::start();
    let mut pipe = server.connect();
    let (one, two) = (memory(b"one"), memory(b"two"));
    let line = json!({
        "command": "eval", "via": "fd", "fds": 2, "data": [{ "byteLength": 3 }, { "byteLength": 3 }],
        "payload": {
            "expression": "[bytes(a).decode(), bytes(b).decode(), a is again]",
            "locals": { "a": { "$data": 0 }, "b": { "$data": 1 }, "again": { "$data": 0 } },
        },
    });
    let answer = ask(&mut pipe, line, &[one.as_fd(), two.as_fd()]);
    assert_eq!(answer["result"]["value"], json!(["one", "two", true]), "{answer}");
}

#[test]
fn bad_descriptors_are_refused_and_cost_nothing_else() {
    let server = Server::start();
    let mut pipe = server.connect();
    let good = memory(b"0123");
    let unsealed = memfd_create("x", MemfdFlags::ALLOW_SEALING).expect("memory");
    let (pipe_end, _other) = rustix::pipe::pipe().expect("a pipe");
    let shrinks_not = memfd_create("x", MemfdFlags::ALLOW_SEALING).expect("memory");
    fcntl_add_seals(&shrinks_not, SealFlags::SHRINK).expect("sealed");
    let path = format!("/proc/self/fd/{}", shrinks_not.as_raw_fd());
    let written_only = std::fs::OpenOptions::new().write(true).open(path).expect("the memory");
    for (descriptor, data, said) in [
        (written_only.as_fd(), json!({ "byteLength": 0 }), "writing only"),
        (good.as_fd(), json!({ "byteLength": 5 }), "has 4 bytes"),
        (good.as_fd(), json!({ "byteLength": 1, "offset": u64::MAX }), "has 4 bytes"),
        (unsealed.as_fd(), json!({ "byteLength": 0 }), "not sealed"),
        (pipe_end.as_fd(), json!({ "byteLength": 0 }), "no memfd"),
        (shrinks_not.as_fd(), json!({ "byteLength": 0, "shared": true }), "F_SEAL_GROW"),
        (good.as_fd(), json!({ "byteLength": 4, "dtype": "<f8", "shape": [1] }), "8 bytes"),
        (good.as_fd(), json!({ "byteLength": 4, "dtype": "|O" }), "|O"),
        (good.as_fd(), json!({ "byteLength": 4, "dtype": "nonsense" }), "nonsense"),
        (good.as_fd(), json!({ "byteLength": 4, "format": "npy" }), "npy"),
    ] {
        let told = expect_problem(&ask(&mut pipe, put("x", data.clone()), &[descriptor]), "invalid_request");
        assert!(told["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{data}: {told}");
    }
    let told = expect_problem(&ask(&mut pipe, put("x", json!({ "byteLength": 4 })), &[]), "data_lost");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("0 of 1")), "{told}");
    let none = json!({ "command": "put", "via": "fd", "payload": { "name": "x" } });
    expect_problem(&ask(&mut pipe, none, &[]), "invalid_request");
    assert_eq!(ask(&mut pipe, put("x", json!({ "byteLength": 4 })), &[good.as_fd()])["result"]["success"], true);
    assert_eq!(pipe.ask("eval", json!({ "expression": "bytes(x).decode()" }))["value"], "0123");
}

#[test]
fn descriptors_that_no_line_claims_end_the_connection() {
    let server = Server::start();
    let mut pipe = server.connect();
    let (one, line) = (memory(b"x"), json!({ "command": "ping" }));
    for _ in 0..20 {
        let text = format!("{line}\n");
        if send(&pipe.stream, text.as_bytes(), &[one.as_fd(); 16]).is_err() {
            break; // it has ended
        }
    }
    while pipe.stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).is_ok() {
        let mut buffer = [0; 4096];
        match std::io::Read::read(&mut pipe.stream, &mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    assert_eq!(server.eval("1 + 1"), 2);
}

#[test]
fn shared_memory_is_one_for_both_sides() {
    let server = Server::start();
    let mut pipe = server.connect();
    let shared = memfd_create("x", MemfdFlags::ALLOW_SEALING).expect("memory");
    rustix::fs::ftruncate(&shared, 4096).expect("a size");
    fcntl_add_seals(&shared, SealFlags::SHRINK | SealFlags::GROW).expect("sealed");
    let described = json!({ "dtype": "|u1", "shape": [4], "byteLength": 4, "shared": true });
    assert_eq!(ask(&mut pipe, put("both", described), &[shared.as_fd()])["result"]["success"], true);
    pipe.ask("eval", json!({ "expression": "both[2] = 7" }));
    let file = std::fs::File::from(shared);
    let mut seen = [0; 4];
    file.read_exact_at(&mut seen, 0).expect("read");
    assert_eq!(seen, [0, 0, 7, 0]);
    file.write_all_at(&[9], 0).expect("written");
    assert_eq!(pipe.ask("eval", json!({ "expression": "list(both)" }))["value"], json!([9, 0, 7, 0]));
    // An array that the session shares comes as the memory itself.
    pipe.ask("eval", json!({ "expression": "import beep_python; own = beep_python.shared_array((4,), 'u1')" }));
    send_line(
        &mut pipe,
        json!({ "command": "fetch", "payload": { "expression": "own", "kind": "array" }, "via": "fd" }),
        &[],
    );
    let (answer, mut descriptors) = receive_with_descriptors(&mut pipe);
    assert_eq!(answer["result"]["data"]["live"], true, "{answer}");
    let memory = Memory::received(descriptors.remove(0)).expect("sealed memory");
    let offset = answer["result"]["data"]["offset"].as_u64().unwrap_or(0);
    pipe.ask("eval", json!({ "expression": "own[1] = 5" }));
    assert_eq!(memory.read_at(offset, 4).expect("read"), &[0, 5, 0, 0][..]);
    assert!(!memory.is_snapshot());
}

#[test]
fn files_are_there_until_they_are_released() {
    let server = Server::start();
    let mut pipe = server.connect();
    let fetch = json!({ "command": "fetch", "payload": { "expression": "b'contents'" }, "via": "file" });
    let answer = pipe.line(fetch.to_string());
    let path = answer["path"].as_str().expect("a path").to_owned();
    assert_eq!(std::fs::read(&path).expect("read"), b"contents");
    assert_eq!(pipe.ask("release", json!({ "path": path }))["released"], true);
    assert_eq!(pipe.ask("release", json!({ "path": path }))["released"], false);
    pipe.refused("release", json!({}), "invalid_request");

    let name = format!("/dev/shm/beep-python-test-{}-files", std::process::id());
    std::fs::write(&name, b"__from a file").expect("written");
    let with = |path: &str, length: u64| {
        let data = json!({ "byteLength": length, "offset": 2, "path": path });
        json!({ "command": "put", "payload": { "name": "x" }, "via": "file", "data": [data] }).to_string()
    };
    assert_eq!(pipe.line(with(&name, 11))["result"]["success"], true);
    assert_eq!(pipe.ask("eval", json!({ "expression": "x.decode()" }))["value"], "from a file");
    expect_problem(&pipe.line(with(&name, 12)), "invalid_request");
    expect_problem(&pipe.line(with("/etc/passwd", 1)), "invalid_request");
    expect_problem(&pipe.line(with("/dev/shm/../../etc/passwd", 1)), "invalid_request");
    std::fs::remove_file(&name).expect("removed");
    expect_problem(&pipe.line(with(&name, 1)), "invalid_request");
}
