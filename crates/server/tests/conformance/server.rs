//! A server of each Python.

use std::fmt;
use std::sync::{Arc, Mutex};

use beep_python_client::connect;
use beep_python_runtime::interpreter::Interpreter;
use beep_python_server::auth::AccessConfig;

use crate::host::pythons;
pub use crate::whole::Server;

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
        server.get_or_insert_with(|| Arc::new(Server::start(self.interpreter, AccessConfig::default()))).clone()
    }

    /// Stops the server, where there is one. The error says what the cases left behind.
    pub fn end(&self) -> Result<(), String> {
        let Ok(mut server) = self.server.lock() else { return Err(format!("the server of {self} did not start")) };
        server.take().map_or(Ok(()), |server| end(server).map_err(|left| format!("{left}, on the server of {self}")))
    }
}

impl fmt::Display for Python {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.version();
        write!(f, "{major}.{minor}")
    }
}

/// Stops it. The error says what the cases left behind.
fn end(server: Arc<Server>) -> Result<(), String> {
    let server = Arc::into_inner(server).ok_or("a case that still runs")?;
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
