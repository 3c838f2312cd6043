//! HTTP/2 by hand, for what no client lets a test do: frames in one write, and a connection that ends right after them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The only stream.
const STREAM: u32 = 1;
/// The reason that clients of gRPC give.
const CANCEL: u32 = 8;
/// No answer takes as long as this, unless something hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// A connection with one request.
pub struct Http2(TcpStream);

impl Http2 {
    /// Sends a request. `headers` stand beside the pseudo-headers.
    pub fn send(port: u16, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Http2 {
        let mut connection = Http2(TcpStream::connect(("127.0.0.1", port)).expect("connected"));
        connection.0.set_read_timeout(Some(LONGEST)).expect("a timeout");
        connection.write(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &request(path, headers, body)].concat());
        connection
    }

    /// Cancels the request.
    pub fn reset(&mut self) {
        self.write(&frame(RST_STREAM, 0, STREAM, &CANCEL.to_be_bytes()));
    }

    /// Cancels it, and ends the connection with the same write.
    pub fn reset_and_close(mut self) {
        let goodbye = frame(GOAWAY, 0, 0, &[0; 8]);
        self.write(&[frame(RST_STREAM, 0, STREAM, &CANCEL.to_be_bytes()), goodbye].concat());
        // Closed with unread bytes, it would be reset, and the kernel would drop what the server has not read yet.
        self.lose();
    }

    /// Sends nothing more, as when the process was killed, and returns when the server has noticed.
    pub fn lose(mut self) {
        self.0.shutdown(Shutdown::Write).expect("shut down");
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the server closes the connection");
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("written");
    }
}

/// The frames of a request.
fn request(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost")];
    let mut block = Vec::new();
    for (name, value) in pseudo.iter().chain(headers) {
        // Literals that the other side does not remember.
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "a length of one byte");
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    [frame(HEADERS, END_HEADERS, STREAM, &block), frame(DATA, END_STREAM, STREAM, body)].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
