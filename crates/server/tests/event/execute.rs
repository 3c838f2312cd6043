//! `execute`: output as it comes, displays, questions, and one result or error.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::http;
use crate::pipe::{Connection, Server};

/// Sends a request with an id.
pub fn send(pipe: &mut Connection, request: Value) {
    pipe.send(format!("{request}\n"));
}

/// All lines of a request, to its answer.
pub fn lines(pipe: &mut Connection) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let line = pipe.receive();
        let last = line.get("event").is_none();
        all.push(line);
        if last {
            return all;
        }
    }
}

/// The events of code that is executed, as name and what it holds; output that follows output is joined.
fn executed(pipe: &mut Connection, code: &str) -> (Vec<(String, Value)>, Value) {
    send(pipe, json!({"id": 1, "command": "execute", "payload": {"expression": code}}));
    let mut lines = lines(pipe);
    let last = lines.pop().expect("an answer");
    let mut events: Vec<(String, Value)> = Vec::new();
    for line in lines {
        assert_eq!(line["id"], 1, "{line}");
        let name = line["event"].as_str().expect("a name").to_owned();
        let told = if name == "display" { line["data"].clone() } else { line["text"].clone() };
        match events.last_mut() {
            Some((last, Value::String(text))) if *last == name => text.push_str(told.as_str().expect("text")),
            _ => events.push((name, told)),
        }
    }
    (events, last)
}

fn out(text: &str) -> (String, Value) {
    ("stdout".to_owned(), json!(text))
}

fn err(text: &str) -> (String, Value) {
    ("stderr".to_owned(), json!(text))
}

fn shown(text: &str) -> (String, Value) {
    ("display".to_owned(), json!({ "text/plain": text }))
}

#[test]
fn output_displays_and_the_result_come_in_one_order() {
    let server = Server::start();
    let mut pipe = server.connect();
    let (events, last) = executed(
        &mut pipe,
        "import sys\nfor n in range(3):\n    print('out', n)\n    print('err', n, file=sys.stderr)\n    display(n)\nn + 40",
    );
    let mut expected = Vec::new();
    for n in 0..3 {
        expected.extend([out(&format!("out {n}\n")), err(&format!("err {n}\n")), shown(&n.to_string())]);
    }
    expected.push(shown("42"));
    assert_eq!(events, expected);
    assert_eq!(last, json!({"id": 1, "result": {"value": 42, "sessionEpoch": 1}}));
    let (events, last) = executed(&mut pipe, "print('before')\n1/0");
    assert_eq!(events, [out("before\n")]);
    assert_eq!(last["errorInfo"]["exception"]["type"], "ZeroDivisionError");
    assert_eq!(last["errorInfo"].get("stdout"), None);
    assert_eq!(executed(&mut pipe, "None").0, []);
}

#[test]
fn python_c_and_children_keep_one_order() {
    let server = Server::start();
    let mut pipe = server.connect();
    let (events, _) = executed(
        &mut pipe,
        "import ctypes, os, subprocess, sys\nlibc = ctypes.CDLL(None)\nfor n in range(20):\n    print('python')\n    \
         libc.puts(b'C')\n    os.write(1, b'descriptor\\n')\n    subprocess.run(['sh', '-c', 'echo child'])\nprint('end', end='')",
    );
    assert_eq!(events, [out(&("python\nC\ndescriptor\nchild\n".repeat(20) + "end"))]);
}

#[test]
fn output_comes_while_the_code_runs() {
    let server = Server::start();
    let mut pipe = server.connect();
    let code = "import time\nprint('now')\ntime.sleep(1000)";
    send(&mut pipe, json!({"id": "a", "command": "execute", "payload": {"expression": code}, "timeoutMs": 2000}));
    assert_eq!(pipe.receive(), json!({"id": "a", "event": "stdout", "text": "now\n"}));
    assert_eq!(pipe.receive()["errorInfo"]["code"], "deadline_exceeded");
}

#[test]
fn an_object_shows_itself_as_it_can() {
    let server = Server::start();
    let mut pipe = server.connect();
    let code = "
class Rich:
    def __repr__(self): return '<rich>'
    def _repr_html_(self): return '<b>rich</b>'
    def _repr_png_(self): return b'\\x89PNG'
    def _repr_json_(self): return {'a': [1, 2.5, None]}
    def _repr_svg_(self): raise ValueError('no svg')
class Bundle:
    def _repr_mimebundle_(self, include=None, exclude=None): return {'text/plain': 'P', 'x/y': [1]}, {'x/y': {'k': 1}}
display(Bundle())
display({'text/html': '<i>'}, raw=True)
Rich()";
    let (events, last) = executed(&mut pipe, code);
    let names: Vec<_> = events.iter().map(|(name, told)| (name.as_str(), told.clone())).collect();
    assert_eq!(
        names,
        [
            ("display", json!({"text/plain": "P", "x/y": [1]})),
            ("display", json!({"text/html": "<i>"})),
            ("stderr", json!("__main__.Rich._repr_svg_ raised ValueError: no svg\n")),
            (
                "display",
                json!({"text/html": "<b>rich</b>", "image/png": "iVBORw==", "application/json": {"a": [1, 2.5, null]}, "text/plain": "<rich>"})
            ),
        ]
    );
    assert_eq!(last["result"]["isHandle"], true);
    assert_eq!(pipe.ask("eval", json!({"expression": "display(Rich())"}))["stdout"], "<rich>\n");
}

/// What matplotlib has of figures, in as far as it concerns the host.
const MATPLOTLIB: &str = "
import sys, types
figure = types.ModuleType('matplotlib.figure')
pyplot = types.ModuleType('matplotlib.pyplot')
class Figure:
    def __init__(self, n): self.n = n
    def savefig(self, file, format, bbox_inches): file.write(b'%d' % self.n)
    def __repr__(self): return '<Figure %d>' % self.n
figure.Figure = Figure
held = {}
pyplot.figure = lambda n: held.setdefault(n, Figure(n))
pyplot.get_fignums = lambda: sorted(held)
pyplot.get_backend = lambda: 'module://beep_python._figure_backend'
pyplot.close = lambda f: held.pop(f.n, None)
sys.modules.update({'matplotlib': types.ModuleType('matplotlib'), 'matplotlib.figure': figure, 'matplotlib.pyplot': pyplot})
None";

#[test]
fn figures_are_shown_once_without_being_asked_for() {
    let server = Server::start();
    let mut pipe = server.connect();
    executed(&mut pipe, MATPLOTLIB);
    let png = |n: i32, base64: &str| {
        ("display".to_owned(), json!({"image/png": base64, "text/plain": format!("<Figure {n}>")}))
    };
    let (events, _) = executed(&mut pipe, "pyplot.figure(1); pyplot.figure(2); print('x')");
    assert_eq!(events, [out("x\n"), png(1, "MQ=="), png(2, "Mg==")]);
    let (events, _) = executed(&mut pipe, "display(pyplot.figure(3)); print('after'); pyplot.figure(4)");
    assert_eq!(events, [png(3, "Mw=="), out("after\n"), png(4, "NA==")]);
    let (events, last) = executed(&mut pipe, "pyplot.figure(5)\n1/0");
    assert_eq!((events, last["errorInfo"]["status"].clone()), (vec![png(5, "NQ==")], json!(422)));
    assert_eq!(executed(&mut pipe, "import os; os.environ['MPLBACKEND']").0, [shown("'Agg'")]);
}

#[test]
fn unread_output_is_cut_and_marked_and_delays_no_other() {
    const WRITTEN: usize = 40_000_000;
    let server = Server::start();
    let mut pipe = server.connect();
    let code = format!("import os\nfor _ in range(400): os.write(1, b'x' * {})\nwritten = True\nNone", WRITTEN / 400);
    send(&mut pipe, json!({"id": 1, "command": "execute", "payload": {"expression": code}}));
    // Others go on in the same session, once before it, perhaps, and then behind it: nothing of it was read by now.
    while server.eval("'written' in globals()") != true {}
    let (mut kept, mut cut, mut told) = (0, 0, 0);
    for line in lines(&mut pipe) {
        let Some(mut text) = line["text"].as_str() else { break };
        while let Some(at) = text.find("\n[output cut here: ") {
            kept += at;
            let (count, rest) = text[at + 19..].split_once(" bytes left out]\n").expect("a mark");
            cut += count.parse::<usize>().expect("a number");
            text = rest;
        }
        kept += text.len();
        told += line.get("omittedBytes").map_or(0, |count| count.as_u64().expect("a number"));
    }
    assert_eq!((kept + cut, told), (WRITTEN, cut as u64));
    assert!(cut > 0 && kept < 20_000_000, "{kept} bytes were kept");
}

#[test]
fn text_is_whole_however_it_is_written() {
    let server = Server::start();
    let code =
        "import os\nfor byte in '€𝄞'.encode() * 50: os.write(1, bytes([byte]))\nos.write(1, b'\\xe2\\x82')\nNone";
    let (events, _) = executed(&mut server.connect(), code);
    assert_eq!(events, [out(&("€𝄞".repeat(50) + "\u{fffd}"))]);
}

#[test]
fn input_asks_a_client_with_the_capability() {
    let server = Server::start();
    let mut pipe = server.connect();
    let (_, last) = executed(&mut pipe, "input('name? ')");
    let exception = &last["errorInfo"]["exception"];
    assert_eq!(exception["type"], "EOFError");
    assert!(
        exception["message"].as_str().is_some_and(|text| text.contains("has no standard input to read from")),
        "{last}"
    );
    let ask = |pipe: &mut Connection, code: &str| {
        let request =
            json!({"id": 1, "command": "execute", "payload": {"expression": code}, "capabilities": ["stdin"]});
        send(pipe, request);
    };
    ask(&mut pipe, "print('hello', end='')\na = input('first? ')\nb = input()\na + b");
    assert_eq!(pipe.receive(), json!({"id": 1, "event": "stdout", "text": "hello"}));
    let asked = pipe.receive();
    assert_eq!((&asked["event"], &asked["prompt"]), (&json!("input_request"), &json!("first? ")));
    let answer = json!({"questionId": asked["questionId"], "value": "one"});
    send(&mut pipe, json!({"id": 2, "command": "answer", "payload": answer}));
    assert_eq!(pipe.receive(), json!({"id": 2, "result": {"success": true, "sessionEpoch": 1}}));
    let second = pipe.receive();
    assert_eq!(second["prompt"], "");
    let again = server.connect().refused("answer", answer, "unknown_question");
    assert_eq!(again["status"], 404);
    server.connect().ask("answer", json!({"questionId": second["questionId"], "value": "two\n"}));
    assert_eq!(pipe.receive()["data"], json!({"text/plain": "'onetwo'"}));
    assert_eq!(pipe.receive()["result"]["value"], "onetwo");
    ask(&mut pipe, "input()");
    let question = pipe.receive()["questionId"].clone();
    server.connect().ask("answer", json!({"questionId": question, "eof": true}));
    assert_eq!(pipe.receive()["errorInfo"]["exception"]["type"], "EOFError");
}

#[test]
fn client_request_ends_with_its_client_and_with_its_call() {
    let server = Server::start();
    let mut pipe = server.connect();
    let code = "try: input()\nexcept Exception as error: told = type(error).__name__";
    send(&mut pipe, json!({"id": 1, "command": "execute", "payload": {"expression": code}, "capabilities": ["stdin"]}));
    let question = pipe.receive()["questionId"].clone();
    drop(pipe);
    assert_eq!(server.eval("told"), "EOFError");
    server.connect().refused("answer", json!({"questionId": question, "value": ""}), "unknown_question");
    let mut pipe = server.connect();
    let request = json!({"id": 1, "command": "execute", "payload": {"expression": "input()"}, "capabilities": ["stdin"], "timeoutMs": 2000});
    send(&mut pipe, request);
    let question = pipe.receive()["questionId"].clone();
    assert_eq!(pipe.receive()["errorInfo"]["outcome"], "state_kept");
    server.connect().refused("answer", json!({"questionId": question, "value": ""}), "unknown_question");
}

#[test]
fn events_need_an_id_over_a_pipe() {
    let server = Server::start();
    let problem = server.connect().refused("execute", json!({"expression": "1"}), "invalid_request");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("'id'")), "{problem}");
}

#[test]
fn other_calls_of_the_connection_go_on_meanwhile() {
    let server = Server::start();
    let mut pipe = server.connect();
    let session = pipe.ask("session_create", json!({}))["sessionId"].clone();
    let code = "import time\nwhile True: print('x' * 50); time.sleep(0.001)";
    send(&mut pipe, json!({"id": 1, "command": "execute", "payload": {"expression": code}}));
    assert_eq!(pipe.receive()["event"], "stdout");
    send(&mut pipe, json!({"id": 2, "command": "eval", "payload": {"expression": "1+1"}, "session": session}));
    let answered = answer_to(&mut pipe, 2);
    assert_eq!(answered["result"]["value"], 2);
    send(&mut pipe, json!({"command": "cancel", "payload": {"requestId": 1}}));
    assert_eq!(answer_to(&mut pipe, 1)["errorInfo"]["outcome"], "state_kept");
}

/// The answer to the request of this id, past all that is told meanwhile.
fn answer_to(pipe: &mut Connection, id: i64) -> Value {
    loop {
        let line = pipe.receive();
        if line["id"] == id && line.get("event").is_none() {
            return line;
        }
    }
}

/// The whole text of a response that is sent in chunks.
pub fn body_of(server: &http::Server, path: &str, headers: &[(&str, &str)], body: &Value) -> (String, String) {
    let mut connection = server.connect();
    let body = body.to_string();
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost:{}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n",
        server.port,
        body.len()
    );
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    connection.stream.write_all(format!("{head}\r\n{body}").as_bytes()).expect("sent");
    let mut text = String::new();
    while let Err(error) = connection.stream.read_to_string(&mut text) {
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
    }
    let (head, mut chunks) = text.split_once("\r\n\r\n").expect("a head");
    let mut whole = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        whole.push_str(&rest[..size]);
        chunks = rest[size..].trim_start_matches("\r\n");
    }
    (head.to_ascii_lowercase(), whole)
}

#[test]
fn http_sends_server_sent_events_or_lines() {
    let server = http::Server::start();
    let request = json!({"expression": "import os\nos.write(1, b'a\\nb\\n')\n(1, 2)"});
    let (head, text) = body_of(&server, "/api/execute", &[], &request);
    assert!(head.contains("200 ok") && head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("x-accel-buffering: no"), "proxies that know this pass events on at once: {head}");
    let without_ids: String =
        text.lines().filter(|line| !line.starts_with("id: ")).map(|line| format!("{line}\n")).collect();
    assert_eq!(
        without_ids,
        "event: stdout\ndata: {\"text\":\"a\\nb\\n\"}\n\nevent: display\ndata: {\"data\":{\"text/plain\":\"(1, 2)\"},\"isResult\":true}\n\n\
         event: result\ndata: {\"value\":[1,2],\"sessionEpoch\":1}\n\n"
    );
    let accept = [("accept", "application/x-ndjson")];
    let (head, text) = body_of(&server, "/api/execute", &accept, &json!({"expression": "1/0"}));
    assert!(head.contains("content-type: application/x-ndjson"), "{head}");
    let line: Value = serde_json::from_str(&text).expect("one line");
    assert_eq!((&line["event"], &line["code"]), (&json!("error"), &json!("python_exception")));
    let accept = [("accept", "application/x-ndjson"), ("x-beep-values", "exact")];
    let (_, text) = body_of(&server, "/api/eval", &accept, &json!({"expression": "print(1); (1, 2)"}));
    assert_eq!(
        text,
        "{\"event\":\"stdout\",\"text\":\"1\\n\"}\n{\"event\":\"result\",\"value\":{\"$tuple\":[1,2]},\"sessionEpoch\":1}\n"
    );
    let refused = server.connect().post("/api/eval", &[("x-beep-capabilities", "stdin")], "{\"expression\":\"1\"}");
    let problem = refused.expect_problem(400, "invalid_request");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("Accept")), "{problem}");
    let unknown = server.connect().post("/api/execute", &[("x-beep-session", "none")], "{\"expression\":\"1\"}");
    unknown.expect_problem(404, "unknown_session");
}
