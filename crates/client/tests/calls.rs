//! Requests as the host sees them, and answers as the caller does.

mod fake;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use beep_python_client::{
    Args, Batch, Endpoint, Error, ErrorCode, Handle, HttpBackend, Locals, PythonHostBackend, Response, Value,
};
use fake::{Fake, Scripted};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[tokio::test]
async fn a_call_says_how_it_is_meant() {
    let fake = Fake::always(r#"{"value":2}"#).await;
    let backend = fake.backend.clone().with_token("secret\n").unwrap();
    let backend = backend.with_timeout(Duration::from_millis(1500)).with_session("s1").with_request_id("r1");
    assert_eq!(backend.evaluate::<u8>("1 + 1").await.unwrap(), 2);

    let seen = fake.only();
    assert_eq!(seen.route, "POST /api/eval");
    assert_eq!(seen.body, json!({"expression": "1 + 1", "returnType": "json"}));
    for (name, value) in [
        ("host", format!("localhost:{}", backend.endpoint().port()).as_str()),
        ("content-type", "application/json"),
        ("x-beep-values", "exact"),
        ("x-beep-timeout-ms", "1500"),
        ("x-beep-session", "s1"),
        ("x-beep-request", "r1"),
        ("authorization", "Bearer secret"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert!(!format!("{backend:?}").contains("secret"));
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_sent() {
    let fake = Fake::always(r#"{"value":2}"#).await;
    fake.backend.evaluate::<u8>("2").await.unwrap();
    let mut names: Vec<_> = fake.only().headers.into_keys().collect();
    names.sort();
    assert_eq!(names, ["content-length", "content-type", "host", "x-beep-values"]);
}

#[tokio::test]
async fn arguments_keep_their_types() {
    #[derive(Serialize)]
    struct Settings {
        #[serde(rename = "$handle")]
        not_a_handle: &'static str,
        ratio: f64,
    }

    let fake = Fake::always("{}").await;
    let locals = Locals::new()
        .local("settings", Settings { not_a_handle: "h1", ratio: 1.0 })
        .local("ids", BTreeMap::from([(1, "one")]))
        .local("huge", u64::MAX)
        .local("nothing", None::<i64>)
        .local("nan", f64::NAN)
        .local("raw", Value::bytes(*b"\x00\xff"))
        .local("pair", Value::Tuple(vec![1.into(), "a".into()]));
    fake.backend.evaluate_with::<()>("pass", locals).await.unwrap();
    assert_eq!(
        fake.only().body["locals"],
        json!({
            "settings": {"$dict": [["$handle", "h1"], ["ratio", 1.0]]},
            "ids": {"$dict": [[1, "one"]]},
            "huge": {"$int": "18446744073709551615"},
            "nothing": null,
            "nan": {"$float": "NaN"},
            "raw": {"$bytes": "AP8="},
            "pair": {"$tuple": [1, "a"]}
        })
    );
}

#[tokio::test]
async fn results_become_what_was_asked_for() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Point {
        x: f64,
        y: f64,
        tags: Vec<String>,
        raw: Value,
    }

    let fake = Fake::start(|seen| Scripted::json(seen.body["expression"].as_str().unwrap())).await;
    let python = &fake.backend;
    let pair: (i64, String) = python.evaluate(r#"{"value":{"$tuple":[1,"one"]}}"#).await.unwrap();
    assert_eq!(pair, (1, "one".to_owned()));
    let map: HashMap<i64, f64> = python.evaluate(r#"{"value":{"$dict":[[1,{"$float":"Infinity"}]]}}"#).await.unwrap();
    assert_eq!(map, HashMap::from([(1, f64::INFINITY)]));
    let bytes: Vec<u8> = python.evaluate(r#"{"value":{"$bytes":"AP8="}}"#).await.unwrap();
    assert_eq!(bytes, [0, 255]);
    let value: Value = python.evaluate(r#"{"value":{"$set":[{"$complex":[1.0,-2.5]}]}}"#).await.unwrap();
    assert_eq!(value, Value::Set(vec![Value::Complex(1.0, -2.5)]));
    let none: Option<i64> = python.evaluate(r#"{"value":null}"#).await.unwrap();
    assert_eq!(none, None);
    let point: Point =
        python.evaluate(r#"{"value":{"x":1,"y":2.5,"tags":{"$tuple":["a"]},"raw":{"$tuple":[]}}}"#).await.unwrap();
    assert_eq!(point, Point { x: 1.0, y: 2.5, tags: vec!["a".into()], raw: Value::Tuple(vec![]) });
    let answer: Response<i64> = python.evaluate(r#"{"value":1,"stdout":"a","stderr":"b","more":{}}"#).await.unwrap();
    assert_eq!((answer.value, &answer.stdout[..], &answer.stderr[..]), (1, "a", "b"));
    assert_eq!((answer.omitted_output_bytes, answer.session_epoch), (0, None));

    let error = python.evaluate::<i64>(r#"{"value":1.0}"#).await.unwrap_err();
    assert!(matches!(error, Error::Decode { found: "float", .. }), "{error:?}");
    assert_eq!(error.to_string(), "the result, a Python float, cannot be read as i64");
    let error = python.evaluate::<Value>(r#"{"value":{"$tuple":1}}"#).await.unwrap_err();
    assert!(error.to_string().contains("the tag $tuple is malformed"), "{error}");
}

#[tokio::test]
async fn an_argument_that_cannot_be_written_is_named_and_nothing_is_sent() {
    struct Unwritable;
    impl Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no way"))
        }
    }

    let fake = Fake::always("{}").await;
    let error = fake.backend.evaluate_with::<()>("x", [("x", Unwritable)]).await.unwrap_err();
    assert_eq!(error.to_string(), "`x` cannot be written as a Python value");
    let handle: Handle = {
        let fake = Fake::always(r#"{"handleId":"h1","typeName":"object"}"#).await;
        fake.backend.wrap_value(1).await.unwrap()
    };
    let error = fake.backend.call_method::<()>(&handle, "m", Args::new().arg(1).arg(Unwritable)).await.unwrap_err();
    assert_eq!(error.to_string(), "argument 2 cannot be written as a Python value");
    let mut batch = Batch::new();
    let object = batch.evaluate("[]");
    batch.evaluate_with("x", [("x", Unwritable)]);
    batch.set_item(object, 0, Unwritable);
    let error = fake.backend.run_batch(&batch).await.unwrap_err();
    assert_eq!(error.to_string(), "`x` of step 1 of the batch cannot be written as a Python value");
    let error = fake.backend.with_session("new\nline").evaluate::<()>("x").await.unwrap_err();
    assert!(matches!(error, Error::Encode { .. }), "{error:?}");
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn the_other_operations_have_their_routes_and_keys() {
    let fake = Fake::start(|seen| {
        Scripted::json(match &seen.route[..] {
            "POST /api/wrap" => r#"{"handleId":"h1","typeName":"dict"}"#,
            "POST /api/module-available" => r#"{"available":true}"#,
            "POST /api/getattr" => r#"{"value":"v"}"#,
            "POST /api/call" => r#"{"value":3}"#,
            "POST /api/venv/create" => r#"{"path":"/envs/p","success":true}"#,
            "GET /api/venv/list" => {
                r#"{"environments":[{"name":"p","path":"/envs/p","state":"healthy","packages":[],
                    "record":{"python":"3.12.1","provider":"p","created":1,"interpreter":"/python"}}]}"#
            }
            "POST /api/venv/install" => {
                r#"{"success":true,"installed":[{"name":"numpy","version":"2.1.0"}],"changed":[]}"#
            }
            "POST /api/venv/status" => {
                r#"{"name":"p","path":"/envs/p","state":"does_not_run","reason":"gone","record":null,
                    "packages":[{"name":"numpy","version":"2.1.0"}],"sizeBytes":4096}"#
            }
            "POST /api/sessions" => r#"{"sessionId":"s2"}"#,
            "GET /api/sessions" => r#"{"sessions":[{"sessionId":"default","sessionEpoch":3,"pid":7,"calls":1}]}"#,
            "GET /health" => r#"{"status":"ok","version":"0.1.0"}"#,
            _ => r#"{"success":true}"#,
        })
    })
    .await;
    let python = &fake.backend;
    let health = python.health().await.unwrap();
    assert_eq!((health.status.as_str(), &health.details["version"]), ("ok", &json!("0.1.0")));
    let handle = python.wrap_value(HashMap::from([("a", 1)])).await.unwrap();
    assert!(python.is_module_available("numpy").await.unwrap());
    assert_eq!(python.get_attribute::<String>(&handle, "name").await.unwrap(), "v");
    python.set_attribute(&handle, "name", ("x", 1)).await.unwrap();
    assert_eq!(python.call_method::<i32>(&handle, "add", (1, 2)).await.unwrap(), 3);
    assert_eq!(python.create_session().await.unwrap(), "s2");
    assert_eq!(python.list_sessions().await.unwrap()[0].session_epoch, 3);
    python.delete_session("s2").await.unwrap();
    assert_eq!(python.create_environment("p", Some("m")).await.unwrap(), PathBuf::from("/envs/p"));
    let listed = python.list_environments().await.unwrap();
    assert_eq!((listed[0].state.as_str(), listed[0].record.as_ref().unwrap().python.as_str()), ("healthy", "3.12.1"));
    let status = python.environment_status("p").await.unwrap();
    assert_eq!((status.reason.as_deref(), status.size_bytes), (Some("gone"), Some(4096)));
    assert_eq!(status.packages[0].name, "numpy");
    let installed = python.install_packages("p", &["numpy>=2"]).await.unwrap();
    assert_eq!((installed[0].name.as_str(), installed[0].version.as_str()), ("numpy", "2.1.0"));
    python.delete_environment("p").await.unwrap();

    let error = python.delete_session("../venv/list").await.unwrap_err();
    assert!(matches!(error, Error::Encode { .. }), "{error:?}");

    let seen: Vec<_> = fake.seen().into_iter().map(|seen| (seen.route, seen.body)).collect();
    let expected = [
        ("GET /health", json!(null)),
        ("POST /api/wrap", json!({"value": {"a": 1}})),
        ("POST /api/module-available", json!({"moduleName": "numpy"})),
        ("POST /api/getattr", json!({"handleId": "h1", "attributeName": "name", "returnType": "json"})),
        ("POST /api/setattr", json!({"handleId": "h1", "attributeName": "name", "value": ["x", 1]})),
        ("POST /api/call", json!({"handleId": "h1", "methodName": "add", "args": [1, 2], "returnType": "json"})),
        ("POST /api/sessions", json!({})),
        ("GET /api/sessions", json!(null)),
        ("DELETE /api/sessions/s2", json!(null)),
        ("POST /api/venv/create", json!({"providerName": "p", "modelId": "m"})),
        ("GET /api/venv/list", json!(null)),
        ("POST /api/venv/status", json!({"name": "p"})),
        ("POST /api/venv/install", json!({"name": "p", "packages": ["numpy>=2"]})),
        ("POST /api/venv/delete", json!({"name": "p"})),
    ];
    assert_eq!(seen, expected.map(|(route, body)| (route.to_owned(), body)));
}

#[tokio::test]
async fn a_python_exception_is_told_from_a_failure_of_the_host() {
    let fake = Fake::start(|seen| match seen.body["expression"].as_str().unwrap() {
        "1/0" => Scripted::problem(
            422,
            r#"{"type":"about:blank","title":"Python raised an exception","status":422,"code":"python_exception",
                "detail":"ZeroDivisionError: division by zero","stdout":"before\n","sessionEpoch":3,
                "exception":{"type":"ZeroDivisionError","message":"division by zero",
                "traceback":[{"file":"<session 1>","line":1,"function":"<module>","code":"1/0"}],"cause":null,"notes":[]}}"#,
        ),
        "lost" => Scripted::problem(410, r#"{"title":"t","status":410,"code":"handle_lost","detail":"h1 was lost"}"#),
        "newer" => Scripted::problem(418, r#"{"title":"t","status":418,"code":"teapot","detail":"short and stout"}"#),
        "none" => Scripted::answer(404, "text/plain", "", b""),
        _ => Scripted::answer(502, "text/html", "", b"<h1>Bad gateway</h1>"),
    })
    .await;
    let fail = async |code: &str| fake.backend.evaluate::<Value>(code).await.unwrap_err();

    let error = fail("1/0").await;
    assert_eq!(error.code(), Some(ErrorCode::PythonException));
    assert_eq!(error.exception().unwrap().kind, "ZeroDivisionError");
    assert_eq!(error.output(), Some(("before\n", "")));
    assert_eq!(error.to_string(), "ZeroDivisionError: division by zero");
    assert_eq!(
        format!("{error:#}"),
        "Traceback (most recent call last):\n  File \"<session 1>\", line 1, in <module>\n    1/0\n\
         ZeroDivisionError: division by zero"
    );

    let error = fail("lost").await;
    assert!(matches!(&error, Error::Host(problem) if problem.code == ErrorCode::HandleLost), "{error:?}");
    assert_eq!(error.to_string(), "h1 was lost");

    assert_eq!(fail("newer").await.to_string(), "unexpected response (status 418): teapot: short and stout");
    assert_eq!(fail("none").await.to_string(), "unexpected response (status 404): Not Found, for /api/eval");
    assert_eq!(fail("html").await.to_string(), "unexpected response (status 502): <h1>Bad gateway</h1>");
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_an_error_that_shows_it() {
    let fake = Fake::always("<html>").await;
    let error = fake.backend.evaluate::<i64>("1").await.unwrap_err();
    assert!(matches!(error, Error::Protocol { status: 200, .. }), "{error:?}");
    assert!(error.to_string().ends_with("it begins with `<html>`"), "{error}");
}

#[tokio::test]
async fn float_arrays_come_as_bytes_or_as_json() {
    let fake = Fake::start(|seen| {
        let binary = |shape: &str, floats: &[f32]| {
            let bytes: Vec<u8> = floats.iter().flat_map(|number| number.to_le_bytes()).collect();
            Scripted::answer(200, "application/octet-stream", shape, &bytes)
        };
        let id = seen.body["handleId"].as_str().unwrap_or_default();
        match (&seen.route[..], id) {
            ("POST /api/wrap", _) => {
                Scripted::json(&format!(r#"{{"handleId":{},"typeName":"x"}}"#, seen.body["value"]))
            }
            ("POST /api/dispose", _) => Scripted::json("{}"),
            ("POST /api/tofloatarray", "bytes") => binary("", &[1.5, f32::NEG_INFINITY]),
            ("POST /api/tofloatarray", "odd") => Scripted::answer(200, "application/octet-stream", "", &[0; 5]),
            ("POST /api/tofloatarray", "json") => Scripted::json(r#" [ 1, -2.5e0 ,1e999,-1e999, "NaN" ] "#),
            ("POST /api/tofloatarray", _) => Scripted::json("[1,]"),
            (_, "bytes") => binary("x-beep-shape: 2,3\r\n", &[1., 2., 3., 4., 5., 6.]),
            (_, "empty") => binary("x-beep-shape: 2,0\r\n", &[]),
            (_, "odd") => binary("x-beep-shape: 2,3\r\n", &[1.]),
            (_, "unshaped") => binary("", &[1.]),
            _ => Scripted::json("[[1,2],[],[0.1]]"),
        }
    })
    .await;
    let python = &fake.backend;
    let named = async |id: &str| python.wrap_value(id).await.unwrap();

    assert_eq!(python.to_float_array(&named("bytes").await).await.unwrap(), [1.5, f32::NEG_INFINITY]);
    assert_eq!(fake.seen()[1].header("accept"), Some("application/octet-stream"));
    let floats = python.to_float_array(&named("json").await).await.unwrap();
    assert_eq!(floats[..4], [1.0, -2.5, f32::INFINITY, f32::NEG_INFINITY]);
    assert!(floats[4].is_nan());
    for wrong in ["odd", "trailing"] {
        let error = python.to_float_array(&named(wrong).await).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{wrong}: {error:?}");
    }

    let rows = python.to_float_array_2d(&named("bytes").await).await.unwrap();
    assert_eq!(rows, [vec![1., 2., 3.], vec![4., 5., 6.]]);
    assert_eq!(python.to_float_array_2d(&named("empty").await).await.unwrap(), [vec![], Vec::<f32>::new()]);
    assert_eq!(python.to_float_array_2d(&named("json").await).await.unwrap(), [vec![1., 2.], vec![], vec![0.1]]);
    for wrong in ["odd", "unshaped"] {
        let error = python.to_float_array_2d(&named(wrong).await).await.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{wrong}: {error:?}");
    }
}

#[tokio::test]
async fn futures_can_be_spawned_and_backends_passed_as_the_trait() {
    async fn generic(python: impl PythonHostBackend) -> i64 {
        tokio::spawn(async move { python.evaluate::<i64>("1").await.unwrap() }).await.unwrap()
    }

    let fake = Fake::always(r#"{"value":1}"#).await;
    assert_eq!(generic(fake.backend.clone()).await, 1);
}

#[test]
fn a_token_that_no_header_can_carry_is_refused_without_being_shown() {
    let endpoint: Endpoint = "localhost".parse().unwrap();
    let error = HttpBackend::new(endpoint).with_token("sec\nret").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("sec"), "{error:?}");
}
