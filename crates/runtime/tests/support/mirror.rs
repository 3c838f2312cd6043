//! A mirror on loopback with faults on demand.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// The fault of one request for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Close the connection after this many bytes of the file.
    Truncate(usize),
    /// Reset the connection after this many bytes of the file.
    Reset(usize),
    /// Stop sending after this many bytes of the file; keep the connection open.
    Stall(usize),
    /// Never answer.
    Silence,
    /// Answer with this status.
    Status(u16),
    /// Change the file's first byte.
    Corrupt,
    /// Send the whole file, whatever range was requested.
    IgnoreRange,
}

/// An HTTP server on loopback, until dropped.
pub struct Mirror {
    shared: Arc<Shared>,
    port: u16,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    files: BTreeMap<String, Arc<Vec<u8>>>,
    faults: Mutex<VecDeque<Fault>>,
    requests: Mutex<Vec<String>>,
    stalled: (Mutex<mpsc::Sender<()>>, Mutex<mpsc::Receiver<()>>),
    closing: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Mirror {
    /// Serves these files, by URL path: `/20260101/name.tar.gz`.
    pub fn serve(files: impl IntoIterator<Item = (String, Arc<Vec<u8>>)>) -> Mirror {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, receiver) = mpsc::channel();
        let shared = Arc::new(Shared {
            files: files.into_iter().collect(),
            faults: Mutex::default(),
            requests: Mutex::default(),
            stalled: (Mutex::new(sender), Mutex::new(receiver)),
            closing: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                for stream in listener.incoming().map_while(Result::ok) {
                    if serving.closing.load(Ordering::SeqCst) {
                        break;
                    }
                    serving.open.lock().unwrap().push(stream.try_clone().unwrap());
                    let serving = &serving;
                    scope.spawn(move || {
                        // The other side may go away at any time.
                        let _ = serving.answer_all(stream);
                    });
                }
            });
        });
        Mirror { shared, port, thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes the next requests for existing files fail, one after the other.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.faults.lock().unwrap().extend(faults);
    }

    /// Whether all these faults have happened.
    pub fn has_done_its_worst(&self) -> bool {
        self.shared.faults.lock().unwrap().is_empty()
    }

    /// The requests so far: `PATH`, or `PATH bytes=N-`.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until a request stalls.
    pub fn wait_for_stall(&self) {
        self.shared.stalled.1.lock().unwrap().recv_timeout(Duration::from_secs(60)).expect("a request should stall");
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Shared {
    fn answer_all(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream;
        loop {
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line.trim().to_owned());
            }
            let path = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
            let range =
                lines.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("range: ").map(str::to_owned));
            let request = range.as_ref().map_or(path.clone(), |range| format!("{path} {range}"));
            self.requests.lock().unwrap().push(request);
            let from = range.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()).unwrap_or(0);
            if !self.answer(&mut writer, &path, from)? {
                return Ok(());
            }
        }
    }

    /// Returns false when the connection must not be reused.
    fn answer(&self, stream: &mut TcpStream, path: &str, from: usize) -> std::io::Result<bool> {
        let Some(file) = self.files.get(path) else {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        };
        let fault = self.faults.lock().unwrap().pop_front();
        let from = if fault == Some(Fault::IgnoreRange) { 0 } else { from };
        match fault {
            Some(Fault::Silence) => return self.stall(stream),
            Some(Fault::Status(status)) => {
                write!(stream, "HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\n\r\n")?;
                return Ok(true);
            }
            _ => {}
        }
        if from > 0 && from >= file.len() {
            stream.write_all(b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        }
        let (status, rest) = (if from > 0 { "206 Partial Content" } else { "200 OK" }, file.len() - from);
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {rest}\r\nAccept-Ranges: bytes\r\n")?;
        if from > 0 {
            write!(stream, "Content-Range: bytes {from}-{}/{}\r\n", file.len() - 1, file.len())?;
        }
        stream.write_all(b"\r\n")?;
        let mut content = &file[from..];
        match fault {
            Some(Fault::Corrupt) => {
                stream.write_all(&[!content[0]])?;
                content = &content[1..];
            }
            Some(Fault::Truncate(end) | Fault::Reset(end) | Fault::Stall(end)) => {
                content = &content[..end.saturating_sub(from).min(content.len())];
            }
            _ => {}
        }
        stream.write_all(content)?;
        match fault {
            Some(Fault::Truncate(_)) => stream.shutdown(Shutdown::Both).map(|()| false),
            Some(Fault::Reset(_)) => {
                // What was sent must have arrived, or the reset would overtake it.
                wait_until_arrived(stream)?;
                rustix::net::connect_unspec(&*stream)?;
                Ok(false)
            }
            Some(Fault::Stall(_)) => self.stall(stream),
            _ => Ok(true),
        }
    }

    /// Waits until the client closes the connection.
    fn stall(&self, stream: &mut TcpStream) -> std::io::Result<bool> {
        self.stalled.0.lock().unwrap().send(()).unwrap();
        let _ = stream.read(&mut [0; 1]);
        Ok(false)
    }
}

fn wait_until_arrived(stream: &TcpStream) -> std::io::Result<()> {
    // "local address, remote address, state, tx_queue:rx_queue", ports and sizes in hexadecimal digits.
    let ports = [stream.local_addr()?.port(), stream.peer_addr()?.port()].map(|port| format!(":{port:04X}"));
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp")?;
        let waiting = table.lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.len() > 4
                && fields[1].ends_with(&ports[0])
                && fields[2].ends_with(&ports[1])
                && !fields[4].starts_with("00000000:")
        });
        if !waiting {
            return Ok(());
        }
        std::thread::yield_now();
    }
}
