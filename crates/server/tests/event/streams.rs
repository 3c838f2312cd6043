//! Streams: items as they come, as many as are asked for.

use serde_json::{Value, json};

use super::execute::{body_of, lines, send};
use crate::http;
use crate::pipe::{Connection, Server};

fn items(lines: &[Value]) -> Vec<Value> {
    lines.iter().filter(|line| line["event"] == "item").map(|line| line["value"].clone()).collect()
}

fn streamed(pipe: &mut Connection, payload: Value) -> (Vec<Value>, Value) {
    send(pipe, json!({"id": 1, "command": "stream", "payload": payload}));
    let mut lines = lines(pipe);
    let last = lines.pop().expect("an answer");
    (items(&lines), last)
}

const NUMBERS: &str = "
log = []
def numbers(n):
    try:
        for i in range(n):
            log.append(i)
            yield i
    finally:
        log.append('closed')
None";

#[test]
fn every_iterable_is_a_stream() {
    let server = Server::start();
    let mut pipe = server.connect();
    let done = |count: u64| json!({"id": 1, "result": {"done": true, "count": count, "sessionEpoch": 1}});
    assert_eq!(streamed(&mut pipe, json!({"expression": "range(3)"})), (vec![json!(0), json!(1), json!(2)], done(3)));
    assert_eq!(streamed(&mut pipe, json!({"expression": "[]"})), (vec![], done(0)));
    let code = "import asyncio\nasync def a(n):\n    for i in range(n):\n        await asyncio.sleep(0)\n        yield i * i\na(4)";
    assert_eq!(streamed(&mut pipe, json!({"expression": code})).0, [0, 1, 4, 9].map(Value::from));
    let (many, last) = streamed(&mut pipe, json!({"expression": "(n * k for n in range(25000))", "locals": {"k": 2}}));
    assert_eq!(many, (0..25000).map(|n| json!(n * 2)).collect::<Vec<_>>());
    assert_eq!(last, done(25000));
    let (_, last) = streamed(&mut pipe, json!({"expression": "5"}));
    assert_eq!(last["errorInfo"]["exception"]["type"], "TypeError");
    let handle = pipe.ask("eval", json!({"expression": "{1}", "returnType": "handle"}))["handleId"].clone();
    assert_eq!(streamed(&mut pipe, json!({"handleId": handle})).0, [1]);
    let payload = json!({"handleId": handle, "methodName": "union", "args": [[2]]});
    assert_eq!(streamed(&mut pipe, payload).0, [1, 2]);
    pipe.ask("dispose", json!({"handleId": handle}));
}

#[test]
fn an_item_without_a_value_form_is_a_handle() {
    let server = Server::start();
    let mut pipe = server.connect();
    send(&mut pipe, json!({"id": 1, "command": "stream", "payload": {"expression": "[iter([7])]"}}));
    let passing = pipe.receive();
    assert_eq!(pipe.receive()["result"]["count"], 1);
    let told = pipe.refused("len", json!({"handleId": passing["handleId"]}), "handle_expired");
    assert!(told["detail"].as_str().is_some_and(|told| told.contains("with the callback or the stream")), "{told}");
    send(&mut pipe, json!({"id": 1, "command": "stream", "payload": {"expression": "[iter([7])]", "keep": true}}));
    let item = pipe.receive();
    assert_eq!((&item["isHandle"], &item["typeName"]), (&json!(true), &json!("list_iterator")));
    assert_eq!(pipe.receive()["result"]["count"], 1);
    let payload = json!({"handleId": item["handleId"], "methodName": "__next__"});
    assert_eq!(pipe.ask("call", payload)["value"], 7);
}

#[test]
fn credit_says_how_many_items_are_made() {
    let server = Server::start();
    let mut pipe = server.connect();
    server.eval(NUMBERS);
    let (first, last) = streamed(&mut pipe, json!({"expression": "numbers(5)", "credit": 2}));
    assert_eq!(first, [0, 1]);
    let told = &last["result"];
    assert_eq!((&told["done"], &told["count"], &told["typeName"]), (&json!(false), &json!(2), &json!("generator")));
    assert_eq!(server.eval("log"), json!([0, 1]));
    let next = |pipe: &mut Connection, credit: u64| {
        let payload = json!({"handleId": told["handleId"], "credit": credit});
        send(pipe, json!({"id": 1, "command": "next", "payload": payload}));
        lines(pipe)
    };
    let lines = next(&mut pipe, 2);
    assert_eq!((items(&lines), &lines[2]["result"]["done"]), (vec![json!(2), json!(3)], &json!(false)));
    let lines = next(&mut pipe, 2);
    assert_eq!((items(&lines), &lines[1]["result"]["done"]), (vec![json!(4)], &json!(true)));
    assert_eq!(next(&mut pipe, 1)[0]["errorInfo"]["code"], "unknown_handle");
    let (_, last) = streamed(&mut pipe, json!({"expression": "log.clear() or numbers(5)", "credit": 1}));
    pipe.ask("dispose", json!({"handleId": last["result"]["handleId"]}));
    assert_eq!(server.eval("log"), json!([0, "closed"]));
}

#[test]
fn a_stream_that_fails_gives_its_items_first() {
    let server = Server::start();
    let mut pipe = server.connect();
    let code = "def g():\n    yield 1\n    print('out')\n    raise KeyError('x')\ng()";
    send(&mut pipe, json!({"id": 1, "command": "stream", "payload": {"expression": code}}));
    let lines = lines(&mut pipe);
    assert_eq!(items(&lines), [1]);
    assert!(lines.iter().any(|line| line["text"] == "out\n"), "{lines:?}");
    assert_eq!(lines.last().expect("an error")["errorInfo"]["exception"]["type"], "KeyError");
}

#[test]
fn other_calls_come_between_items() {
    let server = Server::start();
    let mut pipe = server.connect();
    let code = "import time\ndef g():\n    global seen\n    seen = 0\n    while not seen:\n        time.sleep(0.005)\n        yield 1\ng()";
    send(&mut pipe, json!({"id": 1, "command": "stream", "payload": {"expression": code}}));
    assert_eq!(pipe.receive()["value"], 1);
    server.connect().ask("eval", json!({"expression": "seen = 1"}));
    assert_eq!(lines(&mut pipe).last().expect("an answer")["result"]["done"], true);
}

#[test]
fn disconnect_closes_the_generator_at_once() {
    let server = Server::start();
    server.eval(NUMBERS);
    server.eval(
        "import time\ndef slow():\n    try:\n        yield 1\n        time.sleep(1000)\n    finally: log.append('closed')\n\
         async def aslow():\n    import asyncio\n    try:\n        yield 1\n        await asyncio.sleep(1000)\n    finally: log.append('closed')\nNone",
    );
    // In the middle of an item, of an awaited one, between two rounds, and where nothing of many items was read.
    for code in ["slow()", "aslow()", "numbers(10**9)"] {
        server.eval("log.clear()");
        let mut pipe = server.connect();
        send(&mut pipe, json!({"id": 1, "command": "stream", "payload": {"expression": code}}));
        assert_eq!(pipe.receive()["event"], "item");
        drop(pipe);
        assert_eq!(closed(&server), 1, "{code}");
    }
}

/// Waits until the log says that the generator is closed; of that there is no event. Gives how often it says so.
fn closed(server: &Server) -> u64 {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let count = server.eval("log.count('closed')").as_u64().expect("a number");
        if count > 0 || std::time::Instant::now() > end {
            return count;
        }
    }
}

#[test]
fn slow_reader_delays_no_other() {
    let server = Server::start();
    server.eval(NUMBERS);
    let mut pipe = server.connect();
    send(
        &mut pipe,
        json!({"id": 1, "command": "stream", "payload": {"expression": "('x' * 1000 for _ in numbers(10**9))"}}),
    );
    assert_eq!(pipe.receive()["event"], "item");
    let mut made = server.eval("log[-1]");
    loop {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = server.eval("log[-1]");
        if now == made {
            break;
        }
        made = now;
    }
    assert!(made.as_u64().is_some_and(|made| made < 20_000), "{made} items were made for nobody");
}

#[test]
fn http_streams_too() {
    let server = http::Server::start();
    let accept = [("accept", "application/x-ndjson")];
    let (_, text) = body_of(&server, "/api/stream", &accept, &json!({"expression": "'ab'"}));
    assert_eq!(
        text,
        "{\"event\":\"item\",\"value\":\"a\"}\n{\"event\":\"item\",\"value\":\"b\"}\n\
         {\"event\":\"result\",\"done\":true,\"count\":2,\"sessionEpoch\":1}\n"
    );
}
