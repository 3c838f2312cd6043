//! What the server says of itself: the document for machines, the pages for people.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use beep_python_protocol::{CallOption, ErrorCode};
use beep_python_server::auth::AccessConfig;
use beep_python_server::http::Route;
use serde_json::{Value, json};

use crate::document::Document;
use crate::host::newest;
use crate::support::Server;

const BROWSER: (&str, &str) = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

/// Each method with its path and what the document says of it.
fn operations() -> impl Iterator<Item = (String, &'static str, &'static Value)> {
    let paths = Document::get().whole["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods");
        methods.iter().map(move |(method, operation)| (method.to_ascii_uppercase(), path.as_str(), operation))
    })
}

#[test]
fn document_has_every_route_and_no_other() {
    let routes: BTreeSet<_> = Route::all()
        .into_iter()
        .flat_map(|(path, route)| {
            let path = path.replace("/api/sessions/default", "/api/sessions/{sessionId}");
            route.methods().iter().map(move |method| (method.to_string(), path.clone()))
        })
        .collect();
    let described: BTreeSet<_> = operations().map(|(method, path, _)| (method, path.to_owned())).collect();
    assert_eq!(described, routes);
}

#[test]
fn document_has_every_error_with_its_status_and_every_call_option() {
    let document = Document::get();
    let mut found = BTreeSet::new();
    for (_, _, operation) in operations() {
        for (status, answer) in operation["responses"].as_object().expect("answers") {
            let schema = &document.resolved(answer)["content"]["application/problem+json"]["schema"];
            let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array().into_iter().flatten();
            found.extend(
                codes.map(|code| (code.as_str().expect("a word").to_owned(), status.parse::<u16>().expect("a status"))),
            );
        }
    }
    // No described method can be answered so.
    found.insert((ErrorCode::MethodNotAllowed.as_str().to_owned(), 405));
    let all = ErrorCode::ALL.iter().map(|code| (code.as_str().to_owned(), code.http_status())).collect();
    assert_eq!(found, all);
    let codes = document.whole["components"]["schemas"]["ErrorCode"]["x-codes"].as_array().expect("codes");
    assert_eq!(codes.len(), ErrorCode::ALL.len());
    assert!(
        codes.iter().all(|code| code["meaning"].as_str().is_some_and(|meaning| meaning.ends_with('.'))),
        "{codes:?}"
    );
    let eval = document.operation("POST", "/api/eval").expect("described");
    let parameters = eval["parameters"].as_array().expect("parameters");
    let names =
        parameters.iter().map(|one| document.resolved(one)["name"].as_str().expect("a name").to_ascii_lowercase());
    let headers = CallOption::all().map(CallOption::header).chain(["last-event-id"]);
    let headers: BTreeSet<_> = headers.map(str::to_owned).collect();
    assert_eq!(names.collect::<BTreeSet<_>>(), headers);
    let keys = document.whole["components"]["schemas"]["CallOptions"]["properties"].as_object().expect("keys");
    assert_eq!(
        keys.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        CallOption::all().map(CallOption::key).collect()
    );
}

#[test]
fn document_is_sound() {
    let document = Document::get();
    let mut references = Vec::new();
    walk(&document.whole, &mut |value| references.extend(value["$ref"].as_str().map(str::to_owned)));
    for reference in references {
        let found = reference.strip_prefix('#').and_then(|pointer| document.whole.pointer(pointer));
        assert!(found.is_some(), "{reference} leads nowhere");
    }
    for (name, schema) in document.whole["components"]["schemas"].as_object().expect("schemas") {
        jsonschema::meta::validate(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = schema.to_string();
        assert!(!text.contains("[`") && !text.contains("crate::"), "{name} has a link of Rust: {text}");
    }
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations() {
        assert!(names.insert(operation["operationId"].as_str().expect("a name")), "{method} {path}");
        let content = &operation["requestBody"]["content"]["application/json"];
        if let Some(example) = content.get("example") {
            document.valid(&content["schema"], example).unwrap_or_else(|told| panic!("{method} {path}: {told}"));
        }
    }
}

fn walk(value: &Value, see: &mut impl FnMut(&Value)) {
    see(value);
    match value {
        Value::Object(keys) => keys.values().for_each(|value| walk(value, see)),
        Value::Array(items) => items.iter().for_each(|value| walk(value, see)),
        _ => {}
    }
}

#[test]
fn schemas_tell_wrong_from_right() {
    let document = Document::get();
    let request = |path: &str, body: Value| {
        let operation = document.operation("POST", path).expect("described");
        document.valid(&operation["requestBody"]["content"]["application/json"]["schema"], &body).is_ok()
    };
    for (path, right, wrong) in [
        (
            "/api/eval",
            json!({ "expression": "1", "locals": null, "timeoutMs": 5, "more": 1 }),
            json!({ "expression": 1 }),
        ),
        (
            "/api/eval",
            json!({ "expression": "1", "limits": { "cpuMs": 1 } }),
            json!({ "expression": "1", "limits": { "cpu": 1 } }),
        ),
        ("/api/eval", json!({ "expression": "1", "values": "exact" }), json!({ "expression": "1", "values": "other" })),
        ("/api/dispose", json!({ "handleIds": ["a"] }), json!({})),
        ("/api/stream", json!({ "handleId": "a", "credit": 1 }), json!({ "credit": 1 })),
        ("/api/answer", json!({ "questionId": "q", "error": { "type": "OSError" } }), json!({ "value": 1 })),
        (
            "/api/batch",
            json!({ "steps": [{ "operation": "len", "handleId": "a" }] }),
            json!({ "steps": [{ "operation": "put" }] }),
        ),
        ("/api/sessions", json!({ "labels": { "a": "b" }, "limits": { "handles": 1 } }), json!({ "lables": {} })),
        ("/api/venv/status", json!({ "providerName": "a" }), json!({ "modelId": "a" })),
    ] {
        assert!(request(path, right.clone()), "{path} {right}");
        assert!(!request(path, wrong.clone()), "{path} {wrong}");
    }
    let event = |event: Value| document.valid(&json!({ "$ref": "#/components/schemas/Event" }), &event).is_ok();
    assert!(event(json!({ "event": "stdout", "text": "a" })));
    assert!(!event(json!({ "event": "stdout" })) && !event(json!({ "event": "nothing" })));
}

#[test]
fn document_is_served_and_always_the_same() {
    let server = Server::start();
    let answer = server.get("/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json(), Document::get().whole);
    assert_eq!(answer.body, server.get("/openapi.json").body);
    assert_eq!(answer.json()["info"]["version"], server.get("/health").json()["version"]);
}

#[test]
fn home_says_what_the_server_is_and_its_example_works() {
    let server = Server::start();
    let told = server.get("/").json();
    assert_eq!((&told["name"], &told["openapi"]), (&json!("beep-python"), &json!("/openapi.json")));
    assert_eq!(told["python"], server.get("/health").json()["python"]);
    let example = told["example"].as_str().expect("a command");
    let ran = Command::new("sh").args(["-c", example]).output().expect("sh and curl");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), r#"{"value":2,"sessionEpoch":1}"#, "{example}");
    let page = server.connect().request("GET", "/", &[BROWSER], "");
    let text = String::from_utf8(page.body.clone()).expect("text");
    assert!(text.contains(&format!("http://localhost:{}/api/eval", server.port)), "{text}");
    assert!(text.contains("href=\"/docs\""), "{text}");
    assert!(server.connect().head("/").starts_with("HTTP/1.1 200"));
}

#[test]
fn pages_need_nothing_from_elsewhere_and_run_no_script() {
    let server = Server::start();
    for path in ["/", "/docs"] {
        let page = server.connect().request("GET", path, &[BROWSER], "");
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = String::from_utf8(page.body.clone()).expect("text");
        for what in [
            "<script",
            "<link",
            "<img",
            "<iframe",
            "<form",
            " src=",
            "@import",
            "url(",
            " style=",
            "javascript:",
            " on",
        ] {
            // As markup: what is text is escaped, and has no tag around it.
            let tags = text.split('<').skip(1).filter_map(|tag| tag.split_once('>')).map(|(tag, _)| format!("<{tag}>"));
            assert!(!tags.into_iter().any(|tag| tag.contains(what)), "{path} has {what}");
        }
        let style = text.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).expect("a style").0;
        assert!(!style.contains("url(") && !style.contains("@import"), "{style}");
        assert_eq!(policy_of(style), policy, "the hash is that of the style");
    }
}

/// The policy that lets this style through and nothing else.
fn policy_of(style: &str) -> String {
    let hash = base64(&sha256(style));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn sha256(text: &str) -> Vec<u8> {
    use sha2::Digest;
    sha2::Sha256::digest(text).to_vec()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn docs_page_has_every_route_and_its_links_lead_somewhere() {
    let text = String::from_utf8(Server::start().get("/docs").body).expect("text");
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().expect("a name");
        let line = format!("<details id=\"{id}\"><summary><span class=\"method\">{method}</span> <code>{path}</code>");
        assert!(text.contains(&line), "{line}");
    }
    for code in ErrorCode::ALL {
        assert!(text.contains(&format!("<tr id=\"error-{code}\">")), "{code}");
    }
    let links: BTreeSet<_> = text.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(links.len() > 100, "{}", links.len());
    for link in links {
        assert!(text.contains(&format!("id=\"{link}\"")), "#{link} leads nowhere");
    }
    assert!(!text.contains("{ORIGIN}") && !text.contains("any JSON with"), "the page is complete");
}

#[test]
fn strangers_learn_nothing_of_the_server() {
    let server = Server::with(AccessConfig { require_token: true, ..AccessConfig::default() });
    for path in ["/", "/docs", "/openapi.json"] {
        let refused = server.connect().request("GET", path, &[BROWSER], "");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        let told = refused.expect_problem(401, "unauthorized").to_string();
        assert!(!told.contains(env!("CARGO_PKG_VERSION")) && !told.contains(&*newest().version.series()), "{told}");
        let token = format!("Bearer {}", server.token);
        let shown = server.connect().request("GET", path, &[BROWSER, ("Authorization", &token)], "");
        assert_eq!(shown.status, 200, "{path}");
    }
}

/// What a stock validator of OpenAPI says.
#[test]
fn a_stock_validator_takes_the_document() {
    let folder = std::env::var_os("BEEP_PYTHON_TEST_PACKAGES").map(|folder| PathBuf::from(folder).join("openapi"));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: BEEP_PYTHON_TEST_PACKAGES has no openapi-spec-validator");
        return;
    };
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), Document::get().whole.to_string()).expect("written");
    let program = "import json, sys\n\
        from openapi_spec_validator import OpenAPIV31SpecValidator\n\
        for error in OpenAPIV31SpecValidator(json.load(open(sys.argv[1]))).iter_errors():\n    \
        print(list(error.absolute_path), error.message[:500])";
    let mut python = Command::new(&newest().path);
    let said = python.args(["-c", program]).arg(file.path()).env("PYTHONPATH", &folder).output().expect("a Python");
    let told = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && told.is_empty(), "{told}");
}
