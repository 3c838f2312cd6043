//! A client by the scheme of its endpoint.

use beep_python_protocol::pipe_name;

use crate::any_transport::AnyBackend;
use crate::error::Error;
use crate::http::backend::HttpBackend;
#[cfg(feature = "local")]
use crate::local::backend::LocalBackend;
use crate::pipe::backend::PipeBackend;
#[cfg(feature = "rpc")]
use crate::rpc::backend::RpcBackend;

/// A client of the host at an endpoint: `http://127.0.0.1:5678`, `grpc://127.0.0.1:50051`, `pipe:NAME`,
/// `unix:/path/of/the.sock`, or `local:ENVIRONMENT`. Without a scheme it is HTTP. Connections are made when they are
/// needed; [`health`](crate::Client::health) finds out whether the host is there.
///
/// | scheme | backend | feature |
/// |---|---|---|
/// | `http:`, or none | [`HttpBackend`] | |
/// | `unix:`, `pipe:` | [`PipeBackend`] | |
/// | `https:` | [`HttpBackend`] | `tls` |
/// | `grpc:` | `RpcBackend` | `rpc`, which is on by default |
/// | `grpcs:` | `RpcBackend` | `rpc` and `tls` |
/// | `local:` | `LocalBackend`, in the environment of that name or path | `local` |
///
/// # Errors
/// [`Error::Endpoint`] when the text is not an endpoint, or names a backend that this program was built without.
pub fn connect(endpoint: &str) -> Result<AnyBackend, Error> {
    match endpoint.trim().split_once(':') {
        Some(("unix" | "pipe", _)) => PipeBackend::connect(endpoint).map(AnyBackend::from),
        #[cfg(feature = "rpc")]
        Some(("grpc" | "grpcs", _)) => RpcBackend::connect(endpoint).map(AnyBackend::from),
        #[cfg(feature = "local")]
        Some(("local", _)) => LocalBackend::connect(endpoint).map(AnyBackend::from),
        #[cfg(not(feature = "rpc"))]
        Some(("grpc" | "grpcs", _)) => Err(without("rpc", endpoint)),
        #[cfg(not(feature = "local"))]
        Some(("local", _)) => Err(without("local", endpoint)),
        _ if pipe_name(endpoint.trim()) != endpoint.trim() => PipeBackend::connect(endpoint).map(AnyBackend::from),
        _ => HttpBackend::connect(endpoint).map(AnyBackend::from),
    }
}

#[cfg(not(all(feature = "rpc", feature = "local")))]
fn without(feature: &str, endpoint: &str) -> Error {
    let reason = format!("this program was built without the feature `{feature}` of beep-python-client");
    Error::Endpoint { endpoint: endpoint.to_owned(), reason }
}
