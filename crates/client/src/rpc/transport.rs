//! Calls over gRPC.

use std::sync::Arc;

use beep_python_protocol::grpc::{ERRORS, ERRORS_AS_MESSAGE, ROUTE_PREFIX};
use beep_python_protocol::{CallOption, TextWire, ValueForm};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, TE};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use super::channel::Channel;
use super::data::{is_fetch, read};
use super::status::{failure, status};
use super::subscribe::subscribe;
use super::{reply, request};
use crate::call::{Call, Reply, Target};
use crate::error::Error;
use crate::event::EventStream;
use crate::http::destination::{Destination, Protocol};
use crate::http::endpoint::Endpoint;
use crate::http::header::bearer;
use crate::transport::Transport;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const EXACT: HeaderValue = HeaderValue::from_static(ValueForm::Exact.as_str());
const AS_MESSAGE: HeaderValue = HeaderValue::from_static(ERRORS_AS_MESSAGE);
const FALSE: HeaderValue = HeaderValue::from_static("false");
const CANCEL_ON_DISCONNECT: HeaderName = HeaderName::from_static(CallOption::CancelOnDisconnect.metadata());
const VALUES: HeaderName = HeaderName::from_static(CallOption::Values.metadata());

/// The way to a host over gRPC. Clones share its connection, on which all their calls run at the same time.
#[derive(Clone, Debug)]
pub struct RpcTransport {
    channel: Arc<Channel>,
    authority: HeaderValue,
    authorization: Option<HeaderValue>,
}

impl RpcTransport {
    pub(super) fn new(endpoint: Endpoint) -> RpcTransport {
        let authority = endpoint.host_header().unwrap_or(HeaderValue::from_static("localhost"));
        RpcTransport {
            channel: Arc::new(Channel::new(Destination::new(endpoint, Protocol::Http2))),
            authority,
            authorization: None,
        }
    }

    pub(crate) fn set_token(&mut self, token: &str) -> Result<(), Error> {
        self.authorization = Some(bearer(token, self.endpoint())?);
        self.channel = Arc::new(Channel::new(self.channel.destination.with_token()));
        Ok(())
    }

    /// Lets the token go to any server.
    pub(crate) fn allow_insecure_token(&mut self) {
        self.channel = Arc::new(Channel::new(self.channel.destination.allowing_any()));
    }

    /// Where the host listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.channel.destination.endpoint
    }

    fn request(&self, call: &Call) -> Result<Request<Full<bytes::Bytes>>, Error> {
        let mut request = Request::new(Full::new(request::message(call)?));
        let headers = request.headers_mut();
        headers.reserve(10);
        headers.insert(CONTENT_TYPE, GRPC);
        headers.insert(TE, TRAILERS);
        headers.insert(VALUES, EXACT);
        headers.insert(ERRORS, AS_MESSAGE);
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        call.insert_options(TextWire::Grpc, headers)?;
        // A future that is dropped resets its stream, which would cancel the call. It means the same on each transport.
        if call.options.cancel_on_disconnect.is_none() && matches!(call.target, Target::Session(_)) {
            headers.insert(CANCEL_ON_DISCONNECT, FALSE);
        }
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri(call.target);
        Ok(request)
    }

    fn uri(&self, target: Target) -> Uri {
        let path = match target {
            Target::Session(operation) => format!("{ROUTE_PREFIX}PythonService/{}", operation.rpc_name()),
            Target::Host(operation) => format!("{ROUTE_PREFIX}{}", operation.rpc_name()),
        };
        self.uri_of(path)
    }

    fn uri_of(&self, path: String) -> Uri {
        let uri = Uri::builder()
            .scheme(if self.endpoint().is_tls() { "https" } else { "http" })
            .authority(self.authority.as_bytes())
            .path_and_query(path)
            .build();
        uri.unwrap_or_default() // the authority was read from one, and paths are ours
    }
}

impl Transport for RpcTransport {
    async fn call(&self, call: Call) -> Result<Reply, Error> {
        let request = self.request(&call)?;
        if is_fetch(call.target) {
            return read(self.endpoint(), self.channel.send(request).await?).await;
        }
        let response = self.channel.exchange(request).await?;
        match status(&response) {
            Some(0) => reply::reply(call.target, &response.body),
            status => Err(failure(status, &response)),
        }
    }

    async fn subscribe(&self, call: Call) -> Result<EventStream, Error> {
        let mut request = self.request(&call)?;
        if let Target::Session(operation) = call.target
            && !operation.has_events()
        {
            *request.uri_mut() = self.uri_of(format!("{ROUTE_PREFIX}EventService/{}", operation.rpc_name()));
        }
        let response = self.channel.send(request).await?;
        subscribe(self.endpoint(), response).await
    }
}
