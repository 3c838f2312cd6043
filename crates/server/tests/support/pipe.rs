//! A pipe to ask, and a client that sends exactly what a test says.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use beep_python_runtime::platform::Home;
use beep_python_server::auth::AccessConfig;
use beep_python_server::unix_socket::{Pipe, PipeName, bind_pipe, serve};
use serde_json::{Value, json};

use super::host::Running;

/// A running pipe; stopped and waited for when dropped.
pub struct Server {
    pub socket: PathBuf,
    pub link: PathBuf,
    pub running: Running,
}

impl Server {
    pub fn start() -> Server {
        Server::with(AccessConfig::default())
    }

    pub fn with(config: AccessConfig) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let name = PipeName::random().expect("a name");
        let bound = bind_pipe(&home, &name).expect("bound");
        let socket = bound.path().to_owned();
        let pipe = Pipe::open(bound.into_listener().expect("non-blocking")).expect("a link");
        let link = std::env::temp_dir().join(format!("CoreFxPipe_{name}"));
        let running = Running::start_in(folder, config, move |host, stop| serve(pipe, host, stop));
        Server { socket, link, running }
    }

    /// A connection of its own, by the link that .NET clients use.
    pub fn connect(&self) -> Connection {
        Connection::open(&self.link)
    }

    /// Evaluates on a connection of its own, and gives the value.
    pub fn eval(&self, code: &str) -> Value {
        self.connect().ask("eval", json!({ "expression": code }))["value"].clone()
    }
}

pub struct Connection {
    pub stream: UnixStream,
    read: Vec<u8>,
}

impl Connection {
    pub fn open(path: &Path) -> Connection {
        let stream = UnixStream::connect(path).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        Connection { stream, read: Vec::new() }
    }

    /// Sends bytes as they are. A server that has heard enough may have closed, which its answer tells.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Sends a line and reads the one that answers it.
    pub fn line(&mut self, line: impl AsRef<str>) -> Value {
        self.send(format!("{}\n", line.as_ref()));
        self.receive()
    }

    /// The result of a command.
    pub fn ask(&mut self, command: &str, payload: Value) -> Value {
        let answer = self.line(json!({ "command": command, "payload": payload }).to_string());
        assert_eq!(answer.get("error"), None, "{command} {payload}: {answer}");
        answer["result"].clone()
    }

    /// The problem of a command.
    pub fn refused(&mut self, command: &str, payload: Value, code: &str) -> Value {
        let answer = self.line(json!({ "command": command, "payload": payload }).to_string());
        expect_problem(&answer, code)
    }

    /// The next line, as it is.
    pub fn receive_text(&mut self) -> String {
        loop {
            if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return String::from_utf8(line).expect("UTF-8").trim_end_matches('\n').to_owned();
            }
            let mut chunk = [0; 65536];
            let n = match self.stream.read(&mut chunk) {
                // A read with a time limit is not resumed after a signal, such as that a worker of this process ended.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.expect("an answer"),
            };
            assert!(n > 0, "the server closed; it had said: {}", String::from_utf8_lossy(&self.read));
            self.read.extend_from_slice(&chunk[..n]);
        }
    }

    /// The next bytes, which are no line.
    pub fn receive_bytes(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            let mut chunk = vec![0; count - self.read.len()];
            match self.stream.read(&mut chunk) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) => panic!("the server closed within data"),
                read => self.read.extend_from_slice(&chunk[..read.expect("data")]),
            }
        }
        self.read.drain(..count).collect()
    }

    /// The next line.
    pub fn receive(&mut self) -> Value {
        let text = self.receive_text();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }

    /// Whether the server has closed the connection, with nothing more said.
    pub fn is_closed(&mut self) -> bool {
        while self.read.is_empty() {
            match self.stream.read(&mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock, // which says that the time is over
                Ok(read) => return read == 0,
            }
        }
        false
    }
}

/// An error of this code, in the form that all errors have.
pub fn expect_problem(answer: &Value, code: &str) -> Value {
    assert!(answer["error"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    assert_eq!((answer["errorInfo"]["code"].as_str(), answer.get("result")), (Some(code), None), "{answer}");
    answer["errorInfo"].clone()
}
