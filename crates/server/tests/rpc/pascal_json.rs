//! JSON with keys in PascalCase, over HTTP/1.1 and HTTP/2.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Raw, Server};

/// One request over HTTP/1.1, as existing clients send it.
fn http1(server: &Server, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\nContent-Type: application/json; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        server.port,
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}")))
}

async fn http2(server: &Server, path: &str, body: &str) -> Raw {
    server.raw(path, &[("content-type", "application/json")], body.to_owned()).await
}

fn post(server: &Server, rpc: &str, body: Value) -> Value {
    let (status, answer) = http1(server, "POST", &format!("/rpc/PythonService/{rpc}"), &body.to_string());
    assert_eq!(status, 200, "{rpc}: {answer}");
    answer
}

#[test]
fn every_rpc_answers_as_the_table_says() {
    let server = Server::start();
    assert_eq!(http1(&server, "GET", "/health", "").1["status"], "ok");
    assert_eq!(post(&server, "Health", json!({}))["Status"], "ok");
    let module = post(&server, "ImportModule", json!({ "ModuleName": "fractions" }));
    let create =
        json!({ "ModuleHandleId": module["HandleId"], "ClassName": "Fraction", "Args": [3, 4], "Kwargs": null });
    let made = post(&server, "CreateObject", create);
    assert_eq!((&made["TypeName"], &made["TypeModule"]), (&json!("Fraction"), &json!("fractions")));
    let id = &made["HandleId"];
    let get = json!({ "HandleId": id, "AttributeName": "numerator", "ReturnType": "System.Int32" });
    assert_eq!(post(&server, "GetAttribute", get)["Value"], 3);
    let call =
        json!({ "HandleId": id, "MethodName": "limit_denominator", "Args": [2], "Kwargs": {}, "ReturnType": "Handle" });
    let limited = post(&server, "CallMethod", call);
    assert_eq!((limited["IsHandle"].as_bool(), limited.get("Value")), (Some(true), None), "{limited}");
    assert!(limited["HandleId"].is_string() && limited["TypeName"] == "Fraction");
    let eval = json!({ "Expression": "print('out') or {'inner_key': n}", "Locals": { "n": 1 }, "ReturnType": "x" });
    let expected = json!({ "Value": { "inner_key": 1 }, "Stdout": "out\n", "SessionEpoch": 1 });
    assert_eq!(post(&server, "Evaluate", eval), expected);
    let owner = post(&server, "Evaluate", json!({ "Expression": "class Owner: pass\nOwner()", "Locals": null }));
    assert_eq!(owner["IsHandle"], true);
    let set = json!({ "HandleId": owner["HandleId"], "AttributeName": "name", "Value": null });
    assert!(post(&server, "SetAttribute", set).is_object());
    // A handle as an argument, the way those clients write it.
    let argument = json!({ "HandleId": owner["HandleId"], "TypeName": owner["TypeName"], "IsValid": true });
    let same = json!({ "Expression": "type(thing).__name__", "Locals": { "thing": argument } });
    assert_eq!(post(&server, "Evaluate", same)["Value"], "Owner");
    let wrapped = post(&server, "WrapValue", json!({ "Value": [[1.5, 2], [3]] }));
    assert_eq!(wrapped["TypeName"], "list");
    let rows = post(&server, "ToFloatArray2D", json!({ "HandleId": wrapped["HandleId"] }));
    assert_eq!(rows, json!({ "Data": [[1.5, 2.0], [3.0]] }));
    let row = post(&server, "WrapValue", json!({ "Value": [1.5, -0.25] }));
    let row = post(&server, "ToFloatArray", json!({ "HandleId": row["HandleId"] }));
    assert_eq!(row, json!({ "Data": [1.5, -0.25] }));
    assert_eq!(post(&server, "IsModuleAvailable", json!({ "ModuleName": "no_such" }))["Available"], false);
    assert!(post(&server, "DisposeHandle", json!({ "HandleId": owner["HandleId"] })).is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_over_http2() {
    let server = Server::start();
    let health = server.raw("/health", &[(":method", "GET")], "").await;
    assert_eq!(health.json()["status"], "ok");
    let answer = http2(&server, "/rpc/PythonService/Evaluate", r#"{"Expression":"6*7","Session":"default"}"#).await;
    assert_eq!(answer.json(), json!({ "Value": 42, "SessionEpoch": 1 }));
    assert_eq!(answer.headers["content-type"], "application/json");
    let long = http2(&server, "/rpc/PythonService/Evaluate", r#"{"Expression":"'x' * 3_000_000"}"#).await;
    assert_eq!(long.json()["Value"].as_str().map(str::len), Some(3_000_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_have_a_status_and_say_why() {
    let server = Server::start();
    let eval = "/rpc/PythonService/Evaluate";
    http2(&server, eval, r#"{"Expression":"1/0"}"#).await.expect_problem(422, "python_exception");
    http2(&server, eval, r#"{"Expression":"1","Session":"nowhere"}"#).await.expect_problem(404, "unknown_session");
    for wrong in ["", "{", "[]", "5", r#"{"Expression":1}"#, r#"{"expression":"1"}"#, r#"{"Expression":"1"} x"#] {
        http2(&server, eval, wrong).await.expect_problem(400, "invalid_request");
    }
    // The key is told as it is to be sent.
    let told = http2(&server, eval, r#"{"expression":"1"}"#).await.json();
    assert_eq!(told["detail"], "'Expression' must be a string; the request has nothing");
    let told = http2(&server, "/rpc/PythonService/Execute", r#"{"expression":"1"}"#).await.json();
    assert_eq!(told["Detail"], "'Expression' must be a string; the request has nothing");
    http2(&server, "/rpc/PythonService/Nothing", "{}").await.expect_problem(404, "unknown_operation");
    http2(&server, "/rpc/VenvService/Evaluate", "{}").await.expect_problem(404, "unknown_operation");
    http2(&server, "/rpc/SessionService/SessionEvents", "{}").await.expect_problem(404, "unknown_operation");
    // None of the keys of the host's operations goes unread.
    let told = http2(&server, "/rpc/SessionService/CreateSession", r#"{"pyton":"3.12"}"#).await;
    told.expect_problem(400, "invalid_request");
    let told = told.json();
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("did you mean 'python'?")), "{told}");
    for nothing in ["", "{}", r#"{"Name":"x"}"#] {
        let told = http2(&server, "/rpc/VenvService/CreateEnvironment", nothing).await;
        told.expect_problem(400, "invalid_request");
        let told = told.json();
        assert!(told["detail"].as_str().is_some_and(|detail| detail.starts_with("'ProviderName' must")), "{told}");
    }
    server.raw(eval, &[(":method", "GET")], "").await.expect_problem(405, "method_not_allowed");
    let (status, answer) = http1(&server, "POST", eval, r#"{"Expression":"raise ValueError('no')"}"#);
    assert_eq!((status, answer["exception"]["type"].as_str()), (422, Some("ValueError")));
    let nan = json!({ "Expression": "import array; array.array('f', [float('nan')])", "ReturnType": "Handle" });
    let nan = post(&server, "Evaluate", nan);
    let nan = json!({ "HandleId": nan["HandleId"] }).to_string();
    http2(&server, "/rpc/PythonService/ToFloatArray", &nan).await.expect_problem(422, "not_representable");
}

#[test]
fn half_characters_are_answered_and_the_worker_lives() {
    let server = Server::start();
    post(&server, "Evaluate", json!({ "Expression": "kept = 1" }));
    for (rpc, body) in [
        ("GetAttribute", r#"{"HandleId":"\ud800","AttributeName":"\ud800"}"#),
        ("Evaluate", r#"{"Expression":"\ud800"}"#),
        ("Evaluate", r#"{"Expression":"1","Locals":{"\ud800":1},"Outputs":["\ud800"]}"#),
        ("ImportModule", r#"{"ModuleName":"\ud800"}"#),
        ("WrapValue", r#"{"Value":{"$handle":"\ud800"}}"#),
    ] {
        let (status, answer) = http1(&server, "POST", &format!("/rpc/PythonService/{rpc}"), body);
        assert!(status < 500, "{rpc} {body}: {answer}");
    }
    assert_eq!(post(&server, "Evaluate", json!({ "Expression": "kept" }))["Value"], 1);
}

#[test]
fn a_client_that_sends_nothing_more_is_answered() {
    let server = Server::start();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
    let body = r#"{"Expression":"__import__('time').sleep(0.3) or 6 * 7","CancelOnDisconnect":true}"#;
    let head = "POST /rpc/PythonService/Evaluate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer and the end");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""Value":42"#), "{answer}");
}

#[test]
fn a_client_that_sends_a_large_body_reads_why_it_is_refused() {
    let server = Server::start();
    let large = vec![b'x'; 6 << 20];
    for (path, host, status) in [
        ("Evaluate", "evil.example", "403"),
        ("Nothing", "localhost", "404"),
        ("Evaluate?", "localhost\r\ncontent-encoding: br", "415"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
        let head =
            format!("POST /rpc/PythonService/{path} HTTP/1.1\r\ncontent-type: application/json\r\nhost: {host}\r\n");
        stream.write_all(format!("{head}content-length: {}\r\n\r\n", large.len()).as_bytes()).expect("sent");
        stream.write_all(&large).expect("the body is discarded");
        stream.shutdown(std::net::Shutdown::Write).expect("half closed");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer, and no reset");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {host}: {answer}");
    }
}
