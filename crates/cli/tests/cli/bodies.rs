//! The bodies of requests in the memory of a server: bounded together, and given back.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use super::test_home::{TestHome, body_of, wait_until};

/// A request whose body is announced, and comes in part.
fn pending(port: &str, path: &str, announced: usize, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {announced}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; sent]).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

/// What the server has in memory of its own, in bytes.
fn resident(server: &Value) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server["pid"])).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a figure");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn all_bodies_together_are_bounded_on_every_wire() {
    let home = TestHome::with_runtime();
    let start = ["start", "http", "pipe", "rpc", "--port", "0", "--rpc-port", "0", "--max-bodies", "8M"];
    let server = home.json(&start);
    let url = |at: usize| server["endpoints"][at]["url"].as_str().unwrap().to_owned();
    let port = |at: usize| url(at).rsplit(':').next().unwrap().to_owned();
    let (http, rpc) = (port(0), port(2));
    let before = resident(&server);
    let first = pending(&http, "/api/eval", 7 << 20, 6 << 20);
    wait_until("the first body has come", || resident(&server) > before + (5 << 20));

    for (port, path) in [(&http, "/api/eval"), (&rpc, "/rpc/PythonService/Evaluate")] {
        let told = answer(pending(port, path, 3 << 20, 3 << 20));
        assert!(told.starts_with("HTTP/1.1 503") && told.contains("\r\nretry-after: 1\r\n"), "{told}");
        assert!(body_of(&told).contains(r#""code":"overloaded""#) && told.contains("8388608"), "{told}");
    }
    let mut pipe = UnixStream::connect(url(1).trim_start_matches("unix:")).unwrap();
    pipe.write_all(&vec![b' '; 3 << 20]).unwrap();
    let mut told = String::new();
    BufReader::new(&pipe).read_line(&mut told).unwrap();
    assert!(told.contains(r#""code":"overloaded""#), "{told}");

    // What is small has its place, and what is large as soon as there is room.
    assert_eq!(home.success(&["eval", "6 * 7"]), "42\n");
    drop(first);
    wait_until("there is room", || {
        let mut stream = pending(&http, "/api/eval", (3 << 20) + 18, 3 << 20);
        stream.write_all(br#"{"expression":"1"}"#).unwrap();
        answer(stream).starts_with("HTTP/1.1 200")
    });
}

#[test]
fn memory_goes_back_to_the_system_after_large_bodies() {
    const EACH: usize = 20 << 20;
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let port = server["endpoints"][0]["url"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let before = resident(&server);
    let bodies: Vec<_> = (0..8).map(|_| pending(&port, "/api/eval", EACH + 1, EACH)).collect();
    wait_until("the bodies have come", || resident(&server) > before + 7 * EACH as u64);
    drop(bodies);
    wait_until("their memory is given back", || resident(&server) < before + EACH as u64);
}

/// The arena of a thread keeps memory that is free, and is not looked at where free memory goes back to the system.
#[test]
#[cfg(target_env = "gnu")]
fn threads_of_the_server_have_no_arenas_of_their_own() {
    const ARENA: usize = 64 << 20;
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let port = server["endpoints"][0]["url"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    // Another thread writes this page.
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    assert!(answer(stream).starts_with("HTTP/1.1 200"));

    let maps = fs::read_to_string(format!("/proc/{}/maps", server["pid"])).unwrap();
    let begins_as_an_arena = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let start = usize::from_str_radix(fields[0].split('-').next().unwrap(), 16).unwrap();
        start % ARENA == 0 && fields[1] == "rw-p" && fields.len() == 5
    };
    let arenas: Vec<_> = maps.lines().filter(begins_as_an_arena).collect();
    assert!(arenas.is_empty(), "{arenas:#?}");
}
