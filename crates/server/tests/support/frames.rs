//! HTTP/2 as no client speaks it: any frames in any order, and what the server says to them.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use beep_python_protocol::grpc::encode;
use beep_python_protocol::grpc::messages::EvaluateRequest;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const COMPRESSION_ERROR: u32 = 9;
pub const ENHANCE_YOUR_CALM: u32 = 11;

pub const EVALUATE: &str = "/beep.python.runtime.PythonService/Evaluate";
/// What a ping asks for that is sent last.
const LAST: &[u8; 8] = b"the last";
/// No answer takes as long as this, unless something hangs.
const LONGEST: Duration = Duration::from_secs(60);

/// What a server says to a connection.
#[derive(Debug, Default)]
pub struct Heard {
    /// Whether the connection is served still, after everything that was sent.
    pub is_served: bool,
    /// The reason that the server gives for the end of the connection.
    pub goaway: Option<u32>,
    /// The streams that it has reset, with the reason.
    pub resets: Vec<(u32, u32)>,
    pub headers: usize,
    pub settings_acks: usize,
    pub pongs: usize,
    pub data: Vec<u8>,
}

impl Heard {
    /// The connection was ended, for one of these reasons. Where the client had sent more than was read, the system may have
    /// dropped the reason.
    pub fn expect_end(&self, reasons: &[u32]) {
        assert!(!self.is_served, "{self:?}");
        assert!(self.goaway.is_none_or(|reason| reasons.contains(&reason)), "{self:?}");
    }

    /// The connection goes on.
    pub fn expect_served(&self) {
        assert!(self.is_served && self.goaway.is_none(), "{self:?}");
    }

    /// Whether a message with this value was among the data.
    pub fn has_value(&self, json: &str) -> bool {
        let field = [&[0x0a, u8::try_from(json.len()).expect("short")], json.as_bytes()].concat();
        self.data.windows(field.len()).any(|part| part == field)
    }

    fn take(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let number = |at: usize| payload.get(at..at + 4).map(|four| u32::from_be_bytes(four.try_into().expect("four")));
        match kind {
            DATA => self.data.extend_from_slice(payload),
            HEADERS => self.headers += 1,
            RST_STREAM => self.resets.push((stream, number(0).expect("a reason"))),
            SETTINGS if flags & ACK != 0 => self.settings_acks += 1,
            PING if flags & ACK != 0 && payload == LAST => self.is_served = true,
            PING if flags & ACK != 0 => self.pongs += 1,
            GOAWAY => self.goaway = number(4),
            _ => {}
        }
    }
}

/// A connection that has shaken hands.
pub fn connect(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    stream.set_read_timeout(Some(LONGEST)).expect("a timeout");
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).expect("sent");
    stream
}

/// Sends these frames on a connection of their own, and gives what the server says until it has read all, or ends it.
pub fn send(port: u16, frames: &[u8]) -> Heard {
    let stream = connect(port);
    let mut writing = stream.try_clone().expect("a descriptor");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A server that has heard enough closes the connection.
            let _ = writing.write_all(frames).and_then(|()| writing.write_all(&frame(PING, 0, 0, LAST)));
        });
        let heard = listen(&stream, |heard| heard.is_served);
        let _ = stream.shutdown(Shutdown::Both);
        heard
    })
}

/// Sends these frames, upon which the server resets this stream for this reason, and goes on serving the connection.
pub fn expect_reset(port: u16, frames: &[u8], stream: u32, reason: u32) {
    let connection = connect(port);
    (&connection).write_all(frames).expect("sent");
    let heard = listen(&connection, |heard| heard.resets.contains(&(stream, reason)));
    assert!(heard.resets.contains(&(stream, reason)), "{heard:?}");
    (&connection).write_all(&frame(PING, 0, 0, LAST)).expect("sent");
    listen(&connection, |heard| heard.is_served).expect_served();
}

/// What the server says until that is enough, or it ends the connection.
pub fn listen(stream: &TcpStream, is_enough: impl Fn(&Heard) -> bool) -> Heard {
    let (mut reading, mut heard) = (BufReader::new(stream), Heard::default());
    while !is_enough(&heard) {
        let mut head = [0; 9];
        if !fill(&mut reading, &mut head) {
            break;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if !fill(&mut reading, &mut payload) {
            break;
        }
        let stream = u32::from_be_bytes(head[5..].try_into().expect("four bytes"));
        heard.take(head[3], head[4], stream, &payload);
    }
    heard
}

/// Whether there was as much before the end of the connection.
fn fill(reading: &mut impl Read, bytes: &mut [u8]) -> bool {
    match reading.read_exact(bytes) {
        Ok(()) => true,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("nothing comes"),
        Err(_) => false,
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The stream of a client's request, counted from 0.
pub fn stream_of(request: usize) -> u32 {
    u32::try_from(2 * request + 1).expect("a stream")
}

/// The headers of a call of gRPC, in one frame.
pub fn call(stream: u32, flags: u8) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &call_headers())
}

pub fn call_headers() -> Vec<u8> {
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":path", EVALUATE), (":authority", "localhost")];
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    // Literals that the other side does not remember.
    pseudo.iter().chain(&headers).flat_map(|(name, value)| literal(0, name, value)).collect()
}

/// A header as a literal, which this first byte says is remembered or not.
pub fn literal(first: u8, name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut length = Vec::new();
        match text.len().checked_sub(127) {
            None => length.push(text.len() as u8),
            Some(mut rest) => {
                length.push(127);
                while rest >= 128 {
                    length.push((rest % 128) as u8 | 128);
                    rest /= 128;
                }
                length.push(rest as u8);
            }
        }
        [&length[..], text.as_bytes()].concat()
    };
    [&[first][..], &text(name), &text(value)].concat()
}

/// A whole call that evaluates this.
pub fn evaluate(stream: u32, code: &str) -> Vec<u8> {
    let request = EvaluateRequest { expression: code.into(), ..EvaluateRequest::default() };
    [call(stream, 0), frame(DATA, END_STREAM, stream, &encode(&request))].concat()
}
