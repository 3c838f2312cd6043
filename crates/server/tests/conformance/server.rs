//! A server of each Python, with all backends.

use std::fmt;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use beep_python_client::{PythonHostBackend, connect};
use beep_python_runtime::interpreter::Interpreter;
use beep_python_runtime::platform::Home;
use beep_python_server::door::DoorConfig;
use beep_python_server::pipe::{Pipe, PipeName, bind_pipe};
use beep_python_server::{http, pipe, rpc};

use crate::host::{Running, pythons};

/// A Python of the machine, and the server of it from when a case first needs one.
pub struct Python {
    interpreter: &'static Interpreter,
    server: Mutex<Option<Arc<Server>>>,
}

impl Python {
    pub fn all() -> Vec<Arc<Python>> {
        let with = |interpreter| Arc::new(Python { interpreter, server: Mutex::new(None) });
        pythons().iter().map(with).collect()
    }

    /// Major and minor version.
    pub fn version(&self) -> (u8, u8) {
        (self.interpreter.version.major, self.interpreter.version.minor)
    }

    pub fn server(&self) -> Arc<Server> {
        let mut server = self.server.lock().expect("a server that starts");
        server.get_or_insert_with(|| Arc::new(Server::start(self.interpreter))).clone()
    }

    /// Stops the server, where there is one. The error says what the cases left behind.
    pub fn end(&self) -> Result<(), String> {
        let Ok(mut server) = self.server.lock() else { return Err(format!("the server of {self} did not start")) };
        server.take().map_or(Ok(()), |server| server.end().map_err(|left| format!("{left}, on the server of {self}")))
    }
}

impl fmt::Display for Python {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.version();
        write!(f, "{major}.{minor}")
    }
}

/// A running server, with all backends.
pub struct Server {
    pub http: u16,
    pub rpc: u16,
    /// The socket itself.
    pub socket: PathBuf,
    /// Where .NET clients look for it.
    pub link: PathBuf,
    running: Running,
}

impl Server {
    fn start(python: &Interpreter) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let (http_port, http_listener) = listen();
        let (rpc_port, rpc_listener) = listen();
        let name = PipeName::random().expect("a name");
        let bound = bind_pipe(&home, &name).expect("bound");
        let socket = bound.path().to_owned();
        let link = std::env::temp_dir().join(format!("CoreFxPipe_{name}"));
        let pipe = Pipe::open(bound.into_listener().expect("non-blocking")).expect("a link");
        let running = Running::start_with(python, folder, DoorConfig::default(), async move |host, stop| {
            let http = tokio::spawn(http::serve(vec![http_listener], host.clone(), stop.clone()));
            let rpc = tokio::spawn(rpc::serve(vec![rpc_listener], host.clone(), stop.clone()));
            pipe::serve(pipe, host, stop).await?;
            http.await.expect("no panic")?;
            rpc.await.expect("no panic")
        });
        Server { http: http_port, rpc: rpc_port, socket, link, running }
    }

    /// The folder of the server's home.
    pub fn folder(&self) -> &Path {
        self.running.folder.path()
    }

    fn end(self: Arc<Server>) -> Result<(), String> {
        let server = Arc::into_inner(self).ok_or("a case that still runs")?;
        let client = connect(&format!("http://127.0.0.1:{}", server.http)).expect("an endpoint");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let sessions = runtime.block_on(client.list_sessions()).map_err(|error| error.to_string())?;
        let names: Vec<_> = sessions.into_iter().map(|session| session.session_id).collect();
        let (folder, link) = (server.folder().to_owned(), server.link.clone());
        drop(server);
        if names != ["default"] {
            return Err(format!("the sessions {names:?}"));
        }
        if let Some(path) = [folder, link].into_iter().find(|path| path.symlink_metadata().is_ok()) {
            return Err(format!("the file {}", path.display()));
        }
        Ok(())
    }
}

fn listen() -> (u16, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("non-blocking");
    (listener.local_addr().expect("an address").port(), listener)
}
