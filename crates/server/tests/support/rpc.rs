//! An RPC backend to ask, and the ways to ask it.

use std::net::TcpListener;

use beep_python_protocol::Problem;
use beep_python_protocol::grpc::decode_details;
use beep_python_runtime::interpreter::Interpreter;
use beep_python_server::auth::AccessConfig;
use beep_python_server::rpc::serve;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::host::Running;

/// A running RPC backend; stopped and waited for when dropped.
pub struct Server {
    pub port: u16,
    running: Running,
}

impl Server {
    pub fn start() -> Server {
        Server::with(AccessConfig::default())
    }

    pub fn with(config: AccessConfig) -> Server {
        Server::at(0, config)
    }

    pub fn at(port: u16, config: AccessConfig) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let port = listener.local_addr().expect("an address").port();
        Server { port, running: Running::start(config, move |host, stop| serve(vec![listener], host, stop)) }
    }

    /// One whose sessions run in this Python.
    pub fn with_python(python: &Interpreter) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let port = listener.local_addr().expect("an address").port();
        let (folder, config) = (tempfile::tempdir().expect("a folder"), AccessConfig::default());
        let serve = move |host, stop| serve(vec![listener], host, stop);
        Server { port, running: Running::start_with(python, folder, config, serve) }
    }

    pub fn tell_to_stop(&self) {
        self.running.tell_to_stop();
    }

    /// What any gRPC client has.
    pub async fn channel(&self) -> Channel {
        channel(self.port).await
    }

    /// A call as generated code makes it.
    pub async fn call<Q, A>(&self, rpc: &'static str, request: Q) -> Result<A, Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        call(self.channel().await, rpc, Request::new(request)).await
    }

    /// Sends a request over HTTP/2 exactly as it is, and gives headers, body and trailers.
    pub async fn raw(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Raw {
        raw(self.port, path, headers, body).await
    }
}

/// What any gRPC client has.
pub async fn channel(port: u16) -> Channel {
    let endpoint = Channel::from_shared(format!("http://127.0.0.1:{port}")).expect("an endpoint");
    endpoint.connect().await.expect("connected")
}

/// Sends a request over HTTP/2 exactly as it is, and gives headers, body and trailers.
pub async fn raw(port: u16, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Raw {
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    let given = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let authority = given(":authority").map_or(format!("localhost:{}", port), str::to_owned);
    let mut request = http::Request::new(Full::new(body.into()));
    *request.method_mut() = given(":method").unwrap_or("POST").parse().expect("a method");
    *request.uri_mut() = format!("http://{authority}{path}").parse().expect("a URI");
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(':')) {
        let name: HeaderName = name.parse().expect("a name");
        request.headers_mut().append(name, HeaderValue::from_str(value).expect("a value"));
    }
    let (parts, body) = sender.send_request(request).await.expect("an answer").into_parts();
    let collected = body.collect().await.expect("a body");
    let trailers = collected.trailers().cloned();
    Raw { status: parts.status.as_u16(), headers: parts.headers, body: collected.to_bytes(), trailers }
}

/// An answer as it came.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Raw {
    /// The status of gRPC, wherever it stands.
    pub fn grpc_status(&self) -> Option<&str> {
        let trailer = self.trailers.as_ref().and_then(|trailers| trailers.get("grpc-status"));
        trailer.or(self.headers.get("grpc-status")).and_then(|status| status.to_str().ok())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The problem in a body of JSON.
    pub fn expect_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json()["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
    }
}

pub async fn call<Q, A>(channel: Channel, rpc: &'static str, request: Request<Q>) -> Result<A, Status>
where
    Q: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(64 << 20);
    client.ready().await.expect("ready");
    let path = http::uri::PathAndQuery::from_static(rpc);
    let codec = tonic_prost::ProstCodec::<Q, A>::default();
    client.unary(request, path, codec).await.map(tonic::Response::into_inner)
}

/// The problem in the details of a status.
pub fn problem(status: &Status) -> Problem {
    decode_details(status.details()).unwrap_or_else(|| panic!("no details of ours: {status:?}"))
}
