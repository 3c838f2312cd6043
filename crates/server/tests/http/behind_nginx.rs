//! A real nginx with nothing but `proxy_pass`: events pass through it as they come.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::gate::Gate;
use crate::support::Server;

struct Nginx {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Nginx {
    fn start(program: &Path, behind: u16) -> Nginx {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().display();
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String = temporary.map(|kind| format!("{kind}_temp_path {at}/{kind};")).concat();
        let configuration = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/log; events {{}}
             http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{behind}; }} }} }}"
        );
        let file = folder.path().join("configuration");
        std::fs::write(&file, configuration).expect("written");
        let mut command = Command::new(program);
        let process =
            command.arg("-p").arg(folder.path()).arg("-c").arg(&file).arg("-e").arg(folder.path().join("log"));
        let process = process.spawn().expect("nginx starts");
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "nginx does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Nginx { process, port, _folder: folder }
    }

    fn post(&self, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: any\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}"
        );
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).expect("sent");
        stream
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn nginx() -> Option<PathBuf> {
    let kept = std::env::var_os("BEEP_PYTHON_TEST_PACKAGES");
    let kept = kept.map(|folder| PathBuf::from(folder).join("nginx/usr/sbin/nginx"));
    let installed = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"].map(PathBuf::from);
    kept.into_iter().chain(installed).find(|path| path.exists())
}

fn read_until(stream: &mut TcpStream, until: &str) -> String {
    let mut text = String::new();
    while !text.contains(until) {
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).unwrap_or_else(|error| panic!("no {until:?} ({error}): {text}"));
        assert!(read > 0, "no {until:?}: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

#[test]
fn events_come_through_a_proxy_at_once() {
    let Some(program) = nginx() else {
        eprintln!("skipped: there is no nginx, here or in BEEP_PYTHON_TEST_PACKAGES");
        return;
    };
    let server = Server::start();
    let nginx = Nginx::start(&program, server.port);
    for accept in ["text/event-stream", "application/x-ndjson"] {
        let gate = Gate::new();
        let body = json!({ "expression": format!("print('first')\n{}", gate.before("'last'")) }).to_string();
        let mut stream = nginx.post("/api/execute", &format!("accept: {accept}\r\n"), &body);
        let text = read_until(&mut stream, "first");
        assert!(text.contains("200 OK") && text.to_lowercase().contains("cache-control: no-store"), "{text}");
        gate.open();
        read_until(&mut stream, "'last'");
    }
}
