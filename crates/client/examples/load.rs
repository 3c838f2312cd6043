//! A closed-loop load over HTTP, a pipe or gRPC: how long one eval takes, and how many go through at once.
//!
//! `load HOST:PORT|unix:PATH|grpc:HOST:PORT [EXPRESSION] [--path /api/eval] [--calls 5000] [--pause 0] [--connections 16]
//! [--seconds 4]` prints one JSON object: latencies of one connection in microseconds, with a pause of so many milliseconds
//! between its calls, then calls per second over many connections. It speaks plain sockets, so that any server can be measured
//! with it, and the client takes as little of the machine as it can.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PIPE: &str = "unix:";
const GRPC: &str = "grpc:";

struct Options {
    target: String,
    request: Vec<u8>,
    calls: usize,
    pause: Duration,
    connections: usize,
    seconds: f64,
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let mut connection = Connection::open(&options)?;
    for _ in 0..options.calls / 10 {
        std::thread::sleep(options.pause);
        connection.call(&options)?; // to warm up
    }
    let mut alone = Vec::with_capacity(options.calls);
    for _ in 0..options.calls {
        std::thread::sleep(options.pause);
        alone.push(timed(|| connection.call(&options))?);
    }
    drop(connection);
    let together = throughput(&options)?;
    let of = |times: &mut Vec<Duration>, part: f64| {
        times.sort_unstable();
        times.get(((times.len().max(1) - 1) as f64 * part) as usize).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    println!(
        r#"{{"p50_us":{:.1},"p99_us":{:.1},"calls_per_s":{:.0},"connections":{}}}"#,
        of(&mut alone, 0.5),
        of(&mut alone, 0.99),
        together,
        options.connections
    );
    Ok(())
}

fn options() -> Result<Options, Failure> {
    let mut plain = Vec::new();
    let (mut path, mut calls, mut connections, mut seconds) = ("/api/eval".to_owned(), 5000, 16, 4.0);
    let mut pause = Duration::ZERO;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--path" => path = value()?,
            "--calls" => calls = value()?.parse()?,
            "--pause" => pause = Duration::from_millis(value()?.parse()?),
            "--connections" => connections = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            _ => plain.push(word),
        }
    }
    let target = plain.first().ok_or("usage: load HOST:PORT|unix:PATH|grpc:HOST:PORT [EXPRESSION]")?.clone();
    let expression = plain.get(1).map_or("1+1", String::as_str);
    if let Some(authority) = target.strip_prefix(GRPC) {
        let request = grpc::request(authority, expression)?;
        return Ok(Options { target, request, calls, pause, connections, seconds });
    }
    let expression = serde_json::to_string(expression)?;
    let body = format!(r#"{{"expression":{expression},"locals":{{}}}}"#);
    if target.starts_with(PIPE) {
        let request = format!("{{\"command\":\"eval\",\"payload\":{body}}}\n").into_bytes();
        return Ok(Options { target, request, calls, pause, connections, seconds });
    }
    let head = format!("POST {path} HTTP/1.1\r\nhost: {target}\r\ncontent-type: application/json\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes();
    Ok(Options { target, request, calls, pause, connections, seconds })
}

fn timed(call: impl FnOnce() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let began = Instant::now();
    call()?;
    Ok(began.elapsed())
}

/// Calls per second of all connections together, a thread for each.
fn throughput(options: &Options) -> Result<f64, Failure> {
    let ready = Barrier::new(options.connections + 1);
    let limit = Duration::from_secs_f64(options.seconds);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..options.connections)
            .map(|_| {
                scope.spawn(|| -> Result<usize, Failure> {
                    let opened = Connection::open(options);
                    ready.wait();
                    let (mut connection, began) = (opened?, Instant::now());
                    let mut done = 0;
                    while began.elapsed() < limit {
                        connection.call(options)?;
                        done += 1;
                    }
                    Ok(done)
                })
            })
            .collect();
        ready.wait();
        let began = Instant::now();
        let mut done = 0;
        for client in clients {
            done += client.join().map_err(|_| "a client panicked")??;
        }
        Ok(done as f64 / began.elapsed().as_secs_f64())
    })
}

struct Connection {
    stream: Stream,
    read: Vec<u8>,
}

enum Stream {
    Http(TcpStream),
    Pipe(UnixStream),
    Grpc(TcpStream, grpc::Streams),
}

impl Connection {
    fn open(options: &Options) -> Result<Connection, Failure> {
        let stream = match options.target.strip_prefix(PIPE) {
            Some(path) => Stream::Pipe(UnixStream::connect(path)?),
            None => {
                let authority = options.target.strip_prefix(GRPC);
                let mut stream = TcpStream::connect(authority.unwrap_or(&options.target))?;
                stream.set_nodelay(true)?;
                match authority {
                    None => Stream::Http(stream),
                    Some(_) => {
                        stream.write_all(&grpc::PREFACE)?;
                        Stream::Grpc(stream, grpc::Streams::default())
                    }
                }
            }
        };
        Ok(Connection { stream, read: Vec::new() })
    }

    fn call(&mut self, options: &Options) -> Result<(), Failure> {
        match &mut self.stream {
            Stream::Http(stream) => {
                self.read.clear();
                stream.write_all(&options.request)?;
                while !is_whole_answer(&self.read)? {
                    read_some(stream, &mut self.read)?;
                }
            }
            Stream::Pipe(stream) => {
                self.read.clear();
                stream.write_all(&options.request)?;
                while self.read.last() != Some(&b'\n') {
                    read_some(stream, &mut self.read)?;
                }
                if !self.read.starts_with(b"{\"result\"") {
                    return Err(format!("the server answered {}", String::from_utf8_lossy(&self.read)).into());
                }
            }
            Stream::Grpc(stream, streams) => streams.call(stream, &options.request, &mut self.read)?,
        }
        Ok(())
    }
}

fn read_some(stream: &mut impl Read, into: &mut Vec<u8>) -> Result<(), Failure> {
    let mut chunk = [0; 16384];
    let n = stream.read(&mut chunk)?;
    if n == 0 {
        return Err("the server closed the connection".into());
    }
    into.extend_from_slice(&chunk[..n]);
    Ok(())
}

fn is_whole_answer(read: &[u8]) -> Result<bool, Failure> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let head = std::str::from_utf8(&read[..end])?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("the server answered {:?}", head.lines().next()).into());
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Ok(read.len() >= end + 4 + length.ok_or("an answer without content-length")?)
}

/// As much of HTTP/2 as one call after the other needs. Headers are written as literals, and those that come are not read: a
/// call is answered when its stream ends, and has failed when no message came before.
mod grpc {
    use std::io::Write;
    use std::net::TcpStream;

    use super::{Failure, read_some};

    /// The connection's preface, no settings, and room for answers without end.
    pub(crate) const PREFACE: [u8; 46] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
        \0\0\0\x04\0\0\0\0\0\
        \0\0\x04\x08\0\0\0\0\0\x7f\0\0\0";
    const HEAD: usize = 9;
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    const ACK: u8 = 1;

    /// Both frames of an `Evaluate`, for stream 0.
    pub(crate) fn request(authority: &str, expression: &str) -> Result<Vec<u8>, Failure> {
        let headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/beep.python.runtime.PythonService/Evaluate"),
            (":authority", authority),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        let mut block = Vec::new();
        for (name, value) in headers {
            block.push(0); // a literal that is not indexed
            for text in [name, value] {
                block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).ok_or("a long header")?);
                block.extend_from_slice(text.as_bytes());
            }
        }
        let length = u8::try_from(expression.len()).ok().filter(|length| *length < 126).ok_or("a long expression")?;
        let mut message = vec![0, 0, 0, 0, length + 2, 0x0a, length]; // field 1, a string
        message.extend_from_slice(expression.as_bytes());
        let mut request = frame(HEADERS, END_HEADERS, &block);
        request.extend(frame(DATA, END_STREAM, &message));
        Ok(request)
    }

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags, 0, 0, 0, 0]);
        frame.extend_from_slice(payload);
        frame
    }

    /// The streams of a connection, one after the other.
    #[derive(Default)]
    pub(crate) struct Streams {
        next: u32,
        buffer: Vec<u8>,
    }

    impl Streams {
        /// `read` holds what came for no call yet.
        pub(crate) fn call(
            &mut self,
            stream: &mut TcpStream,
            request: &[u8],
            read: &mut Vec<u8>,
        ) -> Result<(), Failure> {
            let id = self.next * 2 + 1;
            self.next += 1;
            self.buffer.clear();
            self.buffer.extend_from_slice(request);
            let headers = HEAD + usize::from(request[1]) * 256 + usize::from(request[2]);
            for at in [0, headers] {
                self.buffer[at + 5..at + HEAD].copy_from_slice(&id.to_be_bytes());
            }
            stream.write_all(&self.buffer)?;
            let mut has_message = false;
            loop {
                while read.len() < HEAD || read.len() < HEAD + length_of(read) {
                    read_some(stream, read)?;
                }
                let (kind, flags, of) = (read[3], read[4], u32::from_be_bytes([read[5], read[6], read[7], read[8]]));
                let payload: Vec<u8> = read.drain(..HEAD + length_of(read)).skip(HEAD).collect();
                match kind {
                    SETTINGS | PING if flags & ACK == 0 => {
                        let payload = if kind == PING { &payload[..] } else { &[] };
                        stream.write_all(&frame(kind, ACK, payload))?;
                    }
                    GOAWAY => return Err("the server says goodbye".into()),
                    DATA | HEADERS if of == id => {
                        has_message |= kind == DATA && !payload.is_empty();
                        if flags & END_STREAM != 0 {
                            return if has_message { Ok(()) } else { Err("the server answered no message".into()) };
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn length_of(frame: &[u8]) -> usize {
        u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize
    }
}
