//! What a token for sessions only is good for.

use beep_python_client::{ErrorCode, SessionOptions};

use super::wires::{Strict, code};

const FORBIDDEN: Option<ErrorCode> = Some(ErrorCode::Forbidden);

#[tokio::test(flavor = "multi_thread")]
async fn token_for_sessions_does_everything_in_sessions_and_nothing_with_environments() {
    let strict = Strict::start();
    let token = strict.tokens.create("jobs", None, true).unwrap().text;
    for (wire, client) in strict.clients() {
        let client = client.with_token(&token).unwrap();
        client.health().await.unwrap();
        let session = client.create_session().await.unwrap();
        assert_eq!(client.with_session(&session).evaluate::<u8>("1 + 1").await.unwrap(), 2, "{wire}");
        client.list_sessions().await.unwrap();
        client.inspect_session(&session).await.unwrap();
        client.list_handles(&session).await.unwrap();
        client.restart_session(&session).await.unwrap();
        client.delete_session(&session).await.unwrap();
        assert_eq!(code(client.list_environments().await), FORBIDDEN, "{wire}");
        assert_eq!(code(client.environment_status("runtime-host").await), FORBIDDEN, "{wire}");
        assert_eq!(code(client.install_packages("runtime-host", &["six"]).await), FORBIDDEN, "{wire}");
        assert_eq!(code(client.delete_environment("runtime-host").await), FORBIDDEN, "{wire}");
        let options = SessionOptions { python: Some("3".into()), ..SessionOptions::default() };
        assert_eq!(code(client.create_session_with(&options).await), FORBIDDEN, "{wire}");
    }
    // Another token is for everything.
    let whole = strict.tokens.create("whole", None, false).unwrap().text;
    for (wire, client) in strict.clients() {
        let listed = client.with_token(&whole).unwrap().list_environments().await;
        assert!(listed.is_ok(), "{wire}: {listed:?}");
    }
}
