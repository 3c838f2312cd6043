//! Tokens: let in, expired, renewed and revoked, also on connections that are open.

use std::time::Duration;

use beep_python_client::{Error, ErrorCode};
use futures_util::StreamExt;
use serde_json::json;

use super::wires::{Strict, code};
use crate::{http, pipe};

const UNAUTHORIZED: Option<ErrorCode> = Some(ErrorCode::Unauthorized);

#[tokio::test(flavor = "multi_thread")]
async fn own_user_needs_a_token_where_the_server_wants_one() {
    let strict = Strict::start();
    let named = strict.tokens.create("ci", None, false).unwrap().text;
    for (wire, client) in strict.clients() {
        assert_eq!(code(client.evaluate::<u8>("1 + 1").await), UNAUTHORIZED, "{wire}");
        assert_eq!(code(client.health().await), UNAUTHORIZED, "{wire}");
        assert_eq!(code(client.execute("1").await), UNAUTHORIZED, "{wire}");
        let wrong = client.clone().with_token("x").unwrap();
        assert_eq!(code(wrong.evaluate::<u8>("1 + 1").await), UNAUTHORIZED, "{wire}");
        for token in [strict.default_token(), named.clone()] {
            let client = client.clone().with_token(&token).unwrap();
            assert_eq!(client.evaluate::<u8>("1 + 1").await.unwrap(), 2, "{wire}");
            assert_eq!(client.evaluate::<u8>("1 + 1").await.unwrap(), 2, "{wire}, again");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_token_is_refused() {
    let strict = Strict::start();
    let expired = strict.tokens.create("short", Some(Duration::ZERO), false).unwrap().text;
    for (wire, client) in strict.clients() {
        let client = client.with_token(&expired).unwrap();
        assert_eq!(code(client.evaluate::<u8>("1 + 1").await), UNAUTHORIZED, "{wire}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_or_renewed_token_ends_what_is_under_way() {
    let strict = Strict::start();
    for (wire, client) in strict.clients() {
        for renewed in [false, true] {
            let made = strict.tokens.create("ci", None, false).unwrap();
            let client = client.clone().with_token(&made.text).unwrap();
            assert_eq!(client.evaluate::<u8>("1 + 1").await.unwrap(), 2, "{wire}");
            let session = client.create_session().await.unwrap();
            let mut events = client.session_events(&session).await.unwrap();
            match renewed {
                true => drop(strict.tokens.rotate("ci").unwrap()),
                false => strict.tokens.revoke("ci").unwrap(),
            }
            // Nothing else happens in the session that would end or feed them.
            let ended = events.next().await;
            assert!(matches!(ended, Some(Err(Error::ConnectionLost { .. }))), "{wire}: {ended:?}");
            // On a new connection: one that is kept may be closed just now, under the request.
            let again = client.with_token(&made.text).unwrap();
            assert_eq!(code(again.evaluate::<u8>("1 + 1").await), UNAUTHORIZED, "{wire}");
            if renewed {
                strict.tokens.revoke("ci").unwrap();
            }
        }
    }
}

#[test]
fn revoked_token_closes_idle_connections() {
    let strict = Strict::start();
    let token = strict.tokens.create("ci", None, false).unwrap().text;
    let mut over_http = http::Connection::open(strict.server.http);
    let bearer = format!("Bearer {token}");
    let mut ask = || over_http.post("/api/eval", &[("authorization", &bearer)], r#"{"expression": "6 * 7"}"#);
    assert_eq!((ask().status, ask().status), (200, 200));
    let mut over_pipe = pipe::Connection::open(&strict.server.socket);
    let first = json!({"token": token, "command": "eval", "payload": {"expression": "6 * 7"}});
    assert_eq!(over_pipe.line(first.to_string())["result"]["value"], 42);
    assert_eq!(over_pipe.ask("eval", json!({"expression": "6 * 7"}))["value"], 42);
    // Another token's connections stay.
    let mut other = http::Connection::open(strict.server.http);
    let default = format!("Bearer {}", strict.default_token());
    let mut of_other = || other.post("/api/eval", &[("authorization", &default)], r#"{"expression": "6 * 7"}"#).status;
    assert_eq!(of_other(), 200);
    strict.tokens.revoke("ci").unwrap();
    assert!(over_http.is_closed() && over_pipe.is_closed());
    assert_eq!(of_other(), 200);
}

#[test]
fn first_line_of_a_pipe_shows_the_token_and_data_without_it_are_not_read() {
    let strict = Strict::start();
    for line in [
        r#"{"command": "ping"}"#,
        r#"{"command": "ping", "token": null}"#,
        r#"{"command": "ping", "token": 5}"#,
        r#"{"command": "put", "via": "inline", "data": [{"byteLength": 4000000000}]}"#,
        "nonsense",
    ] {
        let mut connection = pipe::Connection::open(&strict.server.socket);
        let answer = connection.line(line);
        pipe::expect_problem(&answer, "unauthorized");
        assert!(connection.is_closed(), "{line}");
    }
}

#[test]
fn wrong_scheme_or_place_of_the_token_is_none() {
    let strict = Strict::start();
    let token = strict.default_token();
    let (basic, twice) = (format!("Basic {token}"), format!("Bearer {token}"));
    for bearer in [format!("bearer {token}"), format!("Bearer  {token}")] {
        let told =
            http::Connection::open(strict.server.http).request("GET", "/health", &[("authorization", &bearer)], "");
        assert_eq!(told.status, 200, "{bearer}");
    }
    for headers in [&[("authorization", &basic[..])][..], &[("authorization", &twice), ("authorization", &twice)], &[]]
    {
        let mut connection = http::Connection::open(strict.server.http);
        connection.request("GET", "/health", headers, "").expect_problem(401, "unauthorized");
        connection.request("GET", &format!("/health?token={token}"), &[], "").expect_problem(401, "unauthorized");
    }
}
