//! The ways to a server.

/// What a request came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Http,
    Grpc,
    /// The RPC port, with JSON.
    RpcJson,
    Pipe,
}

impl Transport {
    /// Its name in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Transport::Http => "http",
            Transport::Grpc => "grpc",
            Transport::RpcJson => "rpc_json",
            Transport::Pipe => "pipe",
        }
    }
}
