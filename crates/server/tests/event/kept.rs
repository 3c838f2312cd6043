//! Callbacks that are kept: they outlive their call, and their client is asked over its subscription to the session.

use serde_json::{Value, json};

use super::execute::send;
use crate::pipe::{Connection, Server, expect_problem};

/// A client that follows the session and answers callbacks.
struct Follower {
    pipe: Connection,
    id: String,
}

impl Follower {
    fn of(server: &Server, session: &str) -> Follower {
        let mut pipe = server.connect();
        let payload = json!({ "sessionId": session });
        let options = ["callbacks"];
        send(&mut pipe, json!({"id": 1, "command": "session_events", "payload": payload, "capabilities": options}));
        let first = pipe.receive();
        assert_eq!(first["event"], "session", "{first}");
        let id = first["subscriptionId"].as_str().expect("an id").to_owned();
        Follower { pipe, id }
    }

    /// What this client is asked next.
    fn asked(&mut self) -> Value {
        let asked = self.pipe.receive();
        assert_eq!((&asked["id"], &asked["event"]), (&json!(1), &json!("callback")), "{asked}");
        asked
    }
}

fn kept(name: &str) -> Value {
    json!({ "$callback": name, "keep": true })
}

/// Sends code that runs with a callback `f`.
fn start(pipe: &mut Connection, code: &str, callback: Value) {
    let payload = json!({ "expression": code, "locals": { "f": callback } });
    send(pipe, json!({ "command": "eval", "payload": payload }));
}

/// Keeps a callback as `builtins.f`.
fn keep(server: &Server, callback: Value) {
    let mut pipe = server.connect();
    start(&mut pipe, "import builtins\nbuiltins.f = f\nNone", callback);
    let kept = pipe.receive();
    assert_eq!(kept["result"]["value"], Value::Null, "{kept}");
}

fn answer(server: &Server, asked: &Value, value: Value) {
    server.connect().ask("answer", json!({ "questionId": asked["questionId"], "value": value }));
}

/// Code that tells the `HostError` of a call of `f`.
const TELLS: &str =
    "import beep_python\ntry: told = f()\nexcept beep_python.HostError as error: told = [error.code, str(error)]\ntold";

/// What `f` raises.
fn refused(server: &Server) -> (String, String) {
    let told = server.eval(TELLS);
    let text = |at: usize| told[at].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
    (text(0), text(1))
}

#[test]
fn a_kept_callback_is_asked_in_its_call_and_in_later_ones_of_any_client() {
    let server = Server::start();
    let mut follower = Follower::of(&server, "default");
    let mut pipe = server.connect();
    start(
        &mut pipe,
        "import builtins\nbuiltins.f = f\nprint('p')\n(f.__name__, f(1, b'x', object(), key=[2]))",
        kept("add"),
    );
    let asked = follower.asked();
    assert_eq!((&asked["name"], &asked["nested"]), (&json!("add"), &json!(true)));
    assert_eq!((&asked["args"][0], &asked["args"][1]), (&json!({ "value": 1 }), &json!({ "value": "eA==" })));
    assert_eq!(asked["kwargs"], json!({ "key": { "value": [2] } }));
    let object = json!({ "handleId": asked["args"][2]["handleId"] });
    answer(&server, &asked, json!(5));
    assert_eq!(pipe.receive()["result"], json!({ "value": ["add", 5], "stdout": "p\n", "sessionEpoch": 1 }));
    pipe.refused("dir", object, "handle_expired");
    // Of another client, which takes no events and has no capabilities.
    let mut other = server.connect();
    send(&mut other, json!({ "command": "eval", "payload": { "expression": "f('later') + 1" } }));
    let asked = follower.asked();
    assert_eq!(asked["args"], json!([{ "value": "later" }]));
    answer(&server, &asked, json!(41));
    assert_eq!(other.receive()["result"]["value"], 42);
    send(
        &mut other,
        json!({ "command": "eval", "payload": { "expression": TELLS.replace("HostError", "CallbackError").replace("error.code", "error.kind") } }),
    );
    let asked = follower.asked();
    let error = json!({ "type": "KeyError", "message": "no such key" });
    server.connect().ask("answer", json!({ "questionId": asked["questionId"], "error": error }));
    assert_eq!(other.receive()["result"]["value"], json!(["KeyError", "no such key"]));
}

#[test]
fn arguments_come_in_the_form_of_the_subscription() {
    let server = Server::start();
    let mut pipe = server.connect();
    let payload = json!({ "sessionId": "default" });
    send(
        &mut pipe,
        json!({"id": 1, "command": "session_events", "payload": payload, "capabilities": ["callbacks"], "values": "exact"}),
    );
    pipe.receive();
    let mut caller = server.connect();
    start(&mut caller, "f((1, b'x'))", kept("f"));
    let asked = pipe.receive();
    assert_eq!(asked["args"], json!([{ "value": { "$tuple": [1, { "$bytes": "eA==" }] } }]));
    let payload = json!({ "questionId": asked["questionId"], "value": { "$set": [2] } });
    let told = server.connect().line(json!({ "command": "answer", "payload": payload, "values": "exact" }).to_string());
    assert_eq!(told["result"]["success"], true);
    assert_eq!(caller.receive()["result"]["value"], json!([2]));
}

#[test]
fn threads_and_tasks_ask_while_no_call_of_theirs_runs() {
    let server = Server::start();
    let mut follower = Follower::of(&server, "default");
    keep(&server, kept("f"));
    server.eval(
        "import threading\ngot = []\nthread = threading.Thread(target=lambda: got.append(f('thread')))\nthread.start()",
    );
    let asked = follower.asked();
    assert_eq!((&asked["args"], &asked["nested"]), (&json!([{ "value": "thread" }]), &json!(false)));
    assert_eq!(server.eval("1 + 1"), 2, "other calls run while the thread waits");
    let mut within = server.connect();
    let nested = json!({ "command": "eval", "payload": { "expression": "1" }, "callback": asked["questionId"] });
    expect_problem(&within.line(nested.to_string()), "invalid_request");
    answer(&server, &asked, json!("of the thread"));
    assert_eq!(server.eval("thread.join()\ngot"), json!(["of the thread"]));
    // A task of an ended call asks as the call that runs, which it keeps waiting.
    server.eval("import asyncio\ngate = asyncio.Event()\nasync def later():\n    await gate.wait()\n    return f('task')\ntask = asyncio.create_task(later())\nawait asyncio.sleep(0)");
    let mut pipe = server.connect();
    send(&mut pipe, json!({ "command": "eval", "payload": { "expression": "gate.set()\nawait task" } }));
    let asked = follower.asked();
    assert_eq!((&asked["args"], &asked["nested"]), (&json!([{ "value": "task" }]), &json!(true)));
    answer(&server, &asked, json!("of the task"));
    assert_eq!(pipe.receive()["result"]["value"], "of the task");
}

#[test]
fn calls_nest_in_a_kept_callback() {
    let server = Server::start();
    let mut follower = Follower::of(&server, "default");
    keep(&server, kept("f"));
    let mut pipe = server.connect();
    send(&mut pipe, json!({ "command": "eval", "payload": { "expression": "f('outer')" } }));
    let outer = follower.asked();
    let nested = |code: &str| {
        json!({ "command": "eval", "payload": { "expression": code }, "callback": outer["questionId"] }).to_string()
    };
    assert_eq!(server.connect().line(nested("2 + 3"))["result"]["value"], 5);
    let mut inner = server.connect();
    inner.send(format!("{}\n", nested("f('inner')")));
    let asked = follower.asked();
    assert_eq!(asked["args"], json!([{ "value": "inner" }]));
    answer(&server, &asked, json!("in"));
    assert_eq!(inner.receive()["result"]["value"], "in");
    answer(&server, &outer, json!("out"));
    assert_eq!(pipe.receive()["result"]["value"], "out");
}

#[test]
fn who_is_asked_is_known_when_the_callback_is_passed() {
    let server = Server::start();
    let mut pipe = server.connect();
    let refused = |pipe: &mut Connection, callback: Value, said: &str| {
        start(pipe, "ran = True", callback);
        let told = expect_problem(&pipe.receive(), "invalid_request");
        assert!(told["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{told}");
    };
    refused(&mut pipe, kept("f"), "there is none that answers callbacks");
    send(&mut pipe, json!({"id": 1, "command": "session_events", "payload": { "sessionId": "default" }}));
    assert_eq!(pipe.receive().get("subscriptionId"), None, "this one answers none");
    refused(&mut server.connect(), kept("f"), "there is none that answers callbacks");
    let mut pipe = server.connect();
    let (mut one, mut two) = (Follower::of(&server, "default"), Follower::of(&server, "default"));
    refused(&mut pipe, kept("f"), "2 subscriptions to this session's events answer callbacks");
    refused(&mut pipe, json!({ "$callback": "f", "keep": "e99" }), "no subscription 'e99'");
    refused(&mut pipe, json!({ "$callback": "f", "keep": 1 }), "'keep' must be true");
    for follower in [&mut two, &mut one] {
        start(&mut pipe, "f()", json!({ "$callback": "f", "keep": follower.id }));
        answer(&server, &follower.asked(), json!(follower.id));
        assert_eq!(pipe.receive()["result"]["value"], json!(follower.id));
    }
    assert_eq!(server.eval("'ran' in globals()"), false);
    // What is not to be kept is as ever.
    start(&mut pipe, "1", json!({ "$callback": "f", "keep": false }));
    expect_problem(&pipe.receive(), "invalid_request");
}

#[test]
fn a_kept_callback_ends_with_its_subscription() {
    let server = Server::start();
    let (follower, other) = (Follower::of(&server, "default"), Follower::of(&server, "default"));
    keep(&server, json!({ "$callback": "f", "keep": follower.id }));
    // The client goes while it is asked.
    let mut pipe = server.connect();
    send(&mut pipe, json!({ "command": "eval", "payload": { "expression": TELLS } }));
    let mut follower = follower;
    follower.asked();
    drop(follower);
    assert_eq!(pipe.receive()["result"]["value"][0], "cancelled");
    let (code, said) = refused(&server);
    assert!(code == "invalid_request" && said.contains("has ended its subscription 'e1'"), "{code}: {said}");
    // A subscription that is cancelled by its id ends them as well, and another's stay.
    keep(&server, json!({ "$callback": "f", "keep": other.id }));
    let mut other = other;
    send(&mut pipe, json!({ "command": "eval", "payload": { "expression": "f()" } }));
    answer(&server, &other.asked(), json!(1));
    assert_eq!(pipe.receive()["result"]["value"], 1);
    send(&mut other.pipe, json!({ "id": 2, "command": "cancel", "payload": { "requestId": 1 } }));
    other.pipe.receive();
    assert!(refused(&server).1.contains("has ended its subscription"));
}

#[test]
fn a_client_releases_a_callback_by_its_handle() {
    let server = Server::start();
    let mut follower = Follower::of(&server, "default");
    let mut pipe = server.connect();
    let held = pipe.ask("wrap", json!({ "value": kept("f") }));
    assert_eq!(held["typeName"], "Callback");
    let handle = json!({ "$handle": held["handleId"] });
    keep(&server, handle.clone());
    // Other handles of it are only handles.
    let other = pipe.ask("eval", json!({ "expression": "f", "returnType": "handle" }));
    pipe.ask("dispose", json!({ "handleId": other["handleId"] }));
    start(&mut pipe, "f(f)", handle);
    answer(&server, &follower.asked(), json!(3));
    assert_eq!(pipe.receive()["result"]["value"], 3);
    pipe.ask("dispose", json!({ "handleId": held["handleId"] }));
    let (code, said) = refused(&server);
    assert!(code == "invalid_request" && said.contains("was released by its client"), "{code}: {said}");
}

#[test]
fn a_call_that_waits_for_a_kept_callback_can_be_stopped() {
    let server = Server::start();
    let mut follower = Follower::of(&server, "default");
    keep(&server, kept("f"));
    let mut pipe = server.connect();
    let eval = |more: Value| {
        let mut request = json!({ "command": "eval", "payload": { "expression": "f()" } });
        request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        request
    };
    send(&mut pipe, eval(json!({ "timeoutMs": 1000 })));
    let late = follower.asked();
    let told = expect_problem(&pipe.receive(), "deadline_exceeded");
    assert_eq!(told["outcome"], "state_kept", "{told}");
    server.connect().refused("answer", json!({ "questionId": late["questionId"], "value": 1 }), "unknown_question");
    send(&mut pipe, eval(json!({ "requestId": "it" })));
    follower.asked();
    assert_eq!(server.connect().ask("cancel", json!({ "requestId": "it" }))["outcome"], "state_kept");
    expect_problem(&pipe.receive(), "cancelled");
    // The callback itself goes on.
    send(&mut pipe, eval(json!({})));
    answer(&server, &follower.asked(), json!("still"));
    assert_eq!(pipe.receive()["result"]["value"], "still");
}

/// Code that leaves a thread, which waits for the callback and prints what it raises.
const WAITS: &str = "import threading, beep_python\ndef wait():\n    try: f()\n    except beep_python.HostError as error: print(error.code, flush=True)\nthreading.Thread(target=wait).start()";

#[test]
fn what_waits_when_its_session_ends_ends_at_once() {
    let server = Server::start();
    for command in ["session_restart", "session_delete"] {
        let mut pipe = server.connect();
        let session = pipe.ask("session_create", json!({}))["sessionId"].as_str().expect("an id").to_owned();
        let mut follower = Follower::of(&server, &session);
        let payload = json!({ "expression": WAITS, "locals": { "f": kept("f") } });
        send(&mut pipe, json!({ "command": "eval", "payload": payload, "session": session }));
        let asked = follower.asked();
        assert_eq!(pipe.receive()["result"]["value"], Value::Null);
        pipe.ask(command, json!({ "sessionId": session }));
        let told = follower.pipe.receive();
        assert_eq!((&told["event"], &told["text"]), (&json!("stdout"), &json!("cancelled\n")), "{told}");
        let payload = json!({ "questionId": asked["questionId"], "value": 1 });
        let late = json!({ "command": "answer", "payload": payload, "session": session }).to_string();
        let code = if command == "session_restart" { "unknown_question" } else { "unknown_session" };
        expect_problem(&pipe.line(late), code);
    }
}

#[test]
fn a_session_keeps_so_many_callbacks() {
    let server = Server::start();
    let mut follower = Follower::of(&server, "default");
    let mut pipe = server.connect();
    let all: Vec<_> = std::iter::repeat_n(kept("f"), 1000).collect();
    let eval =
        |expression: &str, callbacks: &Value| json!({ "expression": expression, "locals": { "all": callbacks } });
    assert_eq!(
        pipe.ask("eval", eval("import builtins\nbuiltins.all_of_them = all\nlen(all)", &json!(all)))["value"],
        1000
    );
    let told = pipe.refused("eval", eval("1", &kept("f")), "too_many_handles");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("1000 callbacks")), "{told}");
    // Those that the code has given up do not count.
    server.eval("import builtins\ndel builtins.all_of_them[500:]");
    send(&mut pipe, json!({ "command": "eval", "payload": eval("all()", &kept("f")) }));
    answer(&server, &follower.asked(), json!(7));
    assert_eq!(pipe.receive()["result"]["value"], 7);
}
