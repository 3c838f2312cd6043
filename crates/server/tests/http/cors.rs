//! What browsers ask before a page of another origin may send a request, and what lets it read the answer.

use beep_python_server::auth::AccessConfig;
use serde_json::json;

use crate::support::{Response, Server};

const ORIGIN: &str = "https://app.example";

fn server() -> Server {
    Server::with(AccessConfig { origins: vec![ORIGIN.to_owned()], ..AccessConfig::default() })
}

/// Asks as Chromium does before a page posts JSON with a token and a call option.
fn preflight(server: &Server, origin: &str, more: &[(&str, &str)]) -> Response {
    let asked = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,content-type,x-beep-session"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Dest", "empty"),
    ];
    server.connect().request("OPTIONS", "/api/eval", &[&asked, more].concat(), "")
}

#[test]
fn a_preflight_of_an_allowed_origin_is_answered() {
    let server = server();
    let answer = preflight(&server, ORIGIN, &[]);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN), "never `*`");
    assert_eq!(answer.header("vary"), Some("Origin"));
    let words = |name: &str| answer.header(name).unwrap_or_default().split(", ").map(str::to_owned).collect::<Vec<_>>();
    for method in ["GET", "POST", "DELETE"] {
        assert!(words("access-control-allow-methods").contains(&method.to_owned()), "{method}");
    }
    for header in ["authorization", "content-type", "x-beep-session", "x-beep-values", "x-beep-timeout-ms"] {
        assert!(words("access-control-allow-headers").contains(&header.to_owned()), "{header}");
    }
    assert!(answer.header("access-control-max-age").is_some());
    assert_eq!(answer.header("access-control-allow-private-network"), None);
    let private = preflight(&server, ORIGIN, &[("Access-Control-Request-Private-Network", "true")]);
    assert_eq!(private.header("access-control-allow-private-network"), Some("true"));
}

#[test]
fn answers_and_errors_may_be_read_by_pages_of_an_allowed_origin() {
    let server = server();
    let page = [("Origin", ORIGIN), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "cors")];
    for (path, body, status) in [
        ("/api/eval", json!({ "expression": "1" }), 200),
        ("/api/execute", json!({ "expression": "1" }), 200),
        ("/api/eval", json!({ "expression": "1/0" }), 422),
        ("/api/eval", json!({}), 400),
        ("/nowhere", json!({}), 404),
        ("/health", json!({}), 405),
    ] {
        let answer = server.connect().post(path, &page, &body.to_string());
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN), "{path} {status}");
        assert_eq!(answer.header("vary"), Some("Origin"), "{path} {status}");
        assert!(answer.header("access-control-expose-headers").is_some_and(|names| names.contains("x-beep-shape")));
    }
}

#[test]
fn other_origins_are_told_nothing() {
    for server in [server(), Server::start()] {
        for origin in ["https://evil.example", "https://app.example:8443", "http://app.example", "null"] {
            let asked = preflight(&server, origin, &[]);
            asked.expect_problem(403, "forbidden_origin");
            let sent = server.connect().post("/api/eval", &[("Origin", origin)], r#"{"expression":"1"}"#);
            sent.expect_problem(403, "forbidden_origin");
            for answer in [asked, sent] {
                assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
            }
        }
        let plain = server.post("/api/eval", json!({ "expression": "1" }));
        assert_eq!((plain.status, plain.header("access-control-allow-origin")), (200, None));
    }
    // A page that has given a foreign name to this machine's address.
    let rebound = server().connect().request(
        "OPTIONS",
        "/api/eval",
        &[("Host", "evil.example"), ("Origin", ORIGIN), ("Access-Control-Request-Method", "POST")],
        "",
    );
    rebound.expect_problem(403, "forbidden_host");
}
