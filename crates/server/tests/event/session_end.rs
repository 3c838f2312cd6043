//! The end of a session, as those hear of it that follow its events.

use serde_json::json;

use super::execute::send;
use crate::pipe::Server;

#[test]
fn the_last_event_has_the_epoch_that_ended() {
    let server = Server::start();
    let mut asks = server.connect();
    let session = asks.ask("session_create", json!({}))["sessionId"].clone();
    let mut follows = server.connect();
    send(&mut follows, json!({ "id": 1, "command": "session_events", "payload": { "sessionId": session } }));
    assert_eq!(follows.receive()["sessionEpoch"], 1);
    asks.ask("session_restart", json!({ "sessionId": session }));
    assert_eq!(follows.receive()["sessionEpoch"], 2);
    asks.ask("session_delete", json!({ "sessionId": session }));
    let last = follows.receive();
    assert_eq!(last["result"], json!({ "success": true, "sessionEpoch": 2 }), "{last}");
}
