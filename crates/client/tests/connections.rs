//! Connections: kept, found closed, lost, never there.

mod fake;
#[path = "../../server/tests/support/port.rs"]
#[allow(unreachable_pub, dead_code, reason = "it is the server's, and used in part")]
mod port;

use std::sync::Arc;
use std::time::Duration;

use beep_python_client::{Error, HttpBackend};
use fake::{Fake, Scripted};
use port::Port;

#[tokio::test]
async fn calls_one_after_another_share_a_connection() {
    let fake = Fake::always(r#"{"value":1}"#).await;
    for _ in 0..5 {
        assert_eq!(fake.backend.clone().with_timeout(Duration::from_secs(9)).evaluate::<i64>("1").await.unwrap(), 1);
    }
    assert_eq!(fake.connections(), 1);
    assert_eq!(fake.seen().len(), 5);
}

#[tokio::test]
async fn calls_at_the_same_time_have_connections_of_their_own_and_leave_them_to_the_next() {
    let fake = Fake::always(r#"{"value":1}"#).await;
    let round = || async {
        let calls: Vec<_> =
            (0..4).map(|_| fake.backend.clone()).map(|b| tokio::spawn(async move { b.evaluate("1").await })).collect();
        for call in calls {
            let one: i64 = call.await.unwrap().unwrap();
            assert_eq!(one, 1);
        }
    };
    round().await;
    let connections = fake.connections();
    assert!((1..=4).contains(&connections));
    round().await;
    assert!(fake.connections() <= 4);
}

#[tokio::test]
async fn a_connection_that_the_host_closed_while_it_was_idle_is_replaced() {
    let fake = Fake::start(|seen| match seen.connection {
        0 => Scripted::json(r#"{"value":1}"#).then_close(),
        _ => Scripted::json(r#"{"value":2}"#),
    })
    .await;
    assert_eq!(fake.backend.evaluate::<i64>("1").await.unwrap(), 1);
    fake.closed().await;
    assert_eq!(fake.backend.evaluate::<i64>("2").await.unwrap(), 2);
    assert_eq!(fake.connections(), 2);
    assert_eq!(fake.seen().len(), 2, "nothing was sent twice");
}

#[tokio::test]
async fn a_connection_on_which_the_host_spoke_unasked_is_not_used_again() {
    let fake = Fake::start(|seen| match seen.connection {
        0 => {
            let good = "HTTP/1.1 200 X\r\ncontent-length: 11\r\n\r\n{\"value\":1}";
            Scripted::raw(format!("{good}HTTP/1.1 408 X\r\ncontent-length: 0\r\n\r\n"))
        }
        _ => Scripted::json(r#"{"value":2}"#),
    })
    .await;
    assert_eq!(fake.backend.evaluate::<i64>("1").await.unwrap(), 1);
    assert_eq!(fake.backend.evaluate::<i64>("2").await.unwrap(), 2);
}

#[tokio::test]
async fn connection_close_is_honoured() {
    let fake = Fake::start(|_| {
        Scripted::answer(200, "application/json", "connection: close\r\n", br#"{"value":1}"#).then_close()
    })
    .await;
    for _ in 0..3 {
        assert_eq!(fake.backend.evaluate::<i64>("1").await.unwrap(), 1);
    }
    assert_eq!(fake.connections(), 3);
}

#[tokio::test]
async fn a_call_whose_answer_never_came_is_lost_and_not_repeated() {
    let fake = Fake::start(|_| Scripted::raw("").then_close()).await;
    let error = fake.backend.evaluate::<i64>("1").await.unwrap_err();
    assert!(matches!(error, Error::ConnectionLost { may_have_run: true, .. }), "{error:?}");
    assert!(error.to_string().ends_with("was lost; the call may have run"), "{error}");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_call_lost_on_a_kept_connection_is_not_repeated_either() {
    let fake = Fake::start(|seen| match seen.body["expression"].as_str() {
        Some("1") => Scripted::json(r#"{"value":1}"#),
        _ => Scripted::raw("").then_close(),
    })
    .await;
    assert_eq!(fake.backend.evaluate::<i64>("1").await.unwrap(), 1);
    let error = fake.backend.evaluate::<i64>("2").await.unwrap_err();
    assert!(matches!(error, Error::ConnectionLost { may_have_run: true, .. }), "{error:?}");
    assert_eq!((fake.seen().len(), fake.connections()), (2, 1));
}

#[tokio::test]
async fn half_an_answer_is_no_answer() {
    for half in ["HTTP/1.1 200 X\r\ncontent-le", "HTTP/1.1 200 X\r\ncontent-length: 11\r\n\r\n{\"val"] {
        let fake = Fake::start(move |_| Scripted::raw(half).then_close()).await;
        let error = fake.backend.evaluate::<i64>("1").await.unwrap_err();
        assert!(matches!(error, Error::ConnectionLost { may_have_run: true, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn where_nothing_listens_the_error_names_the_endpoint() {
    let nobody = Port::new();
    let port = nobody.number;
    let error = HttpBackend::connect(&format!("127.0.0.1:{port}")).unwrap().health().await.unwrap_err();
    assert!(matches!(&error, Error::Connect { source, .. } if source.kind() == std::io::ErrorKind::ConnectionRefused));
    assert_eq!(error.to_string(), format!("cannot connect to http://127.0.0.1:{port}"));
}

#[tokio::test]
async fn localhost_is_found_on_whichever_loopback_it_listens() {
    for address in ["127.0.0.1", "::1"] {
        // No other program listens on the same port of the other one.
        let Port { number: port, .. } = &Port::new();
        let Ok(listener) = tokio::net::TcpListener::bind((address, *port)).await else { continue };
        let accepted = tokio::spawn(async move { listener.accept().await.map(drop) });
        let backend = HttpBackend::connect(&format!("http://localhost:{port}")).unwrap();
        let error = backend.health().await.unwrap_err();
        assert!(matches!(error, Error::ConnectionLost { .. }), "{error:?}");
        accepted.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_large_answer_in_many_pieces_arrives_whole() {
    let text = "x".repeat(3_000_000);
    let sent = text.clone();
    let fake = Fake::start(move |seen| {
        let body = format!(r#"{{"value":"{sent}"}}"#);
        if seen.body["expression"] == "length" {
            return Scripted::json(&body);
        }
        let mut bytes = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.as_bytes().chunks(70_001) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        Scripted::raw(bytes)
    })
    .await;
    for code in ["length", "chunked", "length"] {
        assert!(fake.backend.evaluate::<String>(code).await.unwrap() == text, "{code}");
    }
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_large_request_arrives_whole() {
    let fake = Fake::start(|seen| {
        let length = seen.body["locals"]["text"].as_str().unwrap().len();
        Scripted::json(&format!(r#"{{"value":{length}}}"#))
    })
    .await;
    let text = "y".repeat(3_000_000);
    assert_eq!(fake.backend.evaluate_with::<usize>("len(text)", [("text", &text)]).await.unwrap(), text.len());
}

#[test]
fn a_backend_outlives_the_tokio_runtime_that_it_was_used_in() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serving = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = serving.block_on(Fake::always(r#"{"isHandle":true,"handleId":"h1","typeName":"object"}"#));
    for _ in 0..2 {
        runtime().block_on(async {
            fake.backend.evaluate::<beep_python_client::Handle>("object()").await.unwrap();
            fake.backend.release_dropped().await;
        });
    }
    let released = fake.seen().iter().filter(|seen| seen.route == "POST /api/dispose").count();
    assert_eq!(released, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_threads_share_a_backend() {
    let fake = Arc::new(
        Fake::start(|seen| Scripted::json(&format!(r#"{{"value":{}}}"#, seen.body["expression"].as_str().unwrap())))
            .await,
    );
    let calls: Vec<_> = (0..100)
        .map(|number: i64| {
            let fake = fake.clone();
            tokio::spawn(async move { (number, fake.backend.evaluate::<i64>(&number.to_string()).await.unwrap()) })
        })
        .collect();
    for call in calls {
        let (sent, received) = call.await.unwrap();
        assert_eq!(sent, received);
    }
}
