//! Data after the lines.

use beep_python_server::auth::AccessConfig;
use serde_json::{Value, json};

use crate::pipe::{Server, expect_problem};

fn put(name: &str, length: usize) -> Value {
    json!({ "command": "put", "payload": { "name": name }, "via": "inline", "data": [{ "byteLength": length }] })
}

#[test]
fn data_of_a_wrong_request_are_read_all_the_same() {
    let server = Server::start();
    let mut pipe = server.connect();
    // What looks like a request within the data is none.
    let smuggled = "\n{\"command\":\"eval\",\"payload\":{\"expression\":\"smuggled = 1\"}}\n";
    for line in [
        json!({ "command": "nothing", "via": "inline", "data": [{ "byteLength": smuggled.len() }] }),
        json!({ "command": "put", "payload": 5, "via": "inline", "data": [{ "byteLength": smuggled.len() }] }),
        json!({ "command": "ping", "fds": 2, "via": "inline", "data": [{ "byteLength": smuggled.len() }] }),
    ] {
        pipe.send(format!("{line}\n{smuggled}"));
        assert!(pipe.receive()["error"].is_string(), "{line}");
    }
    pipe.send(format!("{}\n{smuggled}", put("kept", smuggled.len())));
    assert_eq!(pipe.receive()["result"]["success"], true);
    assert_eq!(pipe.ask("eval", json!({ "expression": "'smuggled' in globals()" }))["value"], false);
    assert_eq!(pipe.ask("eval", json!({ "expression": "kept.decode()" }))["value"], smuggled);
}

#[test]
fn a_line_that_cannot_be_read_ends_the_connection_where_data_may_follow() {
    let server = Server::start();
    for line in ["{\"via\":\"inline\",", "{\"command\":\"put\",\"via\":\"inline\",\"data\":[5]}"] {
        let mut pipe = server.connect();
        pipe.send(format!("{line}\n{{\"command\":\"eval\",\"payload\":{{\"expression\":\"smuggled = 1\"}}}}\n"));
        expect_problem(&pipe.receive(), "invalid_request");
        expect_problem(&pipe.receive(), "invalid_request");
        assert!(pipe.is_closed());
    }
    assert_eq!(server.eval("'smuggled' in globals()"), false);
}

#[test]
fn data_may_arrive_in_any_pieces_and_beside_other_requests() {
    let server = Server::start();
    let mut pipe = server.connect();
    let data: Vec<u8> = (0..200_000_u32).map(|n| (n * 7) as u8).collect();
    let put = format!("{}\n", put("pieces", data.len()));
    let ping = "{\"command\":\"ping\"}\n";
    let all = [put.as_bytes(), &data, ping.as_bytes()].concat();
    for piece in all.chunks(9_973) {
        pipe.send(piece);
    }
    assert_eq!(pipe.receive()["result"]["success"], true);
    assert_eq!(pipe.receive()["result"]["status"], "ok");
    let sum: u64 = data.iter().map(|byte| u64::from(*byte)).sum();
    assert_eq!(pipe.ask("eval", json!({ "expression": "sum(pieces)" }))["value"], sum);
    // Answers with data and without go in the order in which they are ready, each whole.
    for id in 0..20 {
        pipe.send(format!("{{\"id\":{id},\"command\":\"fetch\",\"payload\":{{\"expression\":\"pieces\"}}}}\n"));
        pipe.send(format!("{{\"id\":\"p{id}\",\"command\":\"ping\"}}\n"));
    }
    let (mut fetched, mut pinged) = (0, 0);
    while fetched + pinged < 40 {
        let line = pipe.receive();
        match line["via"].as_str() {
            None => pinged += 1,
            Some(via) => {
                assert_eq!((via, &line["result"]["data"]["byteLength"]), ("inline", &json!(data.len())), "{line}");
                assert!(pipe.receive_bytes(data.len()) == data, "other bytes came");
                fetched += 1;
            }
        }
    }
    assert_eq!((fetched, pinged), (20, 20));
}

#[test]
fn data_over_the_limit_are_refused() {
    let server = Server::with(AccessConfig { max_data_bytes: 1000, ..AccessConfig::default() });
    let mut pipe = server.connect();
    pipe.send(format!("{}\n", put("x", 1001)));
    expect_problem(&pipe.receive(), "body_too_large");
    assert!(pipe.is_closed());
    let mut pipe = server.connect();
    pipe.send(format!("{}\n{}", put("x", 1000), "y".repeat(1000)));
    assert_eq!(pipe.receive()["result"]["success"], true);
    let mut shared = put("x", 4);
    shared["data"][0]["shared"] = true.into();
    pipe.send(format!("{shared}\n0123"));
    expect_problem(&pipe.receive(), "invalid_request");
    let many: Vec<_> = (0..17).map(|_| json!({ "byteLength": 0 })).collect();
    pipe.send(format!("{}\n", json!({ "command": "put", "via": "inline", "data": many })));
    expect_problem(&pipe.receive(), "body_too_large");
}

/// What a client has not read yet lies in the socket, and must not change when the memory is used for the next answer.
#[test]
fn data_that_are_not_read_yet_stay_what_they_were() {
    let server = Server::start();
    let fetch =
        |letter: char| json!({ "command": "fetch", "payload": { "expression": format!("b'{letter}' * size") } });
    for size in [1, 5_000, 50_000, 150_000, 3_000_000] {
        let code = format!("size = {size}");
        server.connect().ask("eval", json!({ "expression": code }));
        let (mut slow, mut quick) = (server.connect(), server.connect());
        slow.send(format!("{}\n", fetch('A')));
        assert_eq!(slow.receive()["result"]["data"]["byteLength"], size);
        for _ in 0..3 {
            assert_eq!(quick.line(fetch('B').to_string())["via"], "inline");
            assert!(quick.receive_bytes(size).iter().all(|byte| *byte == b'B'), "{size}");
        }
        assert!(slow.receive_bytes(size).iter().all(|byte| *byte == b'A'), "{size} other bytes came");
    }
}

#[test]
fn empty_data_are_data() {
    let server = Server::start();
    let mut pipe = server.connect();
    for _ in 0..3 {
        let line = pipe.line(json!({ "command": "fetch", "payload": { "expression": "b''" } }).to_string());
        assert_eq!((&line["via"], &line["result"]["data"]["byteLength"]), (&json!("inline"), &json!(0)));
        let code = json!({ "expression": "b''", "returnType": "bytes" });
        let line = pipe.line(json!({ "command": "eval", "payload": code, "via": "inline" }).to_string());
        assert_eq!(line["via"], "inline");
        assert_eq!(pipe.ask("eval", json!({ "expression": "1" }))["value"], 1);
    }
}

#[test]
fn data_go_with_requests_that_have_events_too() {
    let server = Server::start();
    let mut pipe = server.connect();
    for (command, payload) in [
        ("execute", json!({ "expression": "print(sum(a), end='')", "locals": { "a": { "$data": 0 } } })),
        ("stream", json!({ "expression": "(n for n in a)", "locals": { "a": { "$data": 0 } } })),
    ] {
        let data = json!([{ "byteLength": 3 }]);
        let line = json!({ "id": 1, "command": command, "payload": payload, "via": "inline", "data": data });
        pipe.send(format!("{line}\n\u{1}\u{2}\u{3}"));
        let mut told = String::new();
        loop {
            let line = pipe.receive();
            told += &line.to_string();
            if line.get("event").is_none() {
                break;
            }
        }
        assert!(told.contains(r#""text":"6""#) || told.contains(r#""value":3"#), "{command}: {told}");
    }
    let answer = json!({ "request": "x", "question": 1, "value": { "$data": 0 } });
    pipe.send(format!(
        "{}\nabc",
        json!({ "command": "answer", "payload": answer, "via": "inline", "data": [{ "byteLength": 3 }] })
    ));
    expect_problem(&pipe.receive(), "invalid_request");
}
