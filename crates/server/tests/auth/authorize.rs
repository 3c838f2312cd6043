//! Requests as they come, good and bad, and what the policy says to each.

use std::fs;

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::platform::Home;
use beep_python_server::auth::{
    AcceptedTokens, AccessConfig, AccessDenied, AccessPolicy, Charset, DefaultToken, Media, Peer,
};
use http::Request;

struct TestHome {
    policy: AccessPolicy,
    token: String,
    _folder: tempfile::TempDir,
}

fn test_home(config: AccessConfig) -> TestHome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let home = Home::open(folder.path()).unwrap();
    let policy = AccessPolicy::new(config, AcceptedTokens::open(&home, DefaultToken::File(path.clone())).unwrap());
    TestHome { policy, token: fs::read_to_string(&path).unwrap().trim().to_owned(), _folder: folder }
}

impl TestHome {
    /// Asks with a request line such as `POST /api/eval` and headers as `name: value`; `TOKEN` in a value stands for
    /// the right token.
    fn ask(&self, peer: Peer, line: &str, headers: &[&str]) -> Result<(), AccessDenied> {
        let mut words = line.split(' ');
        let mut request = Request::builder().method(words.next().unwrap()).uri(words.next().unwrap());
        request = match words.next() {
            Some("HTTP/2") => request.version(http::Version::HTTP_2),
            Some("HTTP/1.0") => request.version(http::Version::HTTP_10),
            _ => request,
        };
        for header in headers {
            let (name, value) = header.split_once(':').unwrap();
            request = request.header(name, value.trim().replace("TOKEN", &self.token));
        }
        self.policy.authorize_parts(Media::Json, peer, &request.body(()).unwrap().into_parts().0).map(drop)
    }
}

/// Asks as the same user; each case is a request line, its headers, and what the policy should say.
fn check(test_home: &TestHome, cases: &[(&str, &[&str], Result<(), AccessDenied>)]) {
    for (line, headers, expected) in cases {
        assert_eq!(test_home.ask(Peer::SameUser, line, headers), *expected, "{line} {headers:?}");
    }
}

#[test]
fn any_host_is_for_clients_that_need_a_token() {
    let config = AccessConfig { any_host: true, hosts: vec!["python.internal".into()], ..AccessConfig::default() };
    let test_home = test_home(config.clone());
    let foreign = ["host: box.example", "authorization: Bearer TOKEN"];
    for peer in [Peer::Remote, Peer::OtherUser(1), Peer::UnknownOnLoopback] {
        assert_eq!(test_home.ask(peer, "GET /health", &foreign), Ok(()), "{peer}");
        assert_eq!(test_home.ask(peer, "GET /health", &["host: box.example"]), Err(AccessDenied::Token), "{peer}");
    }
    assert_eq!(test_home.ask(Peer::SameUser, "GET /health", &foreign), Err(AccessDenied::Host));
    for host in ["host: localhost", "host: python.internal"] {
        assert_eq!(test_home.ask(Peer::SameUser, "GET /health", &[host]), Ok(()), "{host}");
    }
    let trusting = self::test_home(AccessConfig { trust_loopback: true, ..config.clone() });
    assert_eq!(trusting.ask(Peer::OtherUser(1), "GET /health", &foreign), Err(AccessDenied::Host));
    let strict = self::test_home(AccessConfig { require_token: true, ..config });
    assert_eq!(strict.ask(Peer::SameUser, "GET /health", &foreign), Ok(()));
}

#[test]
fn the_host_must_name_this_server() {
    let test_home = test_home(AccessConfig { hosts: vec!["python.internal".into()], ..AccessConfig::default() });
    let refused = Err(AccessDenied::Host);
    check(
        &test_home,
        &[
            ("GET /health", &["host: localhost:5678"], Ok(())),
            ("GET /health", &["host: 127.0.0.1:5678"], Ok(())),
            ("GET /health", &["host: [::1]:5678"], Ok(())),
            ("GET /health", &["host: python.internal"], Ok(())),
            ("GET /health", &[], refused),
            ("GET /health HTTP/1.0", &[], refused),
            ("GET /health", &["host:"], refused),
            ("GET /health", &["host: evil.example:5678"], refused),
            ("GET /health", &["host: localhost", "host: localhost"], refused),
            ("GET /health", &["host: localhost", "host: evil.example"], refused),
            ("GET http://localhost:5678/health", &["host: localhost:5678"], Ok(())),
            ("GET http://evil.example/health", &["host: localhost:5678"], refused),
            ("GET http://localhost:5678/health", &["host: evil.example"], refused),
            ("GET http://localhost:5678/health", &[], refused),
            ("GET http://localhost:5678/health HTTP/2", &[], Ok(())),
            ("GET http://evil.example/health HTTP/2", &[], refused),
            ("GET /health HTTP/2", &[], refused),
        ],
    );
}

#[test]
fn web_page_is_denied_on_every_method_and_on_upgrades() {
    let test_home = test_home(AccessConfig::default());
    let headers = |extra: &[&'static str]| [&["host: localhost"], extra].concat();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let line = format!("{method} /api/eval");
        for origin in ["http://evil.example", "null", "http://localhost:5678", ""] {
            let headers = headers(&[Box::leak(format!("origin: {origin}").into_boxed_str())]);
            assert_eq!(
                test_home.ask(Peer::SameUser, &line, &headers),
                Err(AccessDenied::Origin),
                "{method} from {origin:?}"
            );
        }
        for site in ["cross-site", "same-site", "", "nonsense"] {
            let headers = headers(&[Box::leak(format!("sec-fetch-site: {site}").into_boxed_str())]);
            assert_eq!(
                test_home.ask(Peer::SameUser, &line, &headers),
                Err(AccessDenied::Origin),
                "{method} from {site:?}"
            );
        }
        for site in ["same-origin", "none"] {
            let headers = headers(&[Box::leak(format!("sec-fetch-site: {site}").into_boxed_str())]);
            assert_eq!(test_home.ask(Peer::SameUser, &line, &headers), Ok(()), "{method} from {site:?}");
        }
    }
    let upgrade = headers(&["connection: upgrade", "upgrade: websocket", "origin: http://evil.example"]);
    assert_eq!(test_home.ask(Peer::SameUser, "GET /api/eval", &upgrade), Err(AccessDenied::Origin));
}

#[test]
fn configured_origin_is_allowed() {
    let test_home = test_home(AccessConfig { origins: vec!["https://app.example".into()], ..AccessConfig::default() });
    let refused = Err(AccessDenied::Origin);
    check(
        &test_home,
        &[
            ("GET /health", &["host: localhost", "origin: https://app.example"], Ok(())),
            ("GET /health", &["host: localhost", "origin: https://app.example", "sec-fetch-site: cross-site"], Ok(())),
            ("GET /health", &["host: localhost", "sec-fetch-site: cross-site"], refused),
            ("GET /health", &["host: localhost", "origin: http://app.example"], refused),
            ("GET /health", &["host: localhost", "origin: https://app.example:444"], refused),
            ("GET /health", &["host: localhost", "origin: https://app.example.evil.example"], refused),
            (
                "GET /health",
                &["host: localhost", "origin: https://app.example", "origin: https://evil.example"],
                refused,
            ),
        ],
    );
}

#[test]
fn other_users_need_the_token() {
    let test_home = test_home(AccessConfig::default());
    let good: &[&[&str]] =
        &[&["authorization: Bearer TOKEN"], &["authorization: bearer TOKEN"], &["authorization: Bearer  TOKEN"]];
    let bad: &[&[&str]] = &[
        &[],
        &["authorization:"],
        &["authorization: TOKEN"],
        &["authorization: Basic TOKEN"],
        &["authorization: Bearer"],
        &["authorization: Bearer TOKENx"],
        &["authorization: Bearer wrong"],
        &["authorization: Bearer TOKEN", "authorization: Bearer TOKEN"],
        &["proxy-authorization: Bearer TOKEN"],
        &["cookie: token=TOKEN"],
    ];
    let ask = |peer, headers: &[&str]| test_home.ask(peer, "GET /health", &[&["host: localhost"], headers].concat());
    for peer in [Peer::OtherUser(1000), Peer::OtherUser(0), Peer::UnknownOnLoopback, Peer::Remote] {
        for headers in good {
            assert_eq!(ask(peer, headers), Ok(()), "{peer:?} {headers:?}");
        }
        for headers in bad {
            assert_eq!(ask(peer, headers), Err(AccessDenied::Token), "{peer:?} {headers:?}");
        }
    }
    for headers in [good, bad].concat() {
        assert_eq!(ask(Peer::SameUser, headers), Ok(()), "{headers:?}");
    }
    let in_the_url = format!("GET /health?token={}", test_home.token);
    assert_eq!(test_home.ask(Peer::Remote, &in_the_url, &["host: localhost"]), Err(AccessDenied::Token));
}

#[test]
fn loopback_is_trusted_only_if_configured_and_a_network_never() {
    let test_home = test_home(AccessConfig { trust_loopback: true, ..AccessConfig::default() });
    for (peer, expected) in
        [(Peer::OtherUser(1000), Ok(())), (Peer::UnknownOnLoopback, Ok(())), (Peer::Remote, Err(AccessDenied::Token))]
    {
        assert_eq!(test_home.ask(peer, "GET /health", &["host: localhost"]), expected, "{peer:?}");
    }
    let page = ["host: localhost", "origin: http://evil.example"];
    assert_eq!(
        test_home.ask(Peer::SameUser, "GET /health", &page),
        Err(AccessDenied::Origin),
        "trust is not for web pages"
    );
}

#[test]
fn bodies_must_be_declared_as_json() {
    let test_home = test_home(AccessConfig::default());
    let refused = Err(AccessDenied::ContentType);
    let cases: &[(&str, &[&str], Result<(), AccessDenied>)] = &[
        ("POST /a", &["content-length: 2", "content-type: application/json"], Ok(())),
        ("POST /a", &["transfer-encoding: chunked", "content-type: application/json; charset=utf-8"], Ok(())),
        ("POST /a", &["content-length: 2", "content-type: Application/JSON;charset=\"UTF-8\""], Ok(())),
        ("POST /a", &["content-length: 2", "content-type: application/json ; x=y; charset=utf8"], Ok(())),
        ("POST /a", &["content-length: 2", "content-type: application/json; charset=utf-16"], Ok(())),
        ("POST /a", &["content-length: 2", "content-type: application/json; charset=latin1"], Ok(())),
        ("POST /a", &["content-length: 2"], refused),
        ("POST /a", &["transfer-encoding: chunked"], refused),
        ("POST /a", &["content-length: 2", "content-type:"], refused),
        ("POST /a", &["content-length: 2", "content-type: text/plain"], refused),
        ("POST /a", &["content-length: 2", "content-type: text/plain; application/json"], refused),
        ("POST /a", &["content-length: 2", "content-type: application/x-www-form-urlencoded"], refused),
        ("POST /a", &["content-length: 2", "content-type: multipart/form-data; boundary=x"], refused),
        ("POST /a", &["content-length: 2", "content-type: application/jsonx"], refused),
        ("POST /a", &["content-length: 2", "content-type: application/json, text/plain"], refused),
        (
            "POST /a",
            &["content-length: 2", "content-type: application/json", "content-type: application/json"],
            refused,
        ),
        ("PUT /a", &["content-length: 2", "content-type: text/plain"], refused),
        ("PATCH /a", &["content-length: 2", "content-type: text/plain"], refused),
        ("DELETE /a", &["content-length: 2", "content-type: text/plain"], refused),
        ("GET /a", &["content-length: 2"], refused),
        // Without a body there is nothing to declare, and what is declared all the same does not count.
        ("POST /a", &[], Ok(())),
        ("POST /a", &["content-length: 0"], Ok(())),
        ("POST /a", &["content-length: 0", "content-type: text/plain"], Ok(())),
        ("POST /a", &["content-length: 0", "content-type: application/x-www-form-urlencoded"], Ok(())),
        ("POST /a", &["transfer-encoding: chunked", "content-type: text/plain"], refused),
        ("GET /a", &[], Ok(())),
        ("GET /a", &["content-type: text/plain"], Ok(())),
        ("DELETE /a", &[], Ok(())),
    ];
    for (line, headers, expected) in cases {
        let headers = [&["host: localhost"], *headers].concat();
        assert_eq!(test_home.ask(Peer::SameUser, line, &headers), *expected, "{line} {headers:?}");
    }
    assert_eq!(test_home.ask(Peer::SameUser, "POST http://localhost/a HTTP/2", &[]), refused, "there may be a body");
}

#[test]
fn charset_of_a_body_is_told() {
    for (kind, expected) in [
        ("application/json", Charset::Utf8),
        ("application/json; charset=utf-8", Charset::Utf8),
        ("Application/JSON ;charset=\"UTF8\"; x=y", Charset::Utf8),
        ("application/json; Charset=latin1", Charset::Other),
        ("application/json; charset=", Charset::Other),
        ("application/json; charset=utf-8; charset=utf-16", Charset::Other),
    ] {
        let request = Request::post("/a").header("host", "localhost").header("content-type", kind);
        let parts = request.body(()).unwrap().into_parts().0;
        let policy = test_home(AccessConfig::default()).policy;
        let authorized = policy.authorize_parts(Media::Json, Peer::SameUser, &parts).unwrap();
        assert_eq!(authorized.charset, expected, "{kind}");
    }
}

#[test]
fn bodies_are_capped() {
    let test_home = test_home(AccessConfig { max_body_bytes: 1000, ..AccessConfig::default() });
    let too_large = |declared| Err(AccessDenied::BodySize { declared, limit: 1000 });
    let json = "content-type: application/json";
    check(
        &test_home,
        &[
            ("POST /a", &["host: localhost", json, "content-length: 1000"], Ok(())),
            ("POST /a", &["host: localhost", json, "content-length: 1001"], too_large(1001)),
            ("GET /a", &["host: localhost", json, "content-length: 99999999999"], too_large(99999999999)),
        ],
    );
    assert_eq!(test_home.policy.max_body_bytes(), 1000);
}

#[test]
fn denied_request_learns_nothing_more() {
    let test_home = test_home(AccessConfig { max_body_bytes: 1, ..AccessConfig::default() });
    let bad = ["host: evil.example", "origin: http://evil.example", "content-length: 9"];
    for (headers, expected) in [
        (&bad[..], AccessDenied::Host),
        (&["host: localhost", bad[1], bad[2]][..], AccessDenied::Origin),
        (&["host: localhost", bad[2]][..], AccessDenied::Token),
    ] {
        assert_eq!(test_home.ask(Peer::OtherUser(7), "POST /a", headers), Err(expected));
    }
}

#[test]
fn denial_becomes_a_problem_with_its_code() {
    let expected = [
        (AccessDenied::Host, ErrorCode::ForbiddenHost, 403),
        (AccessDenied::Origin, ErrorCode::ForbiddenOrigin, 403),
        (AccessDenied::Token, ErrorCode::Unauthorized, 401),
        (AccessDenied::ContentType, ErrorCode::UnsupportedMediaType, 415),
        (AccessDenied::BodySize { declared: 2, limit: 1 }, ErrorCode::BodyTooLarge, 413),
    ];
    for (refusal, code, status) in expected {
        let problem = Problem::from(refusal);
        assert_eq!((problem.code, problem.status), (code, status));
        assert!(!problem.detail.is_empty());
    }
}
