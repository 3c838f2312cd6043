//! Requests that a proxy of the server's own user passes on.

use std::fs;

use beep_python_runtime::platform::Home;
use beep_python_server::auth::{AccessConfig, NamedTokens};

use crate::host::newest;
use crate::http::Connection;
use crate::server::Server;

const SAYS_SO: [(&str, &str); 6] = [
    ("Forwarded", "for=192.0.2.60;proto=https"),
    ("Via", "1.1 proxy.example"),
    ("X-Forwarded-For", "192.0.2.60"),
    ("x-forwarded-host", "example.com"),
    ("X-Forwarded-Proto", "https"),
    ("X-Real-IP", "192.0.2.60"),
];

#[test]
fn forwarded_requests_need_a_token() {
    for config in [AccessConfig::default(), AccessConfig { trust_loopback: true, ..AccessConfig::default() }] {
        let server = Server::start(newest(), config);
        let token = fs::read_to_string(server.folder().join("token")).unwrap();
        let bearer = format!("Bearer {}", token.trim());
        for (port, path, body) in [
            (server.http, "/api/eval", r#"{"expression": "1"}"#),
            (server.rpc, "/rpc/PythonService/Evaluate", r#"{"Expression": "1"}"#),
        ] {
            let mut connection = Connection::open(port);
            for header in SAYS_SO {
                let refused = connection.post(path, &[header], body).expect_problem(401, "unauthorized");
                assert!(refused["detail"].as_str().unwrap().starts_with("a proxy passed this request on"), "{refused}");
                connection
                    .post(path, &[header, ("authorization", "Bearer x")], body)
                    .expect_problem(401, "unauthorized");
                assert_eq!(
                    connection.post(path, &[header, ("authorization", &bearer)], body).status,
                    200,
                    "{header:?}"
                );
            }
            assert_eq!(connection.post(path, &[], body).status, 200, "the own user needs none");
        }
    }
}

#[test]
fn forwarded_requests_name_no_paths() {
    let server = Server::start(newest(), AccessConfig::default());
    let token = fs::read_to_string(server.folder().join("token")).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let install = r#"{"name": "runtime-host", "packages": ["/tmp/nosuch"]}"#;
    let headers = [("authorization", &*bearer), ("via", "1.1 proxy")];
    Connection::open(server.http).post("/api/venv/install", &headers, install).expect_problem(403, "forbidden");
}

#[test]
fn revoked_token_ends_what_a_proxy_passes_on() {
    let server = Server::start(newest(), AccessConfig::default());
    let tokens = NamedTokens::of(&Home::open(server.folder()).unwrap());
    for (name, port) in [("http", server.http), ("rpc", server.rpc)] {
        let bearer = format!("Bearer {}", tokens.create(name, None, false).unwrap().text);
        let (mut own, mut proxy) = (Connection::open(port), Connection::open(port));
        assert_eq!(own.request("GET", "/health", &[], "").status, 200);
        let headers = [("via", "1.1 proxy"), ("authorization", &*bearer)];
        assert_eq!(proxy.request("GET", "/health", &headers, "").status, 200);
        tokens.revoke(name).unwrap();
        assert!(proxy.is_closed(), "{name}");
        assert_eq!(own.request("GET", "/health", &[], "").status, 200, "the own user's stays");
    }
}
