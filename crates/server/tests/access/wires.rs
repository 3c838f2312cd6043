//! A server that wants a token of everyone, and a client on each of its wires.

use std::fs;
use std::time::Duration;

use beep_python_client::{AnyBackend, Error, ErrorCode, connect};
use beep_python_runtime::platform::Home;
use beep_python_server::auth::{AccessConfig, NamedTokens};

use crate::host::newest;
use crate::server::Server;

pub(crate) struct Strict {
    pub(crate) server: Server,
    pub(crate) tokens: NamedTokens,
}

impl Strict {
    pub(crate) fn start() -> Strict {
        let server = Server::start(newest(), AccessConfig { require_token: true, ..AccessConfig::default() });
        let tokens = NamedTokens::of(&Home::open(server.folder()).unwrap());
        Strict { server, tokens }
    }

    /// The text of the default token.
    pub(crate) fn default_token(&self) -> String {
        fs::read_to_string(self.server.folder().join("token")).unwrap().trim().to_owned()
    }

    /// A client on each wire, without a token, by the name of the wire.
    pub(crate) fn clients(&self) -> [(&'static str, AnyBackend); 3] {
        let Server { http, rpc, socket, .. } = &self.server;
        let client = |url: &str| connect(url).unwrap().with_timeout(Duration::from_secs(60));
        [
            ("http", client(&format!("http://127.0.0.1:{http}"))),
            ("rpc", client(&format!("grpc://127.0.0.1:{rpc}"))),
            ("pipe", client(&format!("unix:{}", socket.display()))),
        ]
    }
}

/// What a client is told by the host.
pub(crate) fn code<T: std::fmt::Debug>(called: Result<T, Error>) -> Option<ErrorCode> {
    let error = called.err()?;
    assert!(error.code().is_some(), "{error:?}");
    error.code()
}
