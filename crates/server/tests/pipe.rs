//! The pipe backend from outside: one line back for each, and what existing clients rely on.

#[path = "support/gate.rs"]
#[allow(unreachable_pub, dead_code)]
mod gate;
#[path = "support/host.rs"]
#[allow(unreachable_pub, dead_code)]
mod host;
#[path = "support/pipe.rs"]
#[allow(unreachable_pub, dead_code)]
mod support;

use std::io::Write;

use beep_python_server::auth::AccessConfig;
use gate::Gate;
use serde_json::{Value, json};
use support::{Server, expect_problem};

#[test]
fn every_command_answers_as_over_http() {
    let server = Server::start();
    let mut pipe = server.connect();
    assert_eq!(pipe.ask("ping", json!({}))["status"], "ok");
    let module = pipe.ask("import", json!({ "moduleName": "fractions" }));
    let create = json!({ "moduleHandleId": module["handleId"], "className": "Fraction", "args": [3, 4] });
    let made = pipe.ask("create", create);
    assert_eq!(made["typeName"], "Fraction");
    let id = &made["handleId"];
    assert_eq!(pipe.ask("getattr", json!({ "handleId": id, "attributeName": "numerator" }))["value"], 3);
    let limited = pipe
        .ask("call", json!({ "handleId": id, "methodName": "limit_denominator", "args": [2], "returnType": "handle" }));
    assert_eq!((limited["isHandle"].as_bool(), limited.get("value")), (Some(true), None));
    let held = pipe.ask("wrap", json!({ "value": [1.5, -0.25, 1e30] }));
    assert_eq!(pipe.ask("tofloatarray", json!({ "handleId": held["handleId"] })), json!([1.5, -0.25, 1e30]));
    let rows = pipe.ask("wrap", json!({ "value": [[1, 2], [3]] }));
    assert_eq!(pipe.ask("tofloatarray2d", json!({ "handleId": rows["handleId"] })), json!([[1.0, 2.0], [3.0]]));
    assert_eq!(pipe.ask("module_available", json!({ "moduleName": "json" }))["available"], true);
    let owner = pipe.ask("eval", json!({ "expression": "class Owner: pass\nOwner()" }));
    let name = json!({ "handleId": owner["handleId"], "attributeName": "name" });
    assert_eq!(pipe.ask("setattr", name.clone())["success"], true, "an absent value means None");
    assert_eq!(pipe.ask("getattr", name)["value"], json!(null));
    assert_eq!(pipe.ask("dispose", json!({ "handleId": owner["handleId"] }))["success"], true);
    let printed = pipe.ask("eval", json!({ "expression": "print('out') or n + 1", "locals": { "n": 1 } }));
    assert_eq!(printed, json!({ "value": 2, "stdout": "out\n", "sessionEpoch": 1 }));
    let session = pipe.ask("session_create", json!({}))["sessionId"].clone();
    assert_eq!(pipe.ask("session_list", json!({}))["sessions"].as_array().map(Vec::len), Some(2));
    assert_eq!(pipe.ask("session_get", json!({ "sessionId": session }))["sessionEpoch"], 1);
    assert_eq!(pipe.ask("session_delete", json!({ "sessionId": session }))["success"], true);
    pipe.refused("session_get", json!({ "sessionId": session }), "unknown_session");
    pipe.refused("session_delete", json!({ "sessionId": "default" }), "invalid_request");
    let made = pipe.ask("venv_create", json!({ "providerName": "hugging", "modelId": null }));
    assert_eq!(made["success"], true);
    let name = pipe.ask("venv_list", json!(null))["environments"][0]["name"].clone();
    assert_eq!(pipe.ask("venv_status", json!({ "name": name }))["state"], "healthy");
    assert_eq!(pipe.ask("venv_delete", json!({ "name": name }))["success"], true);
    pipe.refused("venv_status", json!({ "name": name }), "unknown_environment");
    pipe.refused("venv_create", json!({}), "invalid_request");
}

#[test]
fn existing_clients_get_one_line_per_request_in_order() {
    let server = Server::start();
    let mut pipe = server.connect();
    pipe.send(b"\xef\xbb\xbf"); // alone, before the first line
    let line = r#"{"command":"eval","payload":{"expression":"\u0027\u00e4\u003C\u0027 \u002B name","locals":{"name":"\u4e2d"}}}"#;
    pipe.send(format!("{line}\r\n"));
    assert_eq!(pipe.receive_text(), r#"{"result":{"value":"ä<中","sessionEpoch":1}}"#);
    let lines: String = (0..50)
        .map(|n| match n % 3 {
            0 => format!("{{\"command\":\"eval\",\"payload\":{{\"expression\":\"{n}\"}}}}\n"),
            1 => "nonsense\n".to_owned(),
            _ => "{\"command\":\"session_create\"}\n{\"command\":\"session_delete\",\"payload\":{}}\n".to_owned(),
        })
        .collect();
    pipe.send(lines);
    for n in 0..50 {
        let answer = pipe.receive();
        match n % 3 {
            0 => assert_eq!(answer["result"]["value"], n),
            1 => drop(expect_problem(&answer, "invalid_request")),
            _ => {
                assert!(answer["result"]["sessionId"].is_string(), "{answer}");
                expect_problem(&pipe.receive(), "invalid_request");
            }
        }
    }
    pipe.stream.set_nonblocking(true).expect("non-blocking");
    assert!(std::io::Read::read(&mut pipe.stream, &mut [0]).is_err(), "nothing unasked follows");
}

#[test]
fn responses_with_an_id_come_as_they_are_ready() {
    let server = Server::start();
    let mut pipe = server.connect();
    let session = pipe.ask("session_create", json!({}))["sessionId"].clone();
    // The first waits for what the second does.
    let wait = "import os, time\nwhile not os.path.exists(name): time.sleep(0.01)\nos.remove(name)";
    let flag = server.running.folder.path().join("flag");
    let wait = json!({ "command": "eval", "id": "a\"1", "session": session,
        "payload": { "expression": wait, "locals": { "name": flag } } });
    pipe.send(format!("{wait}\n{wait}\n"));
    let reused = pipe.receive();
    assert_eq!(
        (&reused["id"], expect_problem(&reused, "invalid_request")["status"].as_u64()),
        (&json!("a\"1"), Some(400))
    );
    let touch = json!({ "command": "eval", "id": 7.0, "payload": { "expression": "open(name, 'w').close()", "locals": { "name": flag } } });
    // The one that waits may see the file before the other has said that it made it.
    let mut ids = [pipe.line(touch.to_string()), pipe.receive()].map(|answer| answer["id"].to_string());
    ids.sort();
    assert_eq!(ids, [r#""a\"1""#, "7.0"]);
    assert_eq!(pipe.line(touch.to_string())["id"], json!(7.0), "an id that was answered can be used again");
}

#[test]
fn call_options_stand_beside_the_command() {
    let server = Server::start();
    let mut pipe = server.connect();
    let exact = pipe.line(r#"{"command":"eval","values":"exact","payload":{"expression":"(1, {2})"}}"#);
    assert_eq!(exact["result"]["value"], json!({ "$tuple": [1, { "$set": [2] }] }));
    // Long enough for it to begin, however busy the machine is: else it would be told that it was not started.
    let late = pipe.line(r#"{"command":"eval","timeoutMs":2000,"payload":{"expression":"while True: pass"}}"#);
    assert_eq!(expect_problem(&late, "deadline_exceeded")["outcome"], "state_kept");
    let nobody = pipe.line(r#"{"command":"eval","session":"nobody","payload":{"expression":"1"}}"#);
    expect_problem(&nobody, "unknown_session");
    let session = pipe.ask("session_create", json!({}))["sessionId"].clone();
    pipe.line(json!({ "command": "eval", "session": session, "payload": { "expression": "mine = 1" } }).to_string());
    pipe.refused("eval", json!({ "expression": "mine" }), "python_exception");
}

#[test]
fn errors_have_a_text_and_the_whole_problem() {
    let server = Server::start();
    let mut pipe = server.connect();
    let failed = pipe.line(r#"{"command":"eval","id":1,"payload":{"expression":"print('x'); 1/0"}}"#);
    assert_eq!((&failed["id"], failed["error"].as_str()), (&json!(1), Some("ZeroDivisionError: division by zero")));
    let problem = expect_problem(&failed, "python_exception");
    assert_eq!((&problem["exception"]["type"], &problem["stdout"]), (&json!("ZeroDivisionError"), &json!("x\n")));
    let died = pipe.refused("eval", json!({ "expression": "import os; os._exit(3)" }), "worker_died");
    assert_eq!(died["death"]["exitCode"], 3);
    assert_eq!(pipe.ask("eval", json!({ "expression": "1+1" })), json!({ "value": 2, "sessionEpoch": 2 }));
}

#[test]
fn arrays_with_what_json_cannot_say() {
    let server = Server::start();
    let mut pipe = server.connect();
    let mut hold = |code: &str| {
        let held = pipe.ask("eval", json!({ "expression": code, "returnType": "IPythonObjectHandle" }));
        json!({ "handleId": held["handleId"] })
    };
    let (infinite, nan, large) =
        (hold("[float('inf'), -float('inf'), 1]"), hold("[0, float('nan')]"), hold("[0.5] * 300_000"));
    pipe.send(format!("{}\n", json!({ "command": "tofloatarray", "payload": infinite })));
    assert_eq!(pipe.receive_text(), r#"{"result":[1e999,-1e999,1.0]}"#);
    let told = pipe.refused("tofloatarray", nan.clone(), "not_representable");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("element 1")), "{told}");
    let exact = pipe.line(json!({ "command": "tofloatarray", "values": "exact", "payload": nan }).to_string());
    assert_eq!(exact["result"], json!([0.0, "NaN"]));
    assert_eq!(pipe.ask("tofloatarray", large).as_array().map(Vec::len), Some(300_000));
}

#[test]
fn bad_input_gets_one_clear_error_and_the_connection_stays_open() {
    let server = Server::start();
    let mut pipe = server.connect();
    for line in ["", "{", "[]", "5", "null", "{} x", "{}", r#"{"command":null}"#, r#"{"command":5}"#] {
        expect_problem(&pipe.line(line), "invalid_request");
    }
    for marked in ["\u{feff}{\"command\":\"ping\"}", "{\"command\":\"ping\"}"] {
        assert_eq!(pipe.line(marked)["result"]["status"], "ok", "a byte-order mark is no part of a line");
    }
    for command in ["evaluate", "Eval", "EVAL ", "\u{0}"] {
        pipe.refused(command, json!({}), "unknown_operation");
    }
    for payload in [json!(null), json!({}), json!({ "expression": 1 }), json!([]), json!("1"), json!(5)] {
        pipe.refused("eval", payload, "invalid_request");
    }
    pipe.refused("call", json!({ "handleId": "d.1.77", "methodName": "x" }), "unknown_handle");
    pipe.send(b"{\"command\":\"eval\",\"payload\":{\"expression\":\"'\xff\xfe'\"}}\n");
    expect_problem(&pipe.receive(), "invalid_request");
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let deep = format!(r#"{{"command":"eval","payload":{{"expression":"1","locals":{{"x":{deep}}}}}}}"#);
    expect_problem(&pipe.line(deep), "invalid_request");
    assert_eq!(pipe.ask("eval", json!({ "expression": "1+1" }))["value"], 2);
}

#[test]
fn line_over_the_limit_is_an_error_and_ends_the_connection() {
    let server = Server::with(AccessConfig { max_body_bytes: 1000, ..AccessConfig::default() });
    for end in ["\n", ""] {
        let mut pipe = server.connect();
        let line = format!(r#"{{"command":"eval","payload":{{"expression":"'{}'"}}}}"#, "x".repeat(200_000));
        let mut sender = pipe.stream.try_clone().expect("a descriptor");
        let sending = std::thread::spawn(move || sender.write_all(format!("{line}{end}").as_bytes()));
        expect_problem(&pipe.receive(), "body_too_large");
        assert!(pipe.is_closed());
        sending.join().expect("no panic").expect("the server let the client finish, so that it can read its answer");
    }
    assert_eq!(server.eval("1"), 1);
}

#[test]
fn sixty_four_clients_at_once_get_their_own_answers() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for client in 0..64 {
            let server = &server;
            scope.spawn(move || {
                let mut pipe = server.connect();
                for n in 0..20 {
                    let value = pipe.ask("eval", json!({ "expression": format!("{client} * 1000 + {n}") }));
                    assert_eq!(value["value"], client * 1000 + n);
                }
            });
        }
    });
}

#[test]
fn client_that_never_reads_is_not_read_from_either() {
    let server = Server::start();
    let mut deaf = server.connect();
    deaf.stream.set_nonblocking(true).expect("non-blocking");
    let line = r#"{"command":"eval","payload":{"expression":"asked = globals().get('asked', 0) + 1; 'x' * 100_000"}}"#;
    let mut sent = 0;
    // What it sends is left in the socket once enough answers lie unread: in the end no more can be sent.
    let mut refused_in_a_row = 0;
    while refused_in_a_row < 200 {
        match deaf.stream.write(format!("{line}\n").as_bytes()) {
            Ok(_) => (sent, refused_in_a_row) = (sent + 1, 0),
            Err(_) => {
                refused_in_a_row += 1;
                assert_eq!(server.eval("1"), 1);
            }
        }
        assert!(sent < 100_000, "everything is taken, and kept somewhere");
    }
    let asked = server.eval("asked").as_i64().expect("a number");
    assert!(asked < 40, "{asked} answers of 100 kB were made for nobody");
}

#[test]
fn vanished_client_leaves_the_server_intact() {
    let server = Server::start();
    let mut gone = server.connect();
    let gate = Gate::new();
    let line = json!({ "command": "eval", "payload": { "expression": gate.before("kept = 1") } });
    gone.send(format!("{line}\n{{\"comm"));
    gate.begun();
    drop(gone);
    gate.open();
    // Calls run in order of arrival: this one comes after, whether or not anybody waits for the first.
    assert_eq!(server.eval("globals().get('kept')"), 1, "what was asked was done");
}

#[test]
fn half_closed_client_gets_its_responses() {
    let server = Server::start();
    let mut pipe = server.connect();
    let line = "{\"command\":\"eval\",\"payload\":{\"expression\":\"'x' * 100_000\"}}\n";
    pipe.send(line.repeat(100));
    pipe.stream.shutdown(std::net::Shutdown::Write).expect("shut");
    for _ in 0..100 {
        assert_eq!(pipe.receive()["result"]["value"].as_str().map(str::len), Some(100_000));
    }
    assert!(pipe.is_closed());
}

#[test]
fn the_last_line_needs_no_end() {
    let server = Server::start();
    for end in ["", "\r"] {
        let mut pipe = server.connect();
        pipe.send(format!(
            "{{\"command\":\"ping\"}}\n{{\"command\":\"eval\",\"payload\":{{\"expression\":\"6 * 7\"}}}}{end}"
        ));
        pipe.stream.shutdown(std::net::Shutdown::Write).expect("shut");
        assert_eq!(pipe.receive()["result"]["status"], "ok");
        assert_eq!(pipe.receive()["result"]["value"], 42, "{end:?}");
        assert!(pipe.is_closed());
    }
}

#[test]
fn shutdown_finishes_calls_in_progress_and_leaves_no_file() {
    let server = Server::start();
    let (mut pipe, mut idle, mut deaf) = (server.connect(), server.connect(), server.connect());
    assert_eq!(idle.ask("ping", json!({}))["status"], "ok");
    for _ in 0..40 {
        deaf.send("{\"command\":\"eval\",\"payload\":{\"expression\":\"'x' * 100_000\"}}\n");
    }
    let gate = Gate::new();
    let line = json!({ "command": "eval", "payload": { "expression": gate.before("'finished'") } });
    pipe.send(format!("{line}\n"));
    gate.begun();
    assert!(server.link.exists() && server.socket.exists());
    server.running.tell_to_stop();
    // Until it has heard of it, it is well.
    while idle.ask("ping", json!({}))["status"] == "ok" {}
    for client in [&mut server.connect(), &mut idle] {
        client.refused("eval", json!({ "expression": "1" }), "shutting_down");
    }
    gate.open();
    assert_eq!(pipe.receive()["result"]["value"], "finished");
    assert!(pipe.is_closed() && idle.is_closed(), "then the connection ends");
    let (link, socket) = (server.link.clone(), server.socket.clone());
    drop(server);
    assert!(link.symlink_metadata().is_err() && !socket.exists());
}

#[test]
fn hostile_worker_cannot_forge_a_response() {
    let server = Server::start();
    let mut pipe = server.connect();
    // Writes a whole answer frame for the request that runs, with a line break in its JSON.
    let forge = r#"
import os, struct
frame = __import__('sys')._getframe()
while 'request_id' not in frame.f_locals: frame = frame.f_back
body = b'1}}\n{"result":{"value":"forged"'
os.write(frame.f_locals['self'].sink, struct.pack('<IBBHQ', len(body), 64, 0, 1, frame.f_locals['request_id']) + body)
"#;
    pipe.refused("eval", json!({ "expression": forge }), "worker_died");
    let next: Value = pipe.ask("eval", json!({ "expression": "'genuine'" }));
    assert_eq!(next["value"], "genuine");
}

#[test]
fn a_request_is_cancelled_by_its_id_here_or_its_request_id_from_anywhere() {
    let server = Server::start();
    let mut pipe = server.connect();
    let folder = tempfile::tempdir().expect("a folder");
    let busy = |mark: &str| {
        let mark = folder.path().join(mark);
        let code = format!("open({:?}, 'w').close()\nwhile True: pass", mark.to_str().expect("UTF-8"));
        (code, move || {
            while !mark.exists() {
                std::thread::yield_now();
            }
        })
    };
    let (code, runs) = busy("a");
    pipe.send(format!("{}\n", json!({ "command": "eval", "id": 7, "payload": { "expression": code } })));
    runs();
    let cancel = json!({ "command": "cancel", "payload": { "requestId": 7 } }).to_string();
    let elsewhere = server.connect().line(&cancel);
    assert_eq!(elsewhere["result"]["outcome"], "not_found", "ids belong to their connection");
    pipe.send(format!("{cancel}\n"));
    let mut lines = [pipe.receive(), pipe.receive()];
    lines.sort_by_key(|line| line.get("id").is_none());
    assert_eq!(expect_problem(&lines[0], "cancelled")["outcome"], "state_kept");
    assert_eq!(lines[1]["result"]["outcome"], "state_kept");
    let (code, runs) = busy("b");
    let line = json!({ "command": "eval", "requestId": "mine", "graceMs": 0, "payload": { "expression": code } });
    pipe.send(format!("{line}\n"));
    runs();
    assert_eq!(server.connect().ask("cancel", json!({ "requestId": "mine" }))["outcome"], "state_lost");
    assert_eq!(expect_problem(&pipe.receive(), "cancelled")["outcome"], "state_lost");
    let (code, runs) = busy("c");
    let line = json!({ "command": "eval", "cancelOnDisconnect": true, "payload": { "expression": code } });
    pipe.send(format!("{line}\n"));
    runs();
    drop(pipe);
    assert_eq!(server.eval("1 + 1"), 2, "the session is free again");
}

#[test]
fn half_characters_are_answered_and_the_worker_lives() {
    let server = Server::start();
    server.eval("kept = 1");
    let mut pipe = server.connect();
    for (line, answer) in [
        (r#"{"command":"ping","id":"\ud800"}"#, r#""id":"\ud800""#),
        (r#"{"command":"getattr","payload":{"handleId":"\ud800","attributeName":"\ud800"}}"#, "unknown_handle"),
        (
            r#"{"command":"eval","payload":{"expression":"1","locals":{"\ud800":1},"outputs":["\ud800"]}}"#,
            r#""\\ud800""#,
        ),
        (r#"{"command":"eval","session":"\ud800","payload":{"expression":"1"}}"#, "invalid_request"),
        (r#"{"command":"\ud800"}"#, "invalid_request"),
    ] {
        pipe.send(format!("{line}\n"));
        let text = pipe.receive_text();
        assert!(text.contains(answer), "{line}: {text}");
    }
    assert_eq!(server.eval("kept"), 1);
}

#[test]
fn a_client_that_sends_nothing_more_gets_its_events_and_the_connection_ends() {
    let server = Server::start();
    for (command, capabilities) in [("execute", "[]"), ("eval", r#"["progress"]"#), ("eval", "[]")] {
        let mut pipe = server.connect();
        let payload = json!({ "expression": "print('out') or 6 * 7" });
        pipe.send(format!(
            "{{\"id\":1,\"command\":\"{command}\",\"capabilities\":{capabilities},\"payload\":{payload}}}\n"
        ));
        pipe.stream.shutdown(std::net::Shutdown::Write).expect("half closed");
        while !pipe.receive_text().contains(r#""value":42"#) {}
        assert!(pipe.is_closed(), "{command} {capabilities}");
    }
}
