//! `GET /metrics`: what operators see of a server.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use beep_python_client::{Bytes, Handle, Limits, Returned, SessionOptions, connect};
use futures_util::StreamExt;
use serde_json::Value;

use super::curl::{ask, bearer};
use super::test_home::{TestHome, body_of, get, port_of, python, wait_until};

fn page(server: &Value) -> String {
    body_of(&get(port_of(server).parse().unwrap(), "/metrics")).to_owned()
}

/// The value of the series with this name and these labels, whose order does not count.
fn value(page: &str, series: &str) -> Option<f64> {
    let parts = |series: &str| {
        let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
        let mut labels: Vec<String> = labels.split(',').map(str::to_owned).collect();
        labels.sort();
        (name.to_owned(), labels)
    };
    let found = page.lines().filter_map(|line| line.rsplit_once(' ')).find(|(found, _)| parts(found) == parts(series));
    found.map(|(_, value)| value.parse().unwrap())
}

fn calls(page: &str, system: &str, method: &str, error: &str) -> Option<f64> {
    let labels = format!(r#"rpc_system="{system}",rpc_method="{method}",error_type="{error}""#);
    value(page, &format!("rpc_server_call_duration_seconds_count{{{labels}}}"))
}

#[test]
fn calls_of_each_wire_are_counted_with_what_became_of_them() {
    let home = TestHome::with_runtime();
    let server = home.json(&["start", "http", "pipe", "rpc", "--port", "0", "--rpc-port", "0"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let urls: Vec<_> =
        server["endpoints"].as_array().unwrap().iter().map(|one| one["url"].as_str().unwrap().to_owned()).collect();
    for url in &urls {
        let client = connect(url).unwrap();
        runtime.block_on(async {
            for _ in 0..3 {
                client.evaluate::<i64>("6 * 7").await.unwrap();
            }
            client.evaluate::<Returned>("1 / 0").await.unwrap_err();
            client.evaluate::<Returned>("none").await.unwrap_err();
            let session = client.create_session().await.unwrap();
            client.delete_session(&session).await.unwrap();
            client.delete_session(&session).await.unwrap_err();
            let mut items = client.stream::<i64>("iter(range(2))").await.unwrap();
            while let Some(item) = items.next().await {
                item.unwrap();
            }
        });
    }
    let json = urls.iter().find(|url| url.starts_with("grpc:")).unwrap().replace("grpc:", "http:");
    ask(&format!("{json}/rpc/PythonService/Evaluate"), &[], Some(r#"{"Expression": "1"}"#));

    let page = page(&server);
    for system in ["http", "pipe", "grpc"] {
        for (method, error, times) in [
            ("PythonService/Evaluate", "", 3.0),
            ("PythonService/Evaluate", "python_exception", 2.0),
            ("PythonService/Stream", "", 1.0),
            ("SessionService/CreateSession", "", 1.0),
            ("SessionService/DeleteSession", "", 1.0),
            ("SessionService/DeleteSession", "unknown_session", 1.0),
        ] {
            assert_eq!(calls(&page, system, method, error), Some(times), "{system} {method} {error}\n{page}");
        }
    }
    assert_eq!(calls(&page, "rpc_json", "PythonService/Evaluate", ""), Some(1.0), "{page}");
    assert!(value(&page, "beep_queue_wait_seconds_count") >= Some(18.0), "{page}");
    assert_eq!(value(&page, "beep_session_starts_total"), Some(4.0), "{page}");
}

#[test]
fn levels_limits_deaths_refusals_and_bytes_are_seen() {
    let home = TestHome::with_runtime();
    let server = home.start(&["--max-sessions", "1"]);
    let url = server["endpoints"][0]["url"].as_str().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let seen = |series: &str| value(&page(&server), series);
    assert_eq!((seen("beep_handles"), seen("beep_sessions")), (Some(0.0), Some(1.0)));
    assert_eq!(seen(r#"beep_worker_exits_total{cause="crash"}"#), Some(0.0), "the first one is an increase");
    let before = seen(r#"beep_bytes_total{direction="in"}"#).unwrap();
    runtime.block_on(async {
        let client = connect(url).unwrap();
        let first: Handle = client.evaluate("object()").await.unwrap();
        let _second: Handle = client.evaluate("object()").await.unwrap();
        assert_eq!(seen("beep_handles"), Some(2.0));
        client.dispose_handle(first).await.unwrap();
        assert_eq!(seen("beep_handles"), Some(1.0));
        let session = client.create_session().await.unwrap();
        client.create_session().await.unwrap_err();
        client
            .with_timeout(Duration::from_millis(50))
            .evaluate::<Returned>("import time; time.sleep(60)")
            .await
            .unwrap_err();
        client.with_session(&session).evaluate::<Returned>("import os; os.abort()").await.unwrap_err();
        client.evaluate::<usize>(&format!("len('{}')", "x".repeat(100_000))).await.unwrap();
    });
    ask(&format!("{url}/nowhere"), &[], None);
    ask(&format!("{url}/health"), &["Host: evil.example"], None);
    // A worker's end is counted when it is explained.
    wait_until("the crash is counted", || seen(r#"beep_worker_exits_total{cause="crash"}"#) == Some(1.0));
    for (series, expected) in [
        ("beep_sessions", 2.0),
        (r#"beep_limit_hits_total{limit="too_many_sessions"}"#, 1.0),
        (r#"beep_limit_hits_total{limit="deadline_exceeded"}"#, 1.0),
        (r#"beep_refusals_total{reason="unknown_operation"}"#, 1.0),
        (r#"beep_refusals_total{reason="forbidden_host"}"#, 1.0),
    ] {
        assert_eq!(seen(series), Some(expected), "{series}");
    }
    assert!(seen(r#"beep_bytes_total{direction="in"}"#).unwrap() > before + 100_000.0);
    assert!(seen(r#"beep_bytes_total{direction="out"}"#).unwrap() > 1000.0);
    assert!(seen("beep_worker_resident_bytes").unwrap() > f64::from(1 << 20));
    assert!(seen("process_open_fds").unwrap() > 3.0);
}

#[test]
fn limits_beside_those_of_calls_are_counted() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let url = server["endpoints"][0]["url"].as_str().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let hits = |limit: &str| value(&page(&server), &format!(r#"beep_limit_hits_total{{limit="{limit}"}}"#)).unwrap();
    assert_eq!((hits("too_much_data"), hits("queue_full")), (0.0, 0.0));
    runtime.block_on(async {
        let client = connect(url).unwrap();
        // Data that come with a request.
        let limits = Limits { data_bytes: Some(100), ..Limits::default() };
        let session = client.create_session_with(&SessionOptions { limits, ..SessionOptions::default() }).await.unwrap();
        client.with_session(&session).put(Bytes::from(vec![0; 1000])).await.unwrap_err();
        assert_eq!(hits("too_much_data"), 1.0);
        // Subscribers of a session.
        let mut subscribers = Vec::new();
        while let Ok(events) = client.session_events(&session).await {
            subscribers.push(events);
        }
        assert_eq!(hits("queue_full"), 1.0);
        // Questions that a client does not read.
        let client = client.with_callback("ask", |_| async { Ok::<_, std::fmt::Error>(0) });
        let unread = client.session_events("default").await.unwrap();
        let ask = client.keep_callback(&unread, "ask").await.unwrap();
        let code = "import threading\nrefused = threading.Event()\ndef run(ask):\n    try:\n        ask('x' * (4 << 20))\n    \
            except Exception:\n        refused.set()\n\
            for _ in range(20):\n    threading.Thread(target=run, args=(ask,), daemon=True).start()\nrefused.wait(60)";
        assert!(client.evaluate_with::<bool>(code, [("ask", &ask)]).await.unwrap());
        assert!(hits("queue_full") > 1.0);
    });
}

#[test]
fn a_call_whose_client_goes_is_counted_as_that() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let url = format!("{}/api/eval", server["endpoints"][0]["url"].as_str().unwrap());
    let mut curl = Command::new("curl")
        .args([
            "-s",
            &url,
            "-H",
            "Content-Type: application/json",
            "-d",
            r#"{"expression": "__import__('time').sleep(600)"}"#,
        ])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let client = connect(server["endpoints"][0]["url"].as_str().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    wait_until("the call runs", || {
        runtime
            .block_on(async { client.inspect_session("default").await })
            .is_ok_and(|told| told.session.running.is_some())
    });
    curl.kill().unwrap();
    curl.wait().unwrap();
    wait_until("it is counted", || calls(&page(&server), "http", "PythonService/Evaluate", "client_gone") == Some(1.0));
}

#[test]
fn metrics_are_for_those_who_may_know_of_the_server() {
    let home = TestHome::with_runtime();
    let [all, sessions] = [&["token", "create", "all"][..], &["token", "create", "ci", "--sessions-only"]]
        .map(|make| home.run(make).stdout.trim().to_owned());
    let server = home.start(&["--require-token"]);
    let url = format!("{}/metrics", server["endpoints"][0]["url"].as_str().unwrap());
    assert_eq!(ask(&url, &[], None).0, "401");
    let (status, told) = ask(&url, &[&bearer(&sessions)], None);
    assert!(status == "403" && told.contains("this token is for sessions only"), "{status} {told}");
    let (status, told) = ask(&url, &[&bearer(&all)], None);
    assert!(status == "200" && told.contains("beep_sessions 1"), "{status} {told}");
}

/// What Prometheus's own library for Python makes of the page, in both texts.
#[test]
fn a_stock_parser_reads_the_page() {
    let folder = std::env::var_os("BEEP_PYTHON_TEST_PACKAGES").map(|folder| PathBuf::from(folder).join("prometheus"));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: BEEP_PYTHON_TEST_PACKAGES has no prometheus-client");
        return;
    };
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    home.success(&["eval", "--session", "default", "1"]);
    let url = format!("{}/metrics", server["endpoints"][0]["url"].as_str().unwrap());
    let program = "import sys\n\
        from prometheus_client import openmetrics, parser\n\
        import prometheus_client.openmetrics.parser\n\
        read = {'open': openmetrics.parser, 'old': parser}[sys.argv[1]].text_string_to_metric_families\n\
        found = {family.name: family for family in read(open(sys.argv[2]).read())}\n\
        calls = found['rpc_server_call_duration_seconds']\n\
        print(calls.type, found['beep_session_starts'].type, sum(sample.value for sample in calls.samples if sample.name.endswith('_count')))";
    for (text, accept) in
        [("open", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"), ("old", "text/plain")]
    {
        let (status, told) = ask(&url, &[&format!("Accept: {accept}")], None);
        assert_eq!(status, "200");
        let file = home.directory().join(text);
        fs::write(&file, told).unwrap();
        let parsed =
            Command::new(python()).args(["-c", program, text]).arg(&file).env("PYTHONPATH", &folder).output().unwrap();
        let said = String::from_utf8_lossy(&parsed.stdout);
        assert!(
            said.starts_with("histogram counter ") && !said.contains(" 0.0"),
            "{said} {}",
            String::from_utf8_lossy(&parsed.stderr)
        );
    }
}
