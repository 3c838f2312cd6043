//! An attack that goes on and on, and the calls of others meanwhile.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use beep_python_server::auth::AccessConfig;

use crate::server::Server;
use crate::{allocations, frames, host};

/// How many attack at once, each again and again.
const ATTACKERS: usize = 2;
/// How many calls of others are answered meanwhile.
const CALLS: usize = 10;
/// How often each of them attacks at least.
const ROUNDS: usize = 2;
/// What may stay allocated when they are gone, such as what is counted of them.
const LEFT: usize = 1 << 20;
const MEBIBYTE: usize = 1 << 20;
/// No connection takes as long to end as this, unless it does not end.
const LONGEST: Duration = Duration::from_secs(60);

/// Memory is counted for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// Says that it is over, also when a call fails.
struct OverOnDrop<'a>(&'a AtomicBool);

impl Drop for OverOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// A server of this test's alone.
pub(crate) fn with_server(test: impl FnOnce(&Server)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    test(&Server::start(host::newest(), AccessConfig::default()));
}

/// Attacks without a pause while others call, and checks that these are answered; that the server and the attackers together never
/// have more memory than these `mebibytes`; and that it is given back.
pub(crate) fn harms_no_other(mebibytes: usize, attack: impl Fn(&Server) + Sync) {
    with_server(|server| {
        is_answered(server);
        let before = allocations::begin();
        let (over, rounds) = (AtomicBool::new(false), [const { AtomicUsize::new(0) }; ATTACKERS]);
        std::thread::scope(|scope| {
            let attackers = rounds.each_ref().map(|rounds| {
                let (attack, over) = (&attack, &over);
                scope.spawn(move || {
                    while !over.load(Relaxed) {
                        attack(server);
                        rounds.fetch_add(1, Relaxed);
                    }
                })
            });
            let _over = OverOnDrop(&over);
            let mut calls = 0;
            let goes_on = |calls| calls < CALLS || rounds.iter().any(|rounds| rounds.load(Relaxed) < ROUNDS);
            // One that is finished already has failed.
            while goes_on(calls) && !attackers.iter().any(|attacker| attacker.is_finished()) {
                is_answered(server);
                calls += 1;
            }
        });
        is_answered(server);
        let most = allocations::most() - before;
        assert!(most < mebibytes * MEBIBYTE, "{most} bytes were allocated");
        let began = Instant::now();
        while allocations::now() > before + LEFT {
            assert!(began.elapsed() < LONGEST, "{} bytes stay allocated", allocations::now() - before);
            std::thread::sleep(Duration::from_millis(1)); // no event tells that the server has forgotten a connection
        }
    });
}

/// A call of another client's on each port, on connections of their own.
pub(crate) fn is_answered(server: &Server) {
    let stream = frames::connect(server.rpc);
    (&stream).write_all(&frames::evaluate(1, "6 * 7")).expect("sent");
    let heard = frames::listen(&stream, |heard| heard.headers == 2);
    assert!(heard.has_value("42"), "{heard:?}");
    let body = r#"{"expression":"6 * 7"}"#;
    let head = "POST /api/eval HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let said = say(server.http, format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes());
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains(r#"{"value":42"#), "{said}");
}

/// What the server says to this, to the end of the connection.
pub(crate) fn say(port: u16, bytes: &[u8]) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    stream.set_read_timeout(Some(LONGEST)).expect("a timeout");
    std::thread::scope(|scope| {
        // A server that has heard enough closes the connection.
        scope.spawn(|| (&stream).write_all(bytes));
        let (mut said, mut piece) = (Vec::new(), [0; 65536]);
        loop {
            match (&stream).read(&mut piece) {
                Ok(0) => break,
                Ok(n) => said.extend_from_slice(&piece[..n]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error}, after {}", String::from_utf8_lossy(&said)),
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Both);
        String::from_utf8_lossy(&said).into_owned()
    })
}

/// Sends this and reads nothing, until the server takes no more of it though it has answered others meanwhile.
pub(crate) fn say_deaf(server: &Server, mut stream: &TcpStream, mut bytes: &[u8]) {
    stream.set_nonblocking(true).expect("non-blocking");
    let mut refused = 0;
    while !bytes.is_empty() && refused < 5 {
        match stream.write(bytes) {
            Ok(n) => (bytes, refused) = (&bytes[n..], 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                is_answered(server);
                refused += 1;
            }
            Err(_) => return, // closed
        }
    }
}
