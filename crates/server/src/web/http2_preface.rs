//! Which version of HTTP a connection without TLS speaks.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

/// The first bytes of a connection that speaks HTTP/2.
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No request of HTTP/1.1 begins with as many of the same bytes.
const DISTINCT_BYTES: usize = 3;
/// How long the rest of the preface is waited for before the socket is read again.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Whether a connection speaks HTTP/2, from its first bytes, which stay in the socket. Nothing else limits the time that
/// the preface of HTTP/2 may take to arrive.
pub(super) async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut seen = [0; HTTP2_PREFACE.len()];
    let mut wait = FIRST_WAIT;
    loop {
        match stream.peek(&mut seen).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n if n < seen.len() && HTTP2_PREFACE.starts_with(&seen[..n]) => {
                // A part without the rest is rare, and the socket cannot wait for more than it has by itself.
                tokio::time::sleep(wait).await;
                wait = (2 * wait).min(LONGEST_WAIT);
            }
            n => return Ok(n >= DISTINCT_BYTES && seen[..DISTINCT_BYTES] == HTTP2_PREFACE[..DISTINCT_BYTES]),
        }
    }
}
