//! The HTTP backend from outside: what the routes answer, and what existing clients rely on.

#[path = "support/compressed.rs"]
#[allow(unreachable_pub)]
mod compressed;
#[path = "support/described.rs"]
#[allow(unreachable_pub, dead_code)]
mod document;
#[path = "support/gate.rs"]
#[allow(unreachable_pub, dead_code)]
mod gate;
#[path = "support/host.rs"]
#[allow(unreachable_pub, dead_code)]
mod host;
#[path = "support/http.rs"]
#[allow(unreachable_pub, dead_code)]
mod support;

#[path = "http/behind_nginx.rs"]
mod behind_nginx;
#[path = "http/bodies.rs"]
mod bodies;
#[path = "http/cors.rs"]
mod cors;
#[path = "http/described.rs"]
mod described;
#[path = "http/half_closed.rs"]
mod half_closed;
#[path = "http/refusals.rs"]
mod refusals;
#[path = "http/stock_clients.rs"]
mod stock_clients;
#[path = "http/stock_programs.rs"]
mod stock_programs;
#[path = "http/texts.rs"]
mod texts;

use std::io::{BufRead, BufReader};
use std::time::Duration;

use beep_python_server::http::Route;
use gate::Gate;
use serde_json::json;
use support::Server;

#[test]
fn every_operation_answers_as_the_table_says() {
    let server = Server::start();
    assert_eq!(server.get("/health").json()["status"], "ok");
    let module = server.post("/api/import", json!({ "moduleName": "fractions" })).json();
    let create =
        json!({ "moduleHandleId": module["handleId"], "className": "Fraction", "args": [3, 4], "kwargs": null });
    let made = server.post("/api/create", create).json();
    assert_eq!((&made["typeName"], &made["typeModule"]), (&json!("Fraction"), &json!("fractions")));
    let id = &made["handleId"];
    let numerator = server.post("/api/getattr", json!({ "handleId": id, "attributeName": "numerator" })).json();
    assert_eq!(numerator["value"], 3);
    let limited = json!({ "handleId": id, "methodName": "limit_denominator", "args": [2], "returnType": "handle" });
    let limited = server.post("/api/call", limited).json();
    assert_eq!((limited["isHandle"].as_bool(), limited.get("value")), (Some(true), None));
    assert!(limited["handleId"].is_string() && limited["typeName"] == "Fraction");
    let held = server.post("/api/wrap", json!({ "value": [1.5, -0.25, 1e30] })).json();
    assert_eq!(held["typeName"], "list");
    let array = server.post("/api/tofloatarray", json!({ "handleId": held["handleId"] }));
    assert_eq!(String::from_utf8_lossy(&array.body), "[1.5,-0.25,1e+30]", "a bare array");
    let rows = server.post("/api/wrap", json!({ "value": [[1, 2], [3]] })).json();
    let rows = server.post("/api/tofloatarray2d", json!({ "handleId": rows["handleId"] })).json();
    assert_eq!(rows, json!([[1.0, 2.0], [3.0]]));
    assert_eq!(server.post("/api/module-available", json!({ "moduleName": "json" })).json()["available"], true);
    let owner = server.post("/api/eval", json!({ "expression": "class Owner: pass\nOwner()" })).json();
    let set = json!({ "handleId": owner["handleId"], "attributeName": "name", "value": "x" });
    assert_eq!(server.post("/api/setattr", set).json()["success"], true);
    let unset = json!({ "handleId": owner["handleId"], "attributeName": "name" });
    assert_eq!(server.post("/api/setattr", unset.clone()).json()["success"], true, "an absent value means None");
    assert_eq!(server.post("/api/getattr", unset).json()["value"], json!(null));
    let dispose = json!({ "handleId": owner["handleId"] });
    assert_eq!(server.post("/api/dispose", dispose).json()["success"], true);
    let eval = json!({ "expression": "print('out') or n + 1", "locals": { "n": 1 } });
    assert_eq!(server.post("/api/eval", eval).json(), json!({ "value": 2, "stdout": "out\n", "sessionEpoch": 1 }));
}

#[test]
fn existing_clients_get_what_they_read() {
    let server = Server::start();
    let mut client = server.connect();
    // Chunked, with a charset, without Accept or User-Agent; non-ASCII and some ASCII as \uXXXX.
    let body = r#"{"expression":"\u0027\u00e4\u003C\u0027 \u002B name","locals":{"name":"\u4e2d"},"returnType":"System.String"}"#;
    let chunks = format!("{:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", 10, &body[..10], body.len() - 10, &body[10..]);
    let headers = [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json; charset=utf-8")];
    let answer = client.post("/api/eval", &headers, &chunks);
    assert_eq!(answer.json()["value"], "ä<中");
    // The same connection serves the next request; nothing is compressed or redirected.
    let answer = client.post("/api/eval", &[], r#"{"expression":"7.0","returnType":"Int32"}"#);
    assert_eq!((answer.status, answer.json()["value"].to_string().as_str()), (200, "7"));
    assert_eq!((answer.header("content-encoding"), answer.header("connection")), (None, None));
    for (code, hint, wanted) in [
        ("True", "Int32", json!(1)),
        ("12", "String", json!("12")),
        ("(1, 2)", "Single[]", json!([1, 2])),
        ("range(3)", "Double[]", json!([0, 1, 2])),
        ("None", "String", json!(null)),
        ("[1]", "Whatever", json!([1])),
    ] {
        let answer = server.post("/api/eval", json!({ "expression": code, "returnType": hint }));
        assert_eq!(answer.json()["value"], wanted, "{code} as {hint}");
    }
    let list = server.post("/api/wrap", json!({ "value": [3, 1, 2] })).json();
    let own = json!({ "handleId": list["handleId"], "typeName": "list", "isValid": true });
    let module = server.post("/api/import", json!({ "moduleName": "builtins" })).json();
    let sorted = json!({ "handleId": module["handleId"], "methodName": "sorted", "args": [own], "kwargs": {} });
    assert_eq!(server.post("/api/call", sorted.clone()).json()["value"], json!([1, 2, 3]));
    let mut as_handle = sorted;
    as_handle["returnType"] = json!("Beep.Python.IPythonObjectHandle");
    assert_eq!(server.post("/api/call", as_handle).json()["isHandle"], true, "a handle even for a list");
    let foreign = json!({ "handleId": "unknown", "typeName": "list", "isValid": true });
    let plain = json!({ "expression": "sorted(d)", "locals": { "d": foreign } });
    assert_eq!(server.post("/api/eval", plain).json()["value"], json!(["handleId", "isValid", "typeName"]));
    // import binds the root name
    server.post("/api/import", json!({ "moduleName": "os.path" }));
    assert_eq!(server.eval("os.path.sep"), "/");
}

#[test]
fn arrays_with_what_json_cannot_say() {
    let server = Server::start();
    let hold = |code: &str| {
        let body = json!({ "expression": code, "returnType": "IPythonObjectHandle" });
        json!({ "handleId": server.post("/api/eval", body).json()["handleId"] })
    };
    let infinite = server.post("/api/eval", json!({ "expression": "[-float('inf'), 1.5]", "returnType": "Double[]" }));
    assert_eq!(String::from_utf8_lossy(&infinite.body), r#"{"value":[-1e999,1.5],"sessionEpoch":1}"#);
    let infinite = server.post("/api/tofloatarray", hold("[float('inf'), -float('inf'), 1]"));
    assert_eq!(String::from_utf8_lossy(&infinite.body), "[1e999,-1e999,1.0]");
    let nan = hold("[0, float('nan')]");
    let told = server.post("/api/tofloatarray", nan.clone()).expect_problem(422, "not_representable");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("element 1")), "{told}");
    let mut client = server.connect();
    let binary = [("Accept", "application/octet-stream")];
    let answer = client.post("/api/tofloatarray", &binary, &nan.to_string());
    assert_eq!(answer.body.len(), 8);
    assert!(f32::from_le_bytes(answer.body[4..].try_into().expect("four bytes")).is_nan());
    let rows = hold("[[1, 2, 3], [4, 5, 6]]");
    let answer = client.post("/api/tofloatarray2d", &binary, &rows.to_string());
    assert_eq!((answer.header("x-beep-shape"), answer.body.len()), (Some("2,3"), 24));
    let ragged = client.post("/api/tofloatarray2d", &binary, &hold("[[1], []]").to_string());
    assert_eq!(ragged.json(), json!([[1.0], []]), "rows of several lengths are no rectangle");
    for nothing in ["'text'", "5", "{1: 2}", "['x']"] {
        server.post("/api/tofloatarray", hold(nothing)).expect_problem(422, "not_representable");
    }
    let large = hold("[0.5] * 300_000");
    assert_eq!(client.post("/api/tofloatarray", &[], &large.to_string()).body.len(), 300_000 * 4 + 1);
}

#[test]
fn call_options_mean_the_same_in_headers_and_body() {
    let server = Server::start();
    let mut client = server.connect();
    let exact = client.post("/api/eval", &[("X-Beep-Values", "exact")], r#"{"expression":"(1, {2})"}"#);
    assert_eq!(exact.json()["value"], json!({ "$tuple": [1, { "$set": [2] }] }));
    let exact = client.post("/api/eval", &[], r#"{"expression":"b'a'","values":"exact"}"#);
    assert_eq!(exact.json()["value"], json!({ "$bytes": "YQ==" }));
    let forever = r#"{"expression":"while True: pass"}"#;
    // Long enough for it to begin, however busy the machine is: else it would be told that it was not started.
    let late = client.post("/api/eval", &[("X-Beep-Timeout-Ms", "2000")], forever);
    assert_eq!(late.expect_problem(504, "deadline_exceeded")["outcome"], "state_kept");
    let late = client.post("/api/eval", &[], r#"{"expression":"while True: pass","timeoutMs":100}"#);
    late.expect_problem(504, "deadline_exceeded");
    client.post("/api/eval", &[("X-Beep-Session", "nobody")], "{}").expect_problem(404, "unknown_session");
    let session = server.post("/api/sessions", json!({})).json()["sessionId"].as_str().expect("an id").to_owned();
    let named = [("X-Beep-Session", session.as_str())];
    client.post("/api/eval", &named, r#"{"expression":"mine = 1"}"#);
    assert_eq!(client.post("/api/eval", &named, r#"{"expression":"mine"}"#).json()["value"], 1);
    client.post("/api/eval", &[], r#"{"expression":"mine"}"#).expect_problem(422, "python_exception");
    let list = server.get("/api/sessions").json();
    assert_eq!(list["sessions"].as_array().map(Vec::len), Some(2), "{list}");
    let path = format!("/api/sessions/{session}");
    assert_eq!(server.get(&path).json()["sessionEpoch"], 1);
    assert_eq!(client.request("DELETE", &path, &[], "").json()["success"], true);
    server.get(&path).expect_problem(404, "unknown_session");
    client.request("DELETE", "/api/sessions/default", &[], "").expect_problem(400, "invalid_request");
}

#[test]
fn bad_input_gets_one_clear_error_and_the_server_keeps_serving() {
    let server = Server::start();
    let mut client = server.connect();
    client.post("/api/nothing", &[], "{}").expect_problem(404, "unknown_operation");
    let wrong = client.request("GET", "/api/eval", &[], "");
    wrong.expect_problem(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("POST"));
    let wrong = client.request("DELETE", "/health", &[], "");
    wrong.expect_problem(405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("GET, HEAD"));
    for body in ["{", "", "[]", "5", "{\"expression\": 1}", "{\"expression\":\"1\"} x", "{\"expression\":\"\u{1}\"}"] {
        client.post("/api/eval", &[], body).expect_problem(400, "invalid_request");
    }
    let deep = format!("{{\"expression\":\"1\",\"locals\":{{\"x\":{}{}}}}}", "[".repeat(200_000), "]".repeat(200_000));
    client.post("/api/eval", &[], &deep).expect_problem(400, "invalid_request");
    client.send(b"POST /api/eval HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{\"expression\":\"'\xff\xfe'\"}");
    client.receive().expect_problem(400, "invalid_request");
    client.post("/api/call", &[], r#"{"handleId":"d.1.77","methodName":"x"}"#).expect_problem(404, "unknown_handle");
    let syntax =
        client.post("/api/eval", &[], r#"{"expression":"if x:\npass"}"#).expect_problem(422, "python_exception");
    assert_eq!(syntax["exception"]["syntax"]["line"], 2);
    assert!(syntax["exception"]["syntax"]["caret"].as_str().is_some_and(|caret| caret.ends_with('^')), "{syntax}");
    let exit = client.post("/api/eval", &[], r#"{"expression":"import sys; sys.exit()"}"#);
    assert_eq!(exit.expect_problem(422, "python_exception")["exception"]["type"], "SystemExit");
    let died = client.post("/api/eval", &[], r#"{"expression":"import os; os._exit(3)"}"#);
    assert_eq!(died.expect_problem(502, "worker_died")["death"]["exitCode"], 3);
    assert_eq!(
        client.post("/api/eval", &[], r#"{"expression":"1+1"}"#).json(),
        json!({ "value": 2, "sessionEpoch": 2 })
    );
}

#[test]
fn body_over_the_limit_is_rejected_in_any_encoding() {
    let config = beep_python_server::auth::AccessConfig { max_body_bytes: 1000, ..Default::default() };
    let server = Server::with(config);
    let long = format!("{{\"expression\":\"'{}'\"}}", "x".repeat(2000));
    server.connect().post("/api/eval", &[], &long).expect_problem(413, "body_too_large");
    let chunked = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
    let headers = [("Transfer-Encoding", "chunked")];
    server.connect().post("/api/eval", &headers, &chunked).expect_problem(413, "body_too_large");
    assert_eq!(server.eval("1"), 1);
}

#[test]
fn client_that_sends_everything_first_reads_the_error() {
    let config = beep_python_server::auth::AccessConfig { max_body_bytes: 4 << 20, ..Default::default() };
    let server = Server::with(config);
    let long = format!("{{\"expression\":\"'{}'\"}}", "x".repeat(7 << 20));
    for _ in 0..5 {
        server.connect().post("/api/eval", &[], &long).expect_problem(413, "body_too_large");
        let origin = [("Origin", "https://evil.example")];
        server.connect().post("/api/eval", &origin, &long).expect_problem(403, "forbidden_origin");
    }
    let head = server.connect().head("/health");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[test]
fn every_route_requires_authorization() {
    let server = Server::start();
    for (path, route) in Route::all() {
        for method in route.methods() {
            let try_with = |headers: &[(&str, &str)]| server.connect().request(method.as_str(), path, headers, "{}");
            try_with(&[("Host", "evil.example")]).expect_problem(403, "forbidden_host");
            try_with(&[("Host", "")]).expect_problem(403, "forbidden_host");
            try_with(&[("Origin", "https://evil.example")]).expect_problem(403, "forbidden_origin");
            try_with(&[("Origin", "null")]).expect_problem(403, "forbidden_origin");
            if method == http::Method::POST {
                try_with(&[("Content-Type", "text/plain")]).expect_problem(415, "unsupported_media_type");
            }
        }
    }
    let upgrade = [("Origin", "https://evil.example"), ("Connection", "Upgrade"), ("Upgrade", "websocket")];
    server.connect().request("GET", "/nowhere", &upgrade, "").expect_problem(403, "forbidden_origin");
}

#[test]
fn vanished_client_leaves_the_server_intact() {
    let server = Server::start();
    let mut gone = server.connect();
    let gate = Gate::new();
    let body = json!({ "expression": gate.before("kept = 1") }).to_string();
    let head = "POST /api/eval HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    gone.send(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
    gate.begun();
    drop(gone);
    let mut half = server.connect();
    half.send(format!("{head}content-length: 100\r\n\r\n{{").as_bytes());
    drop(half);
    gate.open();
    // Calls run in order of arrival: this one comes after, whether or not anybody waits for the first.
    assert_eq!(server.eval("globals().get('kept')"), 1, "what was asked was done");
}

#[test]
fn shutdown_finishes_calls_in_progress() {
    let server = Server::start();
    let mut client = server.connect();
    let mut idle = server.connect();
    assert_eq!(idle.request("GET", "/health", &[], "").status, 200);
    let gate = Gate::new();
    let body = json!({ "expression": gate.before("'finished'") }).to_string();
    let head = "POST /api/eval HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    client.send(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
    gate.begun();
    server.tell_to_stop();
    // Until it has heard of it, it is ready.
    let mut watching = server.connect();
    while watching.request("GET", "/readyz", &[], "").status == 200 {}
    let mut late = server.connect();
    for client in [&mut late, &mut idle] {
        let refused = client.request("POST", "/api/eval", &[], r#"{"expression":"1"}"#);
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(refused.header("connection"), Some("close"), "the next request finds the next server");
        refused.expect_problem(503, "shutting_down");
        assert!(client.is_closed());
    }
    gate.open();
    assert_eq!(client.receive().json()["value"], "finished");
    assert!(client.is_closed(), "then the connection ends");
}

#[test]
fn environments_are_made_listed_and_deleted() {
    let server = Server::start();
    let made = server.post("/api/venv/create", json!({ "providerName": "hugging" })).json();
    assert_eq!(made["success"], true, "{made}");
    let path = made["path"].as_str().expect("a path").to_owned();
    assert!(std::path::Path::new(&path).join("bin/python").exists());
    let again = server.post("/venv/create", json!({ "providerName": "hugging", "modelId": null })).json();
    assert_eq!(again["path"], path.as_str(), "the same environment, by the alias");
    let list = server.get("/api/venv/list").json();
    assert_eq!(list["environments"].as_array().map(Vec::len), Some(1), "{list}");
    let name = list["environments"][0]["name"].clone();
    let status = server.post("/api/venv/status", json!({ "name": name })).json();
    assert_eq!(status["state"], "healthy", "{status}");
    // What is there is answered with its version, and nothing is run for it.
    let site = std::fs::read_dir(format!("{path}/lib")).expect("lib").flatten().next().expect("python3.x").path();
    let info = site.join("site-packages/alpha-1.5.dist-info");
    std::fs::create_dir(&info).expect("a folder");
    std::fs::write(info.join("METADATA"), "Name: Alpha\nVersion: 1.5\n").expect("a file");
    let installed = server.post("/api/venv/install", json!({ "name": name, "packages": ["alpha>1"] })).json();
    let alpha = json!([{ "name": "Alpha", "version": "1.5" }]);
    assert_eq!(installed, json!({ "success": true, "installed": alpha, "changed": [] }));
    let by_provider = json!({ "providerName": "hugging", "packages": ["Alpha"] });
    assert_eq!(server.post("/api/venv/install", by_provider).json()["installed"], alpha);
    for wrong in [json!(["--pre"]), json!(["a b"]), json!([1]), json!("alpha"), json!(null)] {
        let body = json!({ "name": name, "packages": wrong });
        server.post("/api/venv/install", body).expect_problem(400, "invalid_request");
    }
    server.post("/api/venv/install", json!({ "packages": ["alpha"] })).expect_problem(400, "invalid_request");
    let unknown = json!({ "name": "nothing", "packages": ["alpha"] });
    server.post("/api/venv/install", unknown).expect_problem(404, "unknown_environment");
    assert_eq!(server.post("/api/venv/delete", json!({ "name": name })).json()["success"], true);
    assert!(!std::path::Path::new(&path).exists());
    server.post("/api/venv/status", json!({ "name": name })).expect_problem(404, "unknown_environment");
    server.post("/api/venv/delete", json!({ "name": "../x" })).expect_problem(400, "invalid_request");
    server.post("/api/venv/create", json!({ "modelId": "x" })).expect_problem(400, "invalid_request");
    server.post("/api/venv/create", json!({ "providerName": 5 })).expect_problem(400, "invalid_request");
}

/// A file that a call writes when it runs, and the code that writes it first.
fn marking(code: &str) -> (tempfile::TempDir, impl Fn(), String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let code = format!("open({:?}, 'w').close()\n{code}", mark.to_str().expect("UTF-8"));
    let runs = move || {
        while !mark.exists() {
            std::thread::yield_now();
        }
    };
    (folder, runs, code)
}

#[test]
fn call_is_cancelled_by_the_id_in_header_or_body() {
    let server = Server::start();
    let absent = server.post("/api/cancel", json!({ "requestId": "nobody" }));
    assert_eq!((absent.status, absent.json()), (200, json!({ "outcome": "not_found" })));
    server.post("/api/cancel", json!({})).expect_problem(400, "invalid_request");
    for (n, grace, outcome) in [(1, 5000, "state_kept"), (2, 0, "state_lost")] {
        let (_folder, runs, code) = marking("while True: pass");
        let answered = std::thread::scope(|scope| {
            let calling = scope.spawn(|| match n {
                1 => server.connect().post(
                    "/api/eval",
                    &[("x-beep-request", "it"), ("x-beep-grace-ms", "5000")],
                    &json!({ "expression": code }).to_string(),
                ),
                _ => server.post("/api/eval", json!({ "expression": code, "requestId": "it", "graceMs": grace })),
            });
            runs();
            assert_eq!(server.post("/api/cancel", json!({ "requestId": "it" })).json(), json!({ "outcome": outcome }));
            calling.join().expect("answered")
        });
        assert_eq!(answered.expect_problem(499, "cancelled")["outcome"], outcome);
    }
}

#[test]
fn disconnect_cancels_a_call_that_asked_for_it() {
    let server = Server::start();
    server.eval("kept = 1");
    let (_folder, runs, code) = marking("while True: pass");
    let mut gone = server.connect();
    let body = json!({ "expression": code, "cancelOnDisconnect": true }).to_string();
    let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    gone.send(format!("POST /api/eval HTTP/1.1\r\nhost: localhost\r\n{head}\r\n{body}").as_bytes());
    runs();
    drop(gone);
    assert_eq!(server.eval("kept"), 1, "the session is free again");
}

/// What a client of another user does, in bash; its standard output. Nothing where only root could run it.
fn as_another_user(script: &str) -> Option<std::process::Child> {
    use std::os::unix::process::CommandExt;
    const NO_CALL: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can run a client as another user");
        return None;
    }
    let mut command = std::process::Command::new("bash");
    command
        .args(["-c", script])
        .uid(NO_CALL)
        .gid(NO_CALL)
        .current_dir("/")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    Some(command.spawn().expect("bash"))
}

#[test]
fn unauthenticated_connections_are_few_and_short() {
    // Long enough for who shows it to do so, however busy the machine is.
    let auth_timeout = Duration::from_secs(3);
    let config = beep_python_server::auth::AccessConfig { max_pending: 4, auth_timeout, ..Default::default() };
    let server = Server::with(config);
    let port = server.port;
    // More than there are places for are turned away at once, the others when their time is over.
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8; do exec {{fd}}<>/dev/tcp/127.0.0.1/{port}; fds=\"$fds $fd\"; done\n\
         printf 'GET /health HTTP/1.1\\r\\nHost: loc' >&$fd\n\
         echo open; for fd in $fds; do read -r line <&$fd; done; echo closed"
    );
    let Some(mut crowd) = as_another_user(&script) else { return };
    let mut told = BufReader::new(crowd.stdout.take().expect("a pipe")).lines();
    let mut told = || told.next().expect("a line").expect("text");
    assert_eq!(told(), "open");
    assert_eq!(server.eval("1 + 1"), 2, "the server's own user is no newcomer");
    assert_eq!(told(), "closed");
    assert!(crowd.wait().expect("it ends").success());
    // A connection that has shown the token stays, longer than one that has not.
    let token = &server.token;
    let ask = format!("GET /health HTTP/1.1\\r\\nHost: localhost\\r\\nAuthorization: Bearer {token}\\r\\n\\r\\n");
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf '{ask}' >&3; read -r line <&3; echo \"$line\"\n\
         exec 4<>/dev/tcp/127.0.0.1/{port}; read -r line <&4\n\
         printf '{ask}' >&3; while read -r line <&3; do case $line in *HTTP/1.1*) echo \"again $line\"; exit;; esac; done"
    );
    let shown = as_another_user(&script).expect("as before").wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&shown.stdout).replace('\r', "");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.first(), Some(&"HTTP/1.1 200 OK"), "{told}");
    assert!(lines.last().is_some_and(|line| line.starts_with("again") && line.ends_with("HTTP/1.1 200 OK")), "{told}");
}
