//! Text that UTF-8 cannot carry, from clients and from objects: it is answered, whatever it is, and ends nothing.

use serde_json::json;

use crate::support::Server;

/// A string of JSON with half a character.
const HALF: &str = r#""\ud800x""#;

#[test]
fn half_characters_in_any_field_are_answered_and_the_worker_lives() {
    let server = Server::start();
    server.eval("kept = 1");
    let module = server.post("/api/import", json!({"moduleName": "pathlib"})).json()["handleId"].to_string();
    let mut connection = server.connect();
    for (path, body) in [
        ("import", r#"{"moduleName":HALF}"#),
        ("module-available", r#"{"moduleName":HALF}"#),
        ("create", r#"{"moduleHandleId":HALF,"className":"x"}"#),
        ("create", r#"{"moduleHandleId":MODULE,"className":HALF}"#),
        ("create", r#"{"moduleHandleId":MODULE,"className":"PurePath","args":[{"$handle":HALF}]}"#),
        ("create", r#"{"moduleHandleId":MODULE,"className":"PurePath","kwargs":{HALF:1}}"#),
        ("call", r#"{"handleId":HALF,"methodName":"x"}"#),
        ("call", r#"{"handleId":MODULE,"methodName":HALF}"#),
        ("call", r#"{"handleId":MODULE,"methodName":"Path","args":[HALF],"returnType":HALF}"#),
        ("getattr", r#"{"handleId":HALF,"attributeName":"x"}"#),
        ("getattr", r#"{"handleId":MODULE,"attributeName":HALF}"#),
        ("setattr", r#"{"handleId":MODULE,"attributeName":HALF,"value":HALF}"#),
        ("eval", r#"{"expression":HALF}"#),
        ("eval", r#"{"expression":"1","locals":{HALF:HALF},"outputs":[HALF]}"#),
        ("eval", r#"{"expression":"1","returnType":HALF}"#),
        ("eval", r#"{"expression":"1","session":HALF}"#),
        ("eval", r#"{"expression":"1","requestId":HALF}"#),
        ("eval", r#"{"expression":"1","filename":HALF}"#),
        ("eval", r#"{"expression":"1",HALF:1}"#),
        ("eval", r#"{"expression":"x","locals":{"x":{"$callback":HALF}}}"#),
        ("execute", r#"{"expression":HALF}"#),
        ("execute", r#"{"expression":"1","capabilities":[HALF]}"#),
        ("batch", r#"{"steps":[{"operation":HALF}]}"#),
        ("batch", r#"{"steps":[{"operation":"getattr","handleId":HALF,"attributeName":HALF}]}"#),
        ("batch", r#"{"steps":[{"operation":"eval","expression":"1","locals":{HALF:1},"outputs":[HALF]}]}"#),
        ("dispose", r#"{"handleId":HALF}"#),
        ("renew", r#"{"handleIds":[HALF]}"#),
        ("describe", r#"{"handleId":HALF}"#),
        ("dir", r#"{"handleId":HALF}"#),
        ("tofloatarray", r#"{"handleId":HALF}"#),
        ("wrap", r#"{"value":{HALF:HALF}}"#),
        ("wrap", r#"{"value":{"$handle":HALF}}"#),
        ("next", r#"{"handleId":HALF}"#),
        ("reply", r#"{"id":HALF,"value":1}"#),
        ("cancel", r#"{"requestId":HALF}"#),
        ("sessions", r#"{"labels":{HALF:"1"}}"#),
        ("sessions", r#"{"env":{"A":HALF}}"#),
        ("sessions", r#"{"setup":HALF}"#),
        ("venv/status", r#"{"name":HALF}"#),
        ("venv/install", r#"{"name":"nobody","packages":[HALF]}"#),
    ] {
        let body = body.replace("HALF", HALF).replace("MODULE", &module);
        let response = connection.post(&format!("/api/{path}"), &[], &body);
        let text = String::from_utf8(response.body.clone()).expect("UTF-8");
        assert!(response.status < 500 && !text.contains("worker_died"), "{path} {body}: {} {text}", response.status);
        assert!(!text.contains("TypeError: unsupported"), "{path} {body}: {text}");
    }
    let named = format!(r#"{{"expression":"1","locals":{{{HALF}:2}},"outputs":[{HALF}]}}"#);
    let outputs = connection.post("/api/eval", &[], &named).json()["outputs"].clone();
    assert_eq!(outputs, json!({"\\ud800x": {"value": 2}}), "as Python prints it");
    let asked = r#"{"expression":"f(**{chr(55296): 1})","locals":{"f":{"$callback":HALF}},"capabilities":["callbacks"],"timeoutMs":1}"#;
    let events = connection.post(
        "/api/execute",
        &[],
        &asked.replace("HALF", HALF).replace(r#""timeoutMs":1"#, r#""timeoutMs":300"#),
    );
    let events = String::from_utf8(events.body).expect("UTF-8");
    assert!(events.contains(r#""name":"\\ud800x""#) && events.contains(r#""kwargs":{"\\ud800":"#), "{events}");
    assert_eq!(server.eval("kept"), 1, "the worker is the same");
}

#[test]
fn handles_of_objects_that_misbehave_are_listed() {
    let server = Server::start();
    let held = |code: &str| {
        let made = server.post("/api/eval", json!({ "expression": code })).json();
        assert_eq!(made["isHandle"], true, "{code}: {made}");
    };
    let methods = [
        ("__repr__", "raise KeyboardInterrupt", "<__main__.It, whose __repr__ raised KeyboardInterrupt>"),
        ("__repr__", "raise SystemExit", "<__main__.It, whose __repr__ raised SystemExit>"),
        ("__repr__", "return 5", "<__main__.It, whose __repr__ raised TypeError>"),
        ("__repr__", "return self.__repr__()", "<__main__.It, whose __repr__ raised RecursionError>"),
        ("__repr__", "return '\\ud800'", "\\ud800"),
        ("__sizeof__", "raise KeyboardInterrupt", ""),
        ("__sizeof__", "raise GeneratorExit", ""),
        ("__sizeof__", "return 'large'", ""),
        ("__sizeof__", "return -1", ""),
        ("__sizeof__", "return 10**40", ""),
    ];
    for (method, body, _) in methods {
        held(&format!("class It:\n    def {method}(self): {body}\nIt()"));
    }
    for size in ["10**5000", "-1", "1 << 70", "True"] {
        held(&format!("class It: nbytes = {size}\nIt()"));
    }
    held("class It: pass\nIt.__module__ = '\\ud801'\nIt()");
    let listed = server.get("/api/sessions/default/handles");
    assert_eq!(listed.status, 200, "{}", listed.json());
    let listed = listed.json()["handles"].as_array().expect("handles").clone();
    assert_eq!(listed.len(), methods.len() + 5);
    for (told, (method, body, repr)) in listed.iter().zip(methods) {
        match method {
            "__repr__" => assert_eq!(told["repr"], repr, "{body}"),
            _ => assert!(told.get("size").is_none(), "{body}: {told}"),
        }
    }
    let last = &listed[listed.len() - 1];
    assert_eq!((&last["typeName"], &last["typeModule"]), (&json!("It"), &json!("\\ud801")));
}
