//! Two clients of one session: what one's code goes on to do is none of the other's.

use serde_json::json;

use super::execute::{lines, send};
use crate::pipe::{Connection, Server};

const CAPABLE: [&str; 2] = ["stdin", "callbacks"];

/// A call with all capabilities, which passes a callback `f`.
fn call(pipe: &mut Connection, code: &str) {
    let payload = json!({"expression": code, "locals": {"f": {"$callback": "f"}}});
    send(pipe, json!({"id": 1, "command": "execute", "payload": payload, "capabilities": CAPABLE}));
}

const ACT: &str = "
import builtins, threading, asyncio
builtins.go, builtins.done, builtins.told = threading.Event(), threading.Event(), []
builtins.f = f
def act():
    print('of the first')
    display('of the first')
    for ask in (input, f):
        try: ask()
        except Exception as error: told.append(type(error).__name__)
    done.set()
";

fn nothing_reaches_the_other(starting: &str, waiting: &str) {
    let server = Server::start();
    let (mut first, mut second) = (server.connect(), server.connect());
    call(&mut first, &format!("{ACT}{starting}\nNone"));
    assert_eq!(lines(&mut first).last().expect("an answer")["result"]["value"], json!(null));
    call(&mut second, &format!("go.set()\n{waiting}\nprint('of the second')\ntold"));
    let seen = lines(&mut second);
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[0]["text"], "of the second\n");
    assert_eq!(seen[1]["data"]["text/plain"], "['EOFError', 'HostError']");
    assert_eq!(seen[2]["result"]["value"], json!(["EOFError", "HostError"]));
}

#[test]
fn a_thread_of_a_call_that_has_ended_reaches_no_other_client() {
    nothing_reaches_the_other("threading.Thread(target=lambda: go.wait() and act()).start()", "done.wait()");
}

#[test]
fn a_task_of_a_call_that_has_ended_reaches_no_other_client() {
    nothing_reaches_the_other(
        "async def later():\n    while not go.is_set(): await asyncio.sleep(0.001)\n    act()\n\
         builtins.task = asyncio.create_task(later())\nawait asyncio.sleep(0)",
        "await task",
    );
}

#[test]
fn a_callback_that_code_keeps_is_no_other_calls() {
    let server = Server::start();
    let mut pipe = server.connect();
    call(&mut pipe, "import builtins\nbuiltins.kept = f\nNone");
    lines(&mut pipe);
    call(
        &mut pipe,
        "import beep_python\ntry: kept()\nexcept beep_python.HostError as error: told = (error.code, str(error))\ntold",
    );
    let told = lines(&mut pipe).last().expect("an answer")["result"]["value"].clone();
    assert_eq!(told[0], "invalid_request");
    assert!(told[1].as_str().is_some_and(|told| told.contains("'f' belongs to a call that has ended")), "{told}");
}

#[test]
fn a_callback_of_a_stream_is_good_in_all_its_rounds() {
    let server = Server::start();
    let mut pipe = server.connect();
    let code = "def numbers(f):\n    import time\n    for n in range(3):\n        yield f(n)\n        time.sleep(0.002)\nnumbers(f)";
    let payload = json!({"expression": code, "locals": {"f": {"$callback": "f"}}});
    send(&mut pipe, json!({"id": 1, "command": "stream", "payload": payload, "capabilities": ["callbacks"]}));
    for n in 0..3 {
        let asked = pipe.receive();
        assert_eq!(asked["event"], "callback", "{asked}");
        server.connect().ask("answer", json!({"questionId": asked["questionId"], "value": n * 10}));
        assert_eq!(pipe.receive()["value"], n * 10);
    }
    assert_eq!(pipe.receive()["result"]["count"], 3);
}
