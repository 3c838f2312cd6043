//! A server with all backends.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use beep_python_client::{LocalBackend, LocalOptions, LocalPython};
use beep_python_runtime::interpreter::Interpreter;
use beep_python_runtime::platform::Home;
use beep_python_server::auth::AccessConfig;
use beep_python_server::unix_socket::{Pipe, PipeName, bind_pipe};
use beep_python_server::{http, rpc, unix_socket};

use super::host::{Most, Running};

/// A running server, with all backends.
pub struct Server {
    pub http: u16,
    pub rpc: u16,
    /// The socket itself.
    pub socket: PathBuf,
    /// Where .NET clients look for it.
    pub link: PathBuf,
    /// A core without a server, in the same home and with the same Python, from when it is first asked for.
    local: LocalBackend,
    running: Running,
}

impl Server {
    pub fn start(python: &Interpreter, config: AccessConfig) -> Server {
        Server::start_up_to(Most::default(), python, config)
    }

    /// The same, with no more of everything than this.
    pub fn start_up_to(most: Most, python: &Interpreter, config: AccessConfig) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(folder.path()).expect("a home");
        let (http_port, http_listener) = listen();
        let (rpc_port, rpc_listener) = listen();
        let name = PipeName::random().expect("a name");
        let bound = bind_pipe(&home, &name).expect("bound");
        let socket = bound.path().to_owned();
        let link = std::env::temp_dir().join(format!("CoreFxPipe_{name}"));
        let pipe = Pipe::open(bound.into_listener().expect("non-blocking")).expect("a link");
        let running = Running::start_up_to(most, python, folder, config, async move |host, stop| {
            let http = tokio::spawn(http::serve(vec![http_listener], host.clone(), stop.clone()));
            let rpc = tokio::spawn(rpc::serve(vec![rpc_listener], host.clone(), stop.clone()));
            unix_socket::serve(pipe, host, stop).await?;
            http.await.expect("no panic")?;
            rpc.await.expect("no panic")
        });
        let local = LocalBackend::new(
            LocalOptions::from(LocalPython::Path(python.path.clone())).with_home(running.folder.path()),
        );
        Server { http: http_port, rpc: rpc_port, socket, link, local, running }
    }

    /// Without a server.
    pub fn local(&self) -> LocalBackend {
        self.local.clone()
    }

    /// The folder of the server's home.
    pub fn folder(&self) -> &Path {
        self.running.folder.path()
    }
}

fn listen() -> (u16, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("non-blocking");
    (listener.local_addr().expect("an address").port(), listener)
}
