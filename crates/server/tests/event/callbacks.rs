//! Callbacks: Python calls what a client named.

use serde_json::{Value, json};

use super::execute::{body_of, lines, send};
use crate::http;
use crate::pipe::{Connection, Server};

fn call(pipe: &mut Connection, code: &str, values: &str) {
    let payload = json!({"expression": code, "locals": {"f": {"$callback": "add"}}});
    send(
        pipe,
        json!({"id": 1, "command": "eval", "payload": payload, "capabilities": ["callbacks"], "values": values}),
    );
}

fn answer(server: &Server, asked: &Value, value: Value) {
    server.connect().ask("answer", json!({"questionId": asked["questionId"], "value": value}));
}

#[test]
fn a_callback_gets_its_arguments_and_gives_its_answer() {
    let server = Server::start();
    let mut pipe = server.connect();
    call(&mut pipe, "print('p')\nf(1, 'two', object(), key=[4.5]) + 1", "plain");
    assert_eq!(pipe.receive()["text"], "p\n");
    let asked = pipe.receive();
    assert_eq!((&asked["event"], &asked["name"], &asked["nested"]), (&json!("callback"), &json!("add"), &json!(true)));
    assert_eq!((&asked["args"][0], &asked["args"][1]), (&json!({"value": 1}), &json!({"value": "two"})));
    assert_eq!(asked["args"][2]["typeName"], "object");
    assert_eq!(asked["kwargs"], json!({"key": {"value": [4.5]}}));
    let object = json!({"handleId": asked["args"][2]["handleId"]});
    answer(&server, &asked, json!(41));
    assert_eq!(pipe.receive()["result"]["value"], 42);
    pipe.refused("dir", object, "handle_expired");
    call(&mut pipe, "f((1, float('nan')))", "exact");
    let asked = pipe.receive();
    assert_eq!(asked["args"], json!([{"value": {"$tuple": [1, {"$float": "NaN"}]}}]));
    let payload = json!({"questionId": asked["questionId"], "value": {"$tuple": [2]}});
    let answer = json!({"id": 2, "command": "answer", "payload": payload, "values": "exact"});
    assert_eq!(server.connect().line(answer.to_string())["result"]["success"], true);
    assert_eq!(pipe.receive()["result"]["value"], json!({"$tuple": [2]}));
}

#[test]
fn a_callback_that_fails_raises() {
    let server = Server::start();
    let mut pipe = server.connect();
    call(
        &mut pipe,
        "import beep_python\ntry: f()\nexcept beep_python.CallbackError as error: told = str(error)\ntold",
        "plain",
    );
    let asked = pipe.receive();
    server.connect().ask("answer", json!({"questionId": asked["questionId"], "error": "no such tool"}));
    assert_eq!(pipe.receive()["result"]["value"], "no such tool");
}

#[test]
fn a_call_with_the_token_runs_nested_and_any_other_waits() {
    let server = Server::start();
    let mut pipe = server.connect();
    call(&mut pipe, "x = 5\nglobals()['held'] = 5\nf()\nx", "plain");
    let asked = pipe.receive();
    let mut other = server.connect();
    send(&mut other, json!({"id": 7, "command": "eval", "payload": {"expression": "order.append('other')"}}));
    let nested = |code: &str| {
        let request =
            json!({"id": 8, "command": "eval", "payload": {"expression": code}, "callback": asked["questionId"]});
        server.connect().line(request.to_string())
    };
    assert_eq!(
        nested("order = ['nested']\nimport threading\nthreading.current_thread() is threading.main_thread()")["result"]
            ["value"],
        true
    );
    assert_eq!(nested("1/0")["errorInfo"]["exception"]["type"], "ZeroDivisionError");
    assert_eq!(nested("order")["result"]["value"], json!(["nested"]));
    answer(&server, &asked, Value::Null);
    assert_eq!(lines(&mut pipe).last().expect("an answer")["result"]["value"], 5);
    assert_eq!(other.receive()["id"], 7);
    assert_eq!(server.eval("order"), json!(["nested", "other"]));
    assert_eq!(nested("1")["errorInfo"]["code"], "unknown_question");
}

#[test]
fn a_nested_call_may_call_back_itself() {
    let server = Server::start();
    let mut pipe = server.connect();
    call(&mut pipe, "import builtins\nbuiltins.g = f\nf('outer')", "plain");
    let outer = pipe.receive();
    let mut inner = server.connect();
    let request =
        json!({"id": 2, "command": "eval", "payload": {"expression": "g('inner')"}, "callback": outer["questionId"]});
    send(&mut inner, request);
    let asked = pipe.receive();
    assert_eq!(asked["args"], json!([{"value": "inner"}]));
    answer(&server, &asked, json!("in"));
    assert_eq!(inner.receive()["result"]["value"], "in");
    answer(&server, &outer, json!("out"));
    assert_eq!(pipe.receive()["result"]["value"], "out");
}

#[test]
fn threads_call_back_too() {
    let server = Server::start();
    let mut pipe = server.connect();
    let code = "import threading\ngot = []\nts = [threading.Thread(target=lambda n=n: got.append(f(n))) for n in range(4)]\n\
                [t.start() for t in ts]; [t.join() for t in ts]\nsorted(got)";
    call(&mut pipe, code, "plain");
    let asked: Vec<Value> = (0..4).map(|_| pipe.receive()).collect();
    for question in asked.iter().rev() {
        assert_eq!(question["nested"], false);
        answer(&server, question, json!(question["args"][0]["value"].as_i64().expect("a number") * 10));
    }
    assert_eq!(pipe.receive()["result"]["value"], json!([0, 10, 20, 30]));
}

#[test]
fn a_cancelled_call_ends_its_callbacks_and_what_is_nested() {
    let server = Server::start();
    let mut pipe = server.connect();
    let payload = json!({"expression": "f()", "locals": {"f": {"$callback": "add"}}});
    send(
        &mut pipe,
        json!({"id": 1, "command": "eval", "payload": payload, "capabilities": ["callbacks"], "timeoutMs": 2000}),
    );
    let asked = pipe.receive();
    let mut nested = server.connect();
    let code = "import time\ntime.sleep(1000)";
    send(
        &mut nested,
        json!({"id": 2, "command": "eval", "payload": {"expression": code}, "callback": asked["questionId"]}),
    );
    assert_eq!(pipe.receive()["errorInfo"]["outcome"], "state_kept");
    let told = nested.receive();
    assert!(["cancelled", "unknown_question"].contains(&told["errorInfo"]["code"].as_str().expect("a code")), "{told}");
    assert_eq!(server.eval("1+1"), 2);
}

#[test]
fn callback_without_the_capability_is_an_error() {
    let server = http::Server::start();
    let body = json!({"expression": "f()", "locals": {"f": {"$callback": "add"}}});
    let problem = server.post("/api/eval", body.clone()).expect_problem(400, "invalid_request");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("'add'")), "{problem}");
    let (_, text) = body_of(&server, "/api/execute", &[("accept", "application/x-ndjson")], &body);
    assert!(text.contains("invalid_request"), "{text}");
}

#[test]
fn callbacks_nest_32_deep_and_their_questions_come_to_the_outermost_call() {
    let server = Server::start();
    let mut pipe = server.connect();
    call(&mut pipe, "import builtins\nbuiltins.g = f\nf(0)", "plain");
    let mut asked = vec![pipe.receive()];
    let mut nested: Vec<Connection> = Vec::new();
    for depth in 1..=32 {
        let around = asked.last().expect("there is one")["questionId"].clone();
        let mut connection = server.connect();
        let payload = json!({ "expression": format!("g({depth}) + 1") });
        send(&mut connection, json!({"id": depth, "command": "eval", "payload": payload, "callback": around}));
        nested.push(connection);
        let question = pipe.receive();
        assert_eq!((&question["id"], &question["event"]), (&json!(1), &json!("callback")), "{question}");
        assert_eq!(question["args"], json!([{ "value": depth }]));
        asked.push(question);
    }
    let innermost = asked.last().expect("there is one")["questionId"].clone();
    let too_deep = json!({"id": 33, "command": "eval", "payload": {"expression": "g(33)"}, "callback": innermost});
    let told = server.connect().line(too_deep.to_string());
    assert_eq!(told["errorInfo"]["code"], "queue_full", "{told}");
    assert!(told["error"].as_str().is_some_and(|told| told.contains("nest no deeper")), "{told}");
    answer(&server, &asked[32], json!(100));
    for (depth, mut connection) in (1..=32).rev().zip(nested.into_iter().rev()) {
        assert_eq!(connection.receive()["result"]["value"], 101, "{depth}");
        answer(&server, &asked[depth - 1], json!(100));
    }
    assert_eq!(pipe.receive()["result"]["value"], 100);
}
