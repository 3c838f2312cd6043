//! A closed-loop load over HTTP, or over a pipe: how long one eval takes, and how many go through at once.
//!
//! `load HOST:PORT|unix:PATH [EXPRESSION] [--path /api/eval] [--calls 5000] [--connections 16] [--seconds 4]` prints one JSON
//! object: latencies of one connection in microseconds, then calls per second over many connections. It speaks plain
//! sockets, so that any server can be measured with it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Barrier;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PIPE: &str = "unix:";

struct Options {
    target: String,
    request: Vec<u8>,
    calls: usize,
    connections: usize,
    seconds: f64,
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let mut connection = Connection::open(&options)?;
    for _ in 0..options.calls / 10 {
        connection.call(&options)?; // to warm up
    }
    let mut alone = Vec::with_capacity(options.calls);
    for _ in 0..options.calls {
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
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--path" => path = value()?,
            "--calls" => calls = value()?.parse()?,
            "--connections" => connections = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            _ => plain.push(word),
        }
    }
    let target = plain.first().ok_or("usage: load HOST:PORT|unix:PATH [EXPRESSION]")?.clone();
    let expression = serde_json::to_string(plain.get(1).map_or("1+1", String::as_str))?;
    let body = format!(r#"{{"expression":{expression},"locals":{{}}}}"#);
    if target.starts_with(PIPE) {
        let request = format!("{{\"command\":\"eval\",\"payload\":{body}}}\n").into_bytes();
        return Ok(Options { target, request, calls, connections, seconds });
    }
    let head = format!("POST {path} HTTP/1.1\r\nhost: {target}\r\ncontent-type: application/json\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes();
    Ok(Options { target, request, calls, connections, seconds })
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
}

impl Connection {
    fn open(options: &Options) -> Result<Connection, Failure> {
        let stream = match options.target.strip_prefix(PIPE) {
            Some(path) => Stream::Pipe(UnixStream::connect(path)?),
            None => {
                let stream = TcpStream::connect(&options.target)?;
                stream.set_nodelay(true)?;
                Stream::Http(stream)
            }
        };
        Ok(Connection { stream, read: Vec::new() })
    }

    fn call(&mut self, options: &Options) -> Result<(), Failure> {
        self.read.clear();
        match &mut self.stream {
            Stream::Http(stream) => {
                stream.write_all(&options.request)?;
                while !is_whole_answer(&self.read)? {
                    read_some(stream, &mut self.read)?;
                }
            }
            Stream::Pipe(stream) => {
                stream.write_all(&options.request)?;
                while self.read.last() != Some(&b'\n') {
                    read_some(stream, &mut self.read)?;
                }
                if !self.read.starts_with(b"{\"result\"") {
                    return Err(format!("the server answered {}", String::from_utf8_lossy(&self.read)).into());
                }
            }
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
