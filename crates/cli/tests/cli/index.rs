//! A package index on loopback with wheels made by the tests, and the tools that install from it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::test_home::{CommandOutput, TestHome, python};

/// A simple index (PEP 503), until dropped.
pub(crate) struct Index {
    shared: Arc<Shared>,
    folder: tempfile::TempDir,
    port: u16,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Wheels by their file names.
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// The requests, with their user agents.
    requests: Mutex<Vec<(String, String)>>,
    /// Why files are yanked, by their names.
    yanked: Mutex<BTreeMap<String, String>>,
    /// The status with which everything is refused.
    refusal: Mutex<Option<u16>>,
    closing: AtomicBool,
}

/// The contents of a wheel.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wheel<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) requires: &'a [&'a str],
    /// The size of a file that cannot be compressed.
    pub(crate) ballast: usize,
    /// Its tag for Pythons and platforms; empty means `py3-none-any`.
    pub(crate) tag: &'a str,
}

impl Index {
    pub(crate) fn serve() -> Index {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.closing.load(Ordering::SeqCst) {
                    break;
                }
                let serving = Arc::clone(&serving);
                // The other side may go away at any time.
                std::thread::spawn(move || drop(serving.answer(stream)));
            }
        });
        Index { shared, folder: tempfile::tempdir().unwrap(), port, thread: Some(thread) }
    }

    /// An index with these packages in version 1.0.
    pub(crate) fn of(names: &[&str]) -> Index {
        let index = Index::serve();
        names.iter().for_each(|name| index.add(Wheel { name, version: "1.0", ..Wheel::default() }));
        index
    }

    pub(crate) fn add(&self, wheel: Wheel<'_>) {
        let path = make(self.folder.path(), wheel);
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        self.shared.files.lock().unwrap().insert(name, std::fs::read(path).unwrap());
    }

    pub(crate) fn remove(&self, file: &str) {
        self.shared.files.lock().unwrap().remove(file).unwrap();
    }

    pub(crate) fn yank(&self, file: &str, reason: &str) {
        self.shared.yanked.lock().unwrap().insert(file.to_owned(), reason.to_owned());
    }

    /// Answers everything with this status from now on.
    pub(crate) fn refuse(&self, status: Option<u16>) {
        *self.shared.refusal.lock().unwrap() = status;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/simple", self.port)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Shared {
    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream;
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head)? == 0 {
                    return Ok(());
                }
            }
            let (line, headers) = head.split_once("\r\n").unwrap_or_default();
            let mut words = line.split(' ');
            let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            // A proxy gets the whole URL.
            let path = path.split_once("://").map_or(path, |(_, rest)| &rest[rest.find('/').unwrap_or(rest.len())..]);
            self.requests.lock().unwrap().push((path.to_owned(), headers.to_owned()));
            if let Some(status) = *self.refusal.lock().unwrap() {
                write!(writer, "HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
            let (kind, body) = match self.body(path) {
                Some(found) => found,
                None => {
                    writer.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
                    continue;
                }
            };
            write!(writer, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len())?;
            if method != "HEAD" {
                writer.write_all(&body)?;
            }
        }
    }

    fn body(&self, path: &str) -> Option<(&'static str, Vec<u8>)> {
        let files = self.files.lock().unwrap();
        if let Some(file) = path.strip_prefix("/files/") {
            return Some(("application/octet-stream", files.get(file)?.clone()));
        }
        let name = path.strip_prefix("/simple/")?.trim_end_matches('/').replace('-', "_");
        let links: String = files
            .keys()
            .filter(|file| file.split('-').next() == Some(&name))
            .map(|file| {
                let yanked = self.yanked.lock().unwrap().get(file).map(|why| format!(" data-yanked=\"{why}\""));
                let yanked = yanked.unwrap_or_default();
                format!("<a href=\"/files/{file}#sha256={}\"{yanked}>{file}</a>\n", sha256(&files[file]))
            })
            .collect();
        (!links.is_empty()).then(|| ("text/html", format!("<!DOCTYPE html><html><body>{links}</body></html>").into()))
    }
}

/// Computed by Python, so that the program under test does not judge itself.
fn sha256(bytes: &[u8]) -> String {
    let script = "import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())";
    let mut command = Command::new(python());
    command.args(["-I", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

/// Creates a wheel with the module `NAME.py`, a command `NAME` and a valid RECORD.
pub(crate) fn make(folder: &Path, wheel: Wheel<'_>) -> PathBuf {
    const SCRIPT: &str = r"
import base64, hashlib, os, sys, zipfile
name, version, ballast, path, tag, requires = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5], sys.argv[6:]
info = f'{name}-{version}.dist-info/'
meta = f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n' + ''.join(f'Requires-Dist: {r}\n' for r in requires)
files = {
    f'{name}.py': f'version = {version!r}\ndef main():\n    print(version)\n'.encode(),
    info + 'METADATA': meta.encode(),
    info + 'WHEEL': f'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n'.encode(),
    info + 'entry_points.txt': f'[console_scripts]\n{name} = {name}:main\n'.encode(),
}
if ballast:
    files[f'{name}_data/ballast.bin'] = os.urandom(ballast)
record = ''
with zipfile.ZipFile(path, 'w') as wheel:
    for file, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()
        record += f'{file},sha256={digest},{len(data)}\n'
        wheel.writestr(file, data)
    wheel.writestr(info + 'RECORD', record + info + 'RECORD,,\n')
";
    std::fs::create_dir_all(folder).unwrap();
    let tag = if wheel.tag.is_empty() { "py3-none-any" } else { wheel.tag };
    let path = folder.join(format!("{}-{}-{tag}.whl", wheel.name, wheel.version));
    let mut command = Command::new(python());
    command.args(["-I", "-c", SCRIPT, wheel.name, wheel.version, &wheel.ballast.to_string()]);
    let made = command.arg(&path).arg(tag).args(wheel.requires).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    path
}

/// The available tools.
pub(crate) fn tools() -> Vec<&'static str> {
    match uv() {
        Some(_) => vec!["pip", "uv"],
        None => {
            eprintln!("there is no uv on PATH or at BEEP_PYTHON_UV: only pip is tested");
            vec!["pip"]
        }
    }
}

pub(crate) fn uv() -> Option<PathBuf> {
    let named = std::env::var_os("BEEP_PYTHON_UV").map(PathBuf::from);
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join("uv"));
    let answers = |path: &PathBuf| Command::new(path).arg("--version").output().is_ok_and(|o| o.status.success());
    named.into_iter().chain(found).filter(|path| path.is_file()).find(answers)
}

/// A command that installs with this tool, and with none of this machine's settings.
pub(crate) fn bare(home: &TestHome, tool: &str, arguments: &[&str]) -> Command {
    let mut command = home.command(arguments);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_uppercase();
        let is_setting = ["PIP_", "UV_", "SSL_"].iter().any(|start| text.starts_with(start));
        if is_setting || text.ends_with("_PROXY") || text == "REQUESTS_CA_BUNDLE" {
            command.env_remove(&name);
        }
    }
    command.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_NO_CACHE_DIR", "1").env("PIP_RETRIES", "0");
    command.env("UV_CACHE_DIR", home.directory().join("uv-cache")).env("UV_NO_CONFIG", "1").env("UV_HTTP_RETRIES", "0");
    match tool {
        "uv" => command.env("BEEP_PYTHON_UV", uv().unwrap()),
        _ => command.env("BEEP_PYTHON_UV", "never"),
    };
    command
}

/// Runs a command that installs from this index with this tool.
pub(crate) fn from(index: &Index, home: &TestHome, tool: &str, arguments: &[&str]) -> CommandOutput {
    CommandOutput::from(bare(home, tool, arguments).env("PIP_INDEX_URL", index.url()).output().unwrap())
}
