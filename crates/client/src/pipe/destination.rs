//! A host over a Unix socket, and the token that the first line of each connection shows it.

use std::fmt;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::endpoint::PipeEndpoint;

/// A host over a Unix socket.
#[derive(Clone)]
pub(super) struct PipeDestination {
    pub(super) endpoint: PipeEndpoint,
    pub(super) token: Option<Arc<str>>,
}

impl PipeDestination {
    /// The first line of a connection: with the token, where there is one.
    pub(super) fn first_line(&self, line: &Bytes) -> Bytes {
        let Some(token) = &self.token else { return line.clone() };
        let token = serde_json::to_vec(&**token).unwrap_or_default();
        let mut with_token = BytesMut::with_capacity(line.len() + token.len() + 16);
        with_token.put_slice(br#"{"token":"#);
        with_token.put_slice(&token);
        with_token.put_u8(b',');
        with_token.put_slice(&line[1..]); // a line is an object that is not empty
        with_token.freeze()
    }
}

impl fmt::Display for PipeDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_stands_in_the_first_line() {
        let endpoint: PipeEndpoint = "pipe:x".parse().unwrap();
        let line = Bytes::from_static(b"{\"command\":\"ping\"}\n");
        let without = PipeDestination { endpoint, token: None };
        assert_eq!(without.first_line(&line), line);
        let with = PipeDestination { token: Some("a\"b".into()), ..without };
        assert_eq!(
            with.first_line(&line),
            &br#"{"token":"a\"b","command":"ping"}"#[..].iter().chain(b"\n").copied().collect::<Vec<_>>()[..]
        );
    }
}
