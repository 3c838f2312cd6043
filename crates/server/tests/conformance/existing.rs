//! What clients rely on that were published before this server was written, line by line. They cannot be changed, so
//! these are spoken to here as they speak: each quirk in the bytes that they really send.

use std::io::Write;

use serde_json::{Value, json};

use crate::existing_client::{Existing, strict};
use crate::test_context::{Case, TestContext, Transport, cases};
use crate::{http, pipe};

/// Over HTTP, over the pipe, and over the JSON side of RPC.
pub const CASES: &[Case] = cases![over Transport::WIRES;
    absent_and_null_mean_not_given,
    text_numbers_and_keys_arrive_as_they_were,
    an_answer_holds_nothing_that_they_cannot_read,
    the_return_type_is_a_hint,
    a_handle_is_an_argument_as_they_write_it,
    an_answer_of_call_is_a_value_or_a_handle,
    create_makes_any_callable_and_always_answers_with_a_handle,
    import_gives_one_handle_and_binds_the_root_name,
    float_arrays_are_numbers_and_nan_is_an_error,
    every_answer_has_a_body_and_is_what_was_asked_for,
];

/// Over HTTP and RPC, which are both HTTP/1.1.
pub const HTTP_CASES: &[Case] = cases![over &[Transport::Http, Transport::Rpc];
    bodies_come_in_chunks_of_any_size,
    one_connection_serves_one_request_after_another,
    nothing_is_compressed_redirected_or_without_a_body,
    the_host_may_be_written_in_any_way_that_means_loopback,
];

/// Over the pipe.
pub const PIPE_CASES: &[Case] = cases![over &[Transport::Pipe];
    the_byte_order_mark_comes_alone_before_the_first_line,
    lines_end_in_either_way_and_may_come_in_pieces,
    there_is_one_line_for_each_request_in_order_and_no_other,
    an_error_is_a_text_and_absent_on_success,
];

/// "null *properties* left out (so an absent `value` in setattr or wrap means None, and `args`, `kwargs`, `locals` may be
/// absent); RPC PascalCase with nulls written".
async fn absent_and_null_mean_not_given(context: &TestContext) {
    let mut client = Existing::connect(context);
    let held = client.ask("wrap", json!({ "value": null }));
    assert_eq!(held["typeName"], "NoneType");
    let owner = client.ask("eval", json!({ "expression": "class Owner: pass\nOwner()", "locals": null }));
    let owner = &owner["handleId"];
    client.ask("setattr", json!({ "handleId": owner, "attributeName": "it", "value": 1 }));
    client.ask("setattr", json!({ "handleId": owner, "attributeName": "it", "value": null }));
    let got = client.ask("getattr", json!({ "handleId": owner, "attributeName": "it", "returnType": null }));
    assert!(got["value"].is_null() && got["isHandle"] != true, "{got}");
    let module = client.ask("import", json!({ "moduleName": "builtins" }));
    let nothing = json!({ "moduleHandleId": module["handleId"], "className": "list", "args": null, "kwargs": null });
    assert_eq!(client.ask("create", nothing)["typeName"], "list");
    let nothing = json!({ "handleId": module["handleId"], "methodName": "dict", "args": null, "kwargs": null });
    assert_eq!(client.ask("call", nothing)["value"], json!({}));
    let empty = json!({ "handleId": module["handleId"], "methodName": "dict", "args": [], "kwargs": {} });
    assert_eq!(client.ask("call", empty)["value"], json!({}));
}

/// "Null array elements and dictionary entries are always written, dictionary keys never changed. Non-ASCII and
/// `< > & ' " +` and the backtick arrive as `\uXXXX`. A C# `3.0` arrives as `3`."
async fn text_numbers_and_keys_arrive_as_they_were(context: &TestContext) {
    let mut client = Existing::connect(context);
    let text = "é中\u{1F600}<>&'\"+`\\ \u{0}\u{7f}\u{2028}";
    let locals = json!({ "it": [null, text, { "PascalKey": null, "camelKey": { "snake_key": 1 }, text: 2 }, 3] });
    let code = "(it[0] is None, it[1], list(it[2]), it[2]['PascalKey'] is None, type(it[3]).__name__, it)";
    let got = client.ask("eval", json!({ "expression": code, "locals": locals }));
    let expected = json!([true, text, ["PascalKey", "camelKey", text], true, "int", locals["it"]]);
    assert_eq!(got["value"], expected);
    let quoted = client.ask("eval", json!({ "expression": "'<é&' + `1`".replace('`', "'"), "locals": {} }));
    assert_eq!(quoted["value"], "<é&1", "in code as well");
    // A float that lost its point is taken where Python wants a float.
    let math = client.ask("import", json!({ "moduleName": "math" }));
    let root = json!({ "handleId": math["handleId"], "methodName": "sqrt", "args": [4], "returnType": "Double" });
    assert_eq!(client.ask_raw("call", &root).1["value"].to_string(), "2.0");
    // Infinity can be sent as 1e999.
    let infinite = r#"{"expression":"it == float('inf')","locals":{"it":1e999}}"#;
    assert_eq!(client.send("eval", infinite).1["value"], true);
}

/// "Answers are read case-sensitively; unknown members are skipped; depth at most 64. Not accepted: `NaN`, comments,
/// trailing commas, lone surrogate escapes, `42.0` for an int, a number for a string, null for an int or bool."
async fn an_answer_holds_nothing_that_they_cannot_read(context: &TestContext) {
    let mut client = Existing::connect(context);
    for code in [
        "float('nan')",
        "[float('inf'), {'x': -float('inf')}]",
        "'a\\udc80b'",
        "{'\\udc80': 1}",
        "['\\ud800']",
        "print('\\udc80') if False else __import__('os').write(1, b'\\xff\\xed\\xb2\\x80')",
        "class Odd:\n    def __repr__(self): return '\\udc80'\nOdd()",
        "x = None\nfor n in range(60): x = [x]\nx",
        "x = None\nfor n in range(61): x = {'x': x}\nx",
        "x = None\nfor n in range(5000): x = [x]\nx",
        "{1: 2, None: 3, True: 4, 1.5: 5}",
        "2**100",
        "-0.0",
    ] {
        let (success, answer) = client.ask_raw("eval", &json!({ "expression": code }));
        assert!(success, "{code}: {answer}");
    }
    // The pipe's answer is read whole where it is an error, too; over HTTP the status is enough.
    for code in [
        "raise ValueError('\\udc80')",
        "error = None\nfor n in range(200):\n    new = ValueError(n)\n    new.__cause__ = error\n    error = new\nraise error",
        "raise __import__('json').JSONDecodeError('\\ud800', '\\udc80' * 9, 1)",
        "exec('x = \"\\udc80\" +')",
        "def f(n): f(n + 1)\nf(0)",
    ] {
        let (success, answer) = client.ask_raw("eval", &json!({ "expression": code }));
        assert!(!success, "{code}: {answer}");
    }
    if context.version >= (3, 11) {
        let groups = "g = ValueError()\nfor n in range(60): g = ExceptionGroup('g', [g])\nraise g";
        assert!(!client.ask_raw("eval", &json!({ "expression": groups })).0);
    }
    let available = client.ask("module_available", json!({ "moduleName": "no_such_module" }));
    assert_eq!(available["available"], false, "never null");
}

/// Each name of a .NET type gets what .NET reads as that type, or an error: never what it would read as a default. Over RPC
/// the name is the full one, `System.Int32`.
async fn the_return_type_is_a_hint(context: &TestContext) {
    let mut client = Existing::connect(context);
    for (code, hint, wanted) in [
        ("42.0", "Int32", "42"),
        ("-7.0", "Int64", "-7"),
        ("1e15", "Int64", "1000000000000000"),
        ("True", "Int32", "1"),
        ("True", "Boolean", "true"),
        ("12", "String", "\"12\""),
        ("1.5", "String", "\"1.5\""),
        ("[1, 'a']", "String", "\"[1, 'a']\""),
        ("'text'", "String", "\"text\""),
        ("None", "String", "null"),
        ("(1, 2.5)", "Single[]", "[1,2.5]"),
        ("range(3)", "Double[]", "[0,1,2]"),
        ("__import__('array').array('f', [0.5])", "Single[]", "[0.5]"),
        ("[1]", "Whatever", "[1]"),
        ("{'a': (1, {2})}", "Dictionary`2", "{\"a\":[1,[2]]}"),
        ("[1.5, float('nan')]", "Nullable`1[]", "[1.5,null]"),
        ("__import__('decimal').Decimal('1.10')", "Decimal", "1.1"),
        ("__import__('datetime').date(2026, 1, 2)", "DateTime", "\"2026-01-02\""),
        ("__import__('datetime').timedelta(days=1)", "TimeSpan", "\"1.00:00:00\""),
        ("b'ab'", "Byte[]", "\"YWI=\""),
        ("(n for n in (1, 2))", "List`1", "[1,2]"),
        ("(1, 'a')", "Tuple`2", "{\"Item1\":1,\"Item2\":\"a\"}"),
        ("[1]", "", "[1]"),
        ("42", "Double", "42"),
    ] {
        let hint = if context.transport == Transport::Rpc { format!("System.{hint}") } else { hint.to_owned() };
        let (success, got) = client.ask_raw("eval", &json!({ "expression": code, "returnType": hint }));
        assert!(success, "{code} as {hint}: {got}");
        assert_eq!(got["value"].to_string(), wanted, "{code} as {hint}");
    }
    for (code, hint) in [
        ("3.5", "Int32"),
        ("'3'", "Int32"),
        ("2**31", "Int32"),
        ("None", "Double"),
        ("float('nan')", "Double"),
        ("1e300", "Single"),
        ("'text'", "Double[]"),
        ("{'a': 1}", "List`1"),
        ("[1]", "Dictionary`2"),
        ("(1, 2)", "ValueTuple`2"),
        ("object()", "MyDto"),
    ] {
        let hint = if context.transport == Transport::Rpc { format!("System.{hint}") } else { hint.to_owned() };
        let (success, got) = client.ask_raw("eval", &json!({ "expression": code, "returnType": hint }));
        assert!(!success, "{code} as {hint}: {got}");
    }
    let held = client.ask("wrap", json!({ "value": [3, 1, 2] }));
    let copy =
        |hint: &str| json!({ "handleId": held["handleId"], "methodName": "copy", "args": [], "returnType": hint });
    for hint in ["IPythonObjectHandle", "Beep.Python.Model.IPythonObjectHandle"] {
        let got = client.ask("call", copy(hint));
        assert_eq!((&got["isHandle"], got.get("value")), (&json!(true), None), "{got}");
    }
    assert_eq!(client.ask("call", copy("List`1"))["value"], json!([3, 1, 2]));
    let length = json!({ "handleId": held["handleId"], "attributeName": "__len__", "returnType": "String" });
    assert!(client.ask("getattr", length)["value"].is_string());
}

/// "A handle given as an argument arrives as the object `{"handleId","typeName","isValid"}` (a module:
/// `{"handleId","moduleName"}`; RPC in PascalCase): resolve exactly these key sets when the id is known in the session, as
/// well as our own `{"$handle":id}`."
async fn a_handle_is_an_argument_as_they_write_it(context: &TestContext) {
    let mut client = Existing::connect(context);
    let list = client.ask("wrap", json!({ "value": [3, 1, 2] }));
    let module = client.ask("import", json!({ "moduleName": "builtins" }));
    let cased = |object: Value| {
        if context.transport == Transport::Rpc { crate::existing_client::pascal(&object) } else { object }
    };
    let object = cased(json!({ "handleId": list["handleId"], "typeName": "list", "isValid": true }));
    let of_module = cased(json!({ "handleId": module["handleId"], "moduleName": "builtins" }));
    let builtins = &module["handleId"];
    let call = |method: &str, args: Value, kwargs: Value| json!({ "handleId": builtins, "methodName": method, "args": args, "kwargs": kwargs });
    assert_eq!(client.ask("call", call("sorted", json!([object]), json!({})))["value"], json!([1, 2, 3]));
    assert_eq!(client.ask("call", call("max", json!([object]), json!({ "key": null })))["value"], 3);
    let deep = json!({ "expression": "(deep['a'][0], m.len(deep['a'][0]), o)",
        "locals": { "deep": { "a": [object] }, "m": of_module, "o": { "$handle": list["handleId"] } } });
    assert_eq!(client.ask("eval", deep)["value"], json!([[3, 1, 2], 3, [3, 1, 2]]));
    let wrapped = client.ask("wrap", json!({ "value": { "inside": object } }));
    let inside = json!({ "handleId": wrapped["handleId"], "methodName": "get", "args": ["inside"] });
    assert_eq!(client.ask("call", inside)["value"], json!([3, 1, 2]));
    // Other keys, or an id that nobody knows: a dict like any other.
    for dict in [
        json!({ "handleId": "unknown", "typeName": "list", "isValid": true }),
        json!({ "handleId": list["handleId"], "typeName": "list" }),
        json!({ "handleId": list["handleId"], "typeName": "list", "isValid": true, "more": 1 }),
        json!({ "handleId": list["handleId"] }),
    ] {
        let dict = cased(dict);
        let got = client.ask("eval", json!({ "expression": "it", "locals": { "it": dict } }));
        assert_eq!(got["value"], dict);
    }
}

/// "In a `call` answer that is a handle, `value` is absent or null; `isHandle` is a JSON bool; ids are strings."
async fn an_answer_of_call_is_a_value_or_a_handle(context: &TestContext) {
    let mut client = Existing::connect(context);
    let module = client.ask("import", json!({ "moduleName": "collections" }));
    let call = |method: &str| {
        let handle_id = &module["handleId"];
        json!({ "handleId": handle_id, "methodName": method, "args": [], "kwargs": {}, "returnType": "IPythonObjectHandle" })
    };
    for (operation, body) in [
        ("call", call("deque")),
        ("eval", json!({ "expression": "object()" })),
        ("getattr", json!({ "handleId": module["handleId"], "attributeName": "abc" })),
    ] {
        let (success, got) = client.ask_raw(operation, &body);
        let held = (success, &got["isHandle"], got["handleId"].is_string(), got["typeName"].is_string());
        assert_eq!(held, (true, &json!(true), true, true), "{body}: {got}");
        assert!(got.get("value").is_none_or(Value::is_null), "{got}");
    }
    let got = client.ask("eval", json!({ "expression": "1" }));
    assert!(matches!(got.get("isHandle"), None | Some(Value::Bool(false))), "{got}");
}

/// "`create` always answers with a handle and accepts any callable."
async fn create_makes_any_callable_and_always_answers_with_a_handle(context: &TestContext) {
    let mut client = Existing::connect(context);
    let module = client.ask("import", json!({ "moduleName": "builtins" }));
    for (name, args, kind) in [
        ("list", json!([]), "list"),
        ("sorted", json!([[2, 1]]), "list"),
        ("len", json!(["abc"]), "int"),
        ("print", json!([]), "NoneType"),
        ("str", json!([5]), "str"),
    ] {
        let got =
            client.ask("create", json!({ "moduleHandleId": module["handleId"], "className": name, "args": args }));
        assert!(got["handleId"].is_string() && got["typeName"] == kind, "{name}: {got}");
    }
}

/// "`import` answers with one stable handle per module and session, and binds the module's root name in the session,
/// because a client imports `clr` and then evaluates `clr.AddReference(...)`." "Clients never release handles on their
/// own", and releasing a module's does nothing.
async fn import_gives_one_handle_and_binds_the_root_name(context: &TestContext) {
    let mut client = Existing::connect(context);
    let first = client.ask("import", json!({ "moduleName": "xml.dom" }));
    let again = Existing::connect(context).ask("import", json!({ "moduleName": "xml.dom" }));
    assert_eq!(first["handleId"], again["handleId"]);
    client.ask("dispose", json!({ "handleId": first["handleId"] }));
    let name = json!({ "handleId": first["handleId"], "attributeName": "__name__", "returnType": "String" });
    assert_eq!(client.ask("getattr", name)["value"], "xml.dom");
    assert_eq!(client.ask("eval", json!({ "expression": "xml.dom.__name__" }))["value"], "xml.dom");
    client.ask("import", json!({ "moduleName": "clr" }));
    client.ask("eval", json!({ "expression": "clr.AddReference('Beep.Python.Runtime')", "returnType": "Object" }));
}

/// "a NaN in a float array is a clear error"; a bare array over HTTP and the pipe, `Data` over RPC.
async fn float_arrays_are_numbers_and_nan_is_an_error(context: &TestContext) {
    let mut client = Existing::connect(context);
    let data = |answer: Value| if context.transport == Transport::Rpc { answer["data"].clone() } else { answer };
    let row = client.ask("wrap", json!({ "value": [1.5, 2, -0.25] }));
    let got = client.ask("tofloatarray", json!({ "handleId": row["handleId"] }));
    assert_eq!(data(got), json!([1.5, 2.0, -0.25]));
    let rows = client.ask("wrap", json!({ "value": [[1, 2], []] }));
    let got = client.ask("tofloatarray2d", json!({ "handleId": rows["handleId"] }));
    assert_eq!(data(got), json!([[1.0, 2.0], []]));
    for code in ["__import__('array').array('f', [0, float('nan')])", "type('L', (list,), {})([[float('nan')]])"] {
        let held = client.ask("eval", json!({ "expression": code, "returnType": "IPythonObjectHandle" }));
        let operation = if code.contains("[[") { "tofloatarray2d" } else { "tofloatarray" };
        let (success, told) = client.ask_raw(operation, &json!({ "handleId": held["handleId"] }));
        assert!(!success && told.to_string().contains("NaN"), "{code}: {told}");
    }
}

/// "200–299 is success; a body is always read, so never 204 where one is expected (RPC setattr and dispose need `{}`)".
async fn every_answer_has_a_body_and_is_what_was_asked_for(context: &TestContext) {
    let mut client = Existing::connect(context);
    let owner = client.ask("eval", json!({ "expression": "class Owner: pass\nOwner()" }));
    let set = json!({ "handleId": owner["handleId"], "attributeName": "it", "value": 1 });
    assert!(client.ask("setattr", set).is_object());
    assert!(client.ask("dispose", json!({ "handleId": owner["handleId"] })).is_object());
    let gone = json!({ "handleId": owner["handleId"], "attributeName": "it" });
    assert!(!client.ask_raw("getattr", &gone).0);
    assert_eq!(client.health()["status"], "ok");
    if context.transport != Transport::Rpc {
        let provider = format!("existing-{}", context.name());
        let made = client.ask("venv_create", json!({ "providerName": provider, "modelId": null }));
        assert!(made["path"].is_string() && made["success"] == true, "{made}");
    }
}

/// "HTTP bodies come **chunked**, RPC bodies with Content-Length; `Content-Type: application/json; charset=utf-8`; no
/// Accept, no User-Agent, no Accept-Encoding, no Expect."
async fn bodies_come_in_chunks_of_any_size(context: &TestContext) {
    let (port, path, body) = evaluate(context, "'x' * 3 + 'é'");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: application/json; charset=utf-8\r\n\r\n"
    );
    for size in [1, 7, body.len()] {
        let mut client = http::Connection::open(port);
        client.send(head.as_bytes());
        for chunk in body.as_bytes().chunks(size) {
            client.send(format!("{:X}\r\n", chunk.len()).as_bytes());
            client.send(chunk);
            client.send(b"\r\n");
        }
        client.send(b"0\r\n\r\n");
        let answer = client.receive();
        assert_eq!(answer.status, 200, "{}", answer.json());
        assert!(String::from_utf8_lossy(&answer.body).contains("\"xxxé\""), "{}", answer.json());
    }
}

/// "HTTP/1.1 always, RPC too." "An idle connection is kept by the client for a minute, and a POST on a connection that the
/// server closed meanwhile is *not* retried": errors leave it open, too.
async fn one_connection_serves_one_request_after_another(context: &TestContext) {
    let (port, path, good) = evaluate(context, "1 + 1");
    let (_, _, bad) = evaluate(context, "1/0");
    let mut client = http::Connection::open(port);
    for _ in 0..3 {
        for (path, body, status) in
            [(path, good.as_str(), 200), (path, &bad, 422), ("/nowhere", "{}", 404), (path, "{", 400)]
        {
            let answer = client.post(path, &[("Content-Type", "application/json; charset=utf-8")], body);
            assert_eq!((answer.status, answer.header("connection")), (status, None), "{}", answer.json());
        }
        assert_eq!(client.request("GET", "/health", &[], "").status, 200);
    }
}

/// "never redirect or compress unasked. Only status and reason phrase of an error reach their log."
async fn nothing_is_compressed_redirected_or_without_a_body(context: &TestContext) {
    let (port, path, body) = evaluate(context, "'x' * 100_000");
    let mut client = http::Connection::open(port);
    let answer = client.post(path, &[], &body);
    assert_eq!((answer.status, answer.header("content-encoding")), (200, None));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    for (path, body, line) in [
        (path, evaluate(context, "1/0").2, "HTTP/1.1 422 Unprocessable Entity"),
        ("/api/eval/", "{}".into(), "HTTP/1.1 404 Not Found"),
        (path, "[]".into(), "HTTP/1.1 400 Bad Request"),
    ] {
        let answer = client.post(path, &[], &body);
        assert_eq!(answer.head.lines().next(), Some(line));
        assert!(answer.header("location").is_none() && !answer.body.is_empty());
    }
}

/// "`Host: localhost:5678`."
async fn the_host_may_be_written_in_any_way_that_means_loopback(context: &TestContext) {
    let (port, path, body) = evaluate(context, "1");
    for host in
        ["localhost".to_owned(), format!("LOCALHOST:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]
    {
        let answer = http::Connection::open(port).post(path, &[("Host", &host)], &body);
        assert_eq!(answer.status, 200, "{host}");
    }
}

/// Port, path and body of an evaluation.
fn evaluate(context: &TestContext, code: &str) -> (u16, &'static str, String) {
    match context.transport {
        Transport::Rpc => (
            context.server.rpc,
            "/rpc/PythonService/Evaluate",
            json!({ "Expression": code, "Locals": null }).to_string(),
        ),
        _ => (context.server.http, "/api/eval", json!({ "expression": code }).to_string()),
    }
}

/// "The byte-order mark arrives **alone, before the first line** (on Windows as a message of its own)."
async fn the_byte_order_mark_comes_alone_before_the_first_line(context: &TestContext) {
    for pieces in [&[&b"\xef\xbb\xbf"[..]][..], &[b"\xef", b"\xbb", b"\xbf"], &[b""]] {
        let mut client = pipe::Connection::open(&context.server.link);
        for piece in pieces {
            client.send(piece);
        }
        assert_eq!(client.ask("eval", json!({ "expression": "1 + 1" }))["value"], 2, "{pieces:?}");
        assert_eq!(client.ask("ping", json!({}))["status"], "ok");
    }
}

/// "Lines end in `\n`, from Windows in `\r\n`."
async fn lines_end_in_either_way_and_may_come_in_pieces(context: &TestContext) {
    let mut client = pipe::Connection::open(&context.server.link);
    let line = r#"{"command":"eval","payload":{"expression":"\u0027\u00E9\u0027","locals":{}}}"#;
    for end in ["\n", "\r\n"] {
        for byte in format!("{line}{end}").as_bytes() {
            client.stream.write_all(&[*byte]).expect("sent");
        }
        assert_eq!(client.receive()["result"]["value"], "é");
    }
    client.send(format!("{line}\r\n{line}\n{line}\r\n"));
    for _ in 0..3 {
        assert_eq!(client.receive_text().matches('é').count(), 1);
    }
}

/// "Answers: exactly one line per request, `\n`, no blank or unsolicited line." "A cancelled call leaves its answer in the
/// stream: answers must stay in order."
async fn there_is_one_line_for_each_request_in_order_and_no_other(context: &TestContext) {
    let mut client = pipe::Connection::open(&context.server.link);
    let mut lines = String::new();
    for n in 0..40 {
        let (command, payload) = match n % 5 {
            0 => ("eval", json!({ "expression": format!("print('a\\nb\\r\\n'); {n}") })),
            1 => ("session_create", json!({})),
            2 => ("eval", json!({ "expression": "1/0" })),
            3 => ("nonsense", json!({})),
            _ => ("eval", json!({ "expression": format!("'{}'", "\\u2028\\n".repeat(n)) })),
        };
        lines.push_str(&format!("{}\n", json!({ "command": command, "payload": payload })));
    }
    client.send(lines);
    let mut sessions = Vec::new();
    for n in 0..40 {
        let text = client.receive_text();
        assert!(!text.contains('\r') && !text.trim().is_empty(), "{text:?}");
        let answer = strict(&text);
        match n % 5 {
            0 => assert_eq!(answer["result"]["value"], n),
            1 => sessions.push(answer["result"]["sessionId"].clone()),
            2 => assert_eq!(answer["errorInfo"]["code"], "python_exception"),
            3 => assert_eq!(answer["errorInfo"]["code"], "unknown_operation"),
            _ => assert_eq!(answer["result"]["value"].as_str().map(|text| text.chars().count()), Some(2 * n)),
        }
    }
    for session in sessions {
        client.ask("session_delete", json!({ "sessionId": session }));
    }
    client.stream.set_nonblocking(true).expect("non-blocking");
    assert!(std::io::Read::read(&mut client.stream, &mut [0]).is_err(), "nothing unasked follows");
}

/// "`error` is a non-empty string, and absent on success."
async fn an_error_is_a_text_and_absent_on_success(context: &TestContext) {
    let mut client = pipe::Connection::open(&context.server.link);
    for code in ["1/0", "raise ValueError()", "raise ValueError('')", "raise Exception('\\n')", "if"] {
        let answer = client.line(json!({ "command": "eval", "payload": { "expression": code } }).to_string());
        assert!(answer["error"].as_str().is_some_and(|text| !text.is_empty()), "{code}: {answer}");
        assert_eq!(answer.get("result"), None);
    }
    let answer = client.line(r#"{"command":"eval","payload":{"expression":"'error'"}}"#);
    assert_eq!((answer.get("error"), &answer["result"]["value"]), (None, &json!("error")));
}
