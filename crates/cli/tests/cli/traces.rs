//! Spans of calls, as a collector sees them.

use std::collections::BTreeSet;
use std::fs;

use beep_python_client::{AnyBackend, Callback, CallbackCall, Returned, connect};
use futures_util::StreamExt;
use serde_json::Value;

use super::collector::{Answer, Collector, Span};
use super::curl::ask;
use super::test_home::{TestHome, wait_until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const ASK: &str = "import beep_python\nbeep_python.current_traceparent()";

/// Starts a server with these backends, options and variables.
fn start(home: &TestHome, words: &[&str], variables: &[(&str, &str)]) -> Value {
    let words = [&["start", "--port", "0", "--json"], words].concat();
    let started = home.command(&words).envs(variables.iter().copied()).output().unwrap();
    serde_json::from_slice(&started.stdout).unwrap_or_else(|error| panic!("{error}: {started:?}"))
}

/// The same over HTTP, with a collector that gets spans at once.
fn start_with(home: &TestHome, collector: &Collector, variables: &[(&str, &str)]) -> Value {
    let url = collector.url();
    let own = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "1")];
    start(home, &["http"], &[&own, variables].concat())
}

fn urls(server: &Value) -> Vec<String> {
    let endpoints = server["endpoints"].as_array().unwrap();
    endpoints.iter().map(|one| one["url"].as_str().unwrap().to_owned()).collect()
}

fn client(server: &Value) -> AnyBackend {
    connect(&urls(server)[0]).unwrap()
}

fn block_on<T>(asked: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(asked)
}

fn log(server: &Value) -> String {
    fs::read_to_string(server["log"].as_str().unwrap()).unwrap()
}

/// Stops the server, which sends its last spans before.
fn stop(home: &TestHome) {
    home.success(&["stop"]);
    home.wait_until_no_process_is_left();
}

/// The id of the span in a `traceparent`.
fn span_of(traceparent: &str) -> &str {
    traceparent.split('-').nth(2).unwrap()
}

#[test]
fn each_call_of_each_wire_has_a_span_between_that_of_its_client_and_those_of_its_code() {
    let (home, collector) = (TestHome::with_runtime(), Collector::serve(Answer::Taken));
    let variables = [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())];
    let server = start(&home, &["http", "pipe", "rpc", "--rpc-port", "0"], &variables);
    let mut told = Vec::new();
    block_on(async {
        for url in urls(&server) {
            let client = connect(&url).unwrap().with_traceparent(PARENT).with_tracestate("vendor=1");
            let seen: String = client.evaluate(ASK).await.unwrap();
            client.evaluate::<Returned>("1 / 0").await.unwrap_err();
            let mut items =
                client.stream::<String>("(beep_python.current_traceparent() for _ in range(2))").await.unwrap();
            let item = items.next().await.unwrap().unwrap();
            while let Some(next) = items.next().await {
                assert_eq!(next.unwrap(), item);
            }
            let session = client.create_session().await.unwrap();
            client.with_session(&session).evaluate::<i64>("1").await.unwrap();
            client.delete_session(&session).await.unwrap();
            client.delete_session(&session).await.unwrap_err();
            told.push((url.split(':').next().unwrap().replace("beep+unix", "pipe"), seen, item, session));
        }
    });
    let json = urls(&server).into_iter().find(|url| url.starts_with("grpc:")).unwrap().replace("grpc:", "http:");
    ask(
        &format!("{json}/rpc/PythonService/Evaluate"),
        &[&format!("traceparent: {PARENT}")],
        Some(r#"{"Expression": "1"}"#),
    );
    stop(&home);

    let spans = collector.spans();
    for span in &spans {
        assert!(span.is_of_server && span.trace == TRACE && span.parent == span_of(PARENT), "{span:#?}");
        assert_eq!(
            (&*span.resource["service.name"], &*span.state.replace("vendor=1", "")),
            ("beep-python", ""),
            "{span:#?}"
        );
        assert_eq!(span.resource["service.instance.id"], server["id"].as_str().unwrap());
        assert_eq!(span.name, span.attributes["rpc.method"]);
    }
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.id).collect();
    assert_eq!(ids.len(), spans.len());
    assert_eq!(spans.len(), told.len() * 7 + 1, "{spans:#?}");
    let of = |system: &str, method: &str, error: Option<&str>| -> Vec<&Span> {
        let is_it = |span: &&Span| {
            (&*span.attributes["rpc.system.name"], &*span.name) == (system, method)
                && span.attributes.get("error.type").map(String::as_str) == error
        };
        spans.iter().filter(is_it).collect()
    };
    for (url, seen, item, session) in &told {
        let system = ["http", "grpc"].into_iter().find(|one| one == url).unwrap_or("pipe");
        let evaluated = of(system, "PythonService/Evaluate", None);
        let [first, second] = evaluated[..] else { panic!("{spans:#?}") };
        assert_eq!((&*first.id, &*first.trace, &*first.state), (span_of(seen), TRACE, "vendor=1"));
        assert_eq!([first, second].map(|span| &*span.attributes["beep.session.id"]), ["default", session]);
        let [streamed] = of(system, "PythonService/Stream", None)[..] else { panic!("{spans:#?}") };
        assert_eq!(streamed.id, span_of(item));
        let [raised] = of(system, "PythonService/Evaluate", Some("python_exception"))[..] else { panic!("{spans:#?}") };
        let [unknown] = of(system, "SessionService/DeleteSession", Some("unknown_session"))[..] else {
            panic!("{spans:#?}")
        };
        assert_eq!(
            [first, raised, unknown].map(|span| span.is_error),
            [false, true, false],
            "the client alone is at fault"
        );
        let status = |span: &Span| span.attributes.get("rpc.response.status_code").cloned().unwrap_or_default();
        let expected = if system == "grpc" { ["OK", "UNKNOWN", "NOT_FOUND"] } else { [""; 3] };
        assert_eq!([first, raised, unknown].map(status), expected);
    }
    assert_eq!(of("rpc_json", "PythonService/Evaluate", None).len(), 1);
    let heads = collector.heads();
    assert!(
        heads.iter().all(|head| head.starts_with("post /v1/traces ") && head.contains("application/x-protobuf")),
        "{heads:?}"
    );
}

#[test]
fn without_a_client_of_the_trace_the_server_begins_one() {
    let (home, collector) = (TestHome::with_runtime(), Collector::serve(Answer::Taken));
    let server = start_with(&home, &collector, &[]);
    let seen: String = block_on(client(&server).evaluate(ASK)).unwrap();
    ask(&format!("{}/health", urls(&server)[0]), &[], None);
    stop(&home);
    let spans = collector.spans();
    let [span] = &spans[..] else { panic!("health has no span of its own: {spans:#?}") };
    assert_eq!(format!("00-{}-{}-01", span.trace, span.id), seen);
    assert_eq!((&*span.parent, &*span.state), ("", ""));
}

#[test]
fn what_is_not_sampled_is_not_exported_and_says_so_to_its_code() {
    let (home, collector) = (TestHome::with_runtime(), Collector::serve(Answer::Taken));
    let server = start_with(&home, &collector, &[]);
    let unsampled = client(&server).with_traceparent(&PARENT.replace("-01", "-00"));
    let seen: String = block_on(unsampled.evaluate(ASK)).unwrap();
    assert!(seen.starts_with(&format!("00-{TRACE}-")) && seen.ends_with("-00"), "{seen}");
    stop(&home);
    let server = start_with(&home, &collector, &[("OTEL_TRACES_SAMPLER", "parentbased_always_off")]);
    let roots: String = block_on(client(&server).evaluate(ASK)).unwrap();
    assert!(roots.ends_with("-00"), "{roots}");
    let sampled: String = block_on(client(&server).with_traceparent(PARENT).evaluate(ASK)).unwrap();
    stop(&home);
    let exported: Vec<String> = collector.spans().into_iter().map(|span| span.id).collect();
    assert_eq!(exported, [span_of(&sampled)]);
}

#[test]
fn a_call_within_a_callback_is_part_of_the_call_around_it_or_of_its_own_trace() {
    const OTHER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let (home, collector) = (TestHome::with_runtime(), Collector::serve(Answer::Taken));
    let server = start_with(&home, &collector, &[]);
    let inner = client(&server);
    let asking = client(&server).with_callback("ask", move |call: CallbackCall| {
        let within = inner.nested_in(&call);
        async move {
            let around: String = within.evaluate(ASK).await?;
            Ok::<_, beep_python_client::Error>([around, within.with_traceparent(OTHER).evaluate(ASK).await?])
        }
    });
    let code = "import beep_python\n[*ask(), beep_python.current_traceparent()]";
    let seen: [String; 3] = block_on(asking.evaluate_with(code, [("ask", Callback("ask".into()))])).unwrap();
    stop(&home);
    let [around, own, outer] = &seen;
    assert_eq!(around, outer);
    let spans = collector.spans();
    assert_eq!(spans.len(), 2, "{spans:#?}");
    let inner = spans.iter().find(|span| span.id == span_of(own)).unwrap();
    assert_eq!((&*inner.trace, &*inner.parent), (&OTHER[3..35], span_of(OTHER)));
}

#[test]
fn nothing_is_exported_unless_it_is_asked_for() {
    let (home, collector) = (TestHome::with_runtime(), Collector::serve(Answer::Taken));
    for off in [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "true")] {
        let server = start_with(&home, &collector, &[off]);
        let seen: String = block_on(client(&server).with_traceparent(PARENT).evaluate(ASK)).unwrap();
        assert_eq!(seen, PARENT, "the client's");
        stop(&home);
        assert!(!log(&server).contains("spans"), "{}", log(&server));
    }
    assert_eq!(collector.heads(), [""; 0]);
}

#[test]
fn variables_say_how_and_wrong_ones_are_told() {
    let (home, collector) = (TestHome::with_runtime(), Collector::serve(Answer::Taken));
    let url = format!("{}/all", collector.url());
    let variables = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret,secret"),
        ("OTEL_SERVICE_NAME", "numbers"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=test"),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
    ];
    let server = start(&home, &["http", "--hide-env", "OTEL_EXPORTER_OTLP_HEADERS"], &variables);
    let hidden: bool =
        block_on(client(&server).evaluate("'secret' not in str(dict(__import__('os').environ))")).unwrap();
    assert!(hidden);
    stop(&home);
    let [head] = &collector.heads()[..] else { panic!("{:?}", collector.heads()) };
    assert!(head.starts_with("post /all ") && head.contains("authorization: bearer secret\r\n"), "{head}");
    let resource = &collector.spans()[0].resource;
    assert_eq!((&*resource["service.name"], &*resource["deployment.environment.name"]), ("numbers", "test"));
    let log = log(&server);
    for told in [
        "OTEL_TRACES_SAMPLER is \"xray\"",
        "OTEL_BSP_SCHEDULE_DELAY is \"soon\"",
        "OTEL_EXPORTER_OTLP_HEADERS: its part 2",
        &format!("spans of calls are exported to {url}"),
    ] {
        assert_eq!(log.matches(told).count(), 1, "{told}: {log}");
    }
    assert!(!log.contains("secret"), "{log}");
}

/// What `/metrics` says of spans that ended so.
fn counted(server: &Value, outcome: &str) -> u64 {
    let (_, page) = ask(&format!("{}/metrics", urls(server)[0]), &[], None);
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("beep_spans_total{{outcome=\"{outcome}\"}} ")));
    line.unwrap_or_else(|| panic!("{page}")).parse().unwrap()
}

#[test]
fn a_collector_that_is_away_costs_no_call_and_one_line_of_the_log() {
    let home = TestHome::with_runtime();
    // Bound and not listening: nothing else gets it.
    let away = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&away, &std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = std::net::SocketAddr::try_from(rustix::net::getsockname(&away).unwrap()).unwrap().port();
    let url = format!("http://user:password@127.0.0.1:{port}");
    let server = start(&home, &["http"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_BSP_SCHEDULE_DELAY", "1")]);
    assert_eq!((counted(&server, "failed"), counted(&server, "queue_full")), (0, 0));
    for lost in 1..=3 {
        assert_eq!(block_on(client(&server).evaluate::<i64>("6 * 7")).unwrap(), 42);
        wait_until("the span is lost", || counted(&server, "failed") == lost);
    }
    stop(&home);
    let log = log(&server);
    assert_eq!(log.matches("does not take spans").count(), 1, "{log}");
    assert!(log.contains("Connection refused") && !log.contains("password"), "{log}");
}

#[test]
fn a_collector_that_comes_back_gets_spans_again() {
    let (home, collector) = (TestHome::with_runtime(), Collector::serve(Answer::Refused(401, String::new())));
    let server = start_with(&home, &collector, &[]);
    let lost: String = block_on(client(&server).evaluate(ASK)).unwrap();
    wait_until("the span is lost", || counted(&server, "failed") == 1);
    collector.answers(Answer::Taken);
    let taken: String = block_on(client(&server).evaluate(ASK)).unwrap();
    wait_until("the span is taken", || counted(&server, "exported") == 1);
    stop(&home);
    let log = log(&server);
    assert!(log.contains("it answers 401") && log.contains("takes spans again"), "{log}");
    let ids: Vec<String> = collector.spans().into_iter().map(|span| span.id).collect();
    assert_eq!(ids, [span_of(&lost), span_of(&taken)]);
}

#[test]
fn a_collector_that_never_answers_costs_bounded_memory_and_keeps_no_server_from_its_end() {
    let (home, collector) = (TestHome::with_runtime(), Collector::serve(Answer::Nothing));
    let server = start_with(
        &home,
        &collector,
        &[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "2"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "600000"),
        ],
    );
    block_on(client(&server).evaluate::<i64>("1")).unwrap();
    collector.wait_for_requests(1);
    for _ in 0..5 {
        block_on(client(&server).evaluate::<i64>("1")).unwrap();
    }
    assert_eq!(counted(&server, "queue_full"), 3, "one is on its way, and two wait");
    stop(&home);
    let log = log(&server);
    assert!(log.contains("the last spans were not taken") && log.contains("stopped"), "{log}");
}

#[test]
fn a_collectors_redirect_is_not_followed_and_its_answer_not_read_without_end() {
    let (home, other) = (TestHome::with_runtime(), Collector::serve(Answer::Taken));
    let elsewhere = format!("Location: {}/v1/traces\r\n", other.url());
    for (answer, outcome) in [(Answer::Refused(307, elsewhere), "failed"), (Answer::Endless, "exported")] {
        let collector = Collector::serve(answer);
        let server = start_with(&home, &collector, &[]);
        block_on(client(&server).evaluate::<i64>("1")).unwrap();
        wait_until("the span has gone", || counted(&server, outcome) == 1);
        stop(&home);
    }
    assert_eq!(other.heads(), [""; 0]);
}
