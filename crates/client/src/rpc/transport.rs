//! Calls over gRPC.

use std::sync::Arc;

use beep_python_protocol::grpc::{
    CALLBACK, CANCEL_ON_DISCONNECT, CAPABILITIES, ERRORS, ERRORS_AS_MESSAGE, GRACE, ISOLATED, LEASE, LIMITS, REQUEST,
    ROUTE_PREFIX, SESSION, VALUES,
};
use beep_python_protocol::{Operation, ValueForm};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, TE};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use super::channel::Channel;
use super::status::{failure, status};
use super::subscribe::subscribe;
use super::{reply, request};
use crate::call::{Call, Reply, Target};
use crate::error::Error;
use crate::event::EventStream;
use crate::http::endpoint::Endpoint;
use crate::http::header::{bearer, header_value};
use crate::transport::Transport;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const EXACT: HeaderValue = HeaderValue::from_static(ValueForm::Exact.as_str());
const AS_MESSAGE: HeaderValue = HeaderValue::from_static(ERRORS_AS_MESSAGE);
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

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
        RpcTransport { channel: Arc::new(Channel::new(endpoint)), authority, authorization: None }
    }

    pub(crate) fn set_token(&mut self, token: &str) -> Result<(), Error> {
        self.authorization = Some(bearer(token, self.endpoint())?);
        Ok(())
    }

    /// Where the host listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.channel.endpoint
    }

    fn request(&self, call: &Call) -> Result<Request<Full<bytes::Bytes>>, Error> {
        let mut request = Request::new(Full::new(request::message(call)?));
        let headers = request.headers_mut();
        headers.reserve(9);
        headers.insert(CONTENT_TYPE, GRPC);
        headers.insert(TE, TRAILERS);
        headers.insert(VALUES, EXACT);
        headers.insert(ERRORS, AS_MESSAGE);
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(timeout) = call.options.timeout {
            // At most eight digits. A deadline of zero would have passed on arrival.
            let timeout = match timeout.as_millis() {
                milliseconds @ 0..100_000_000 => format!("{}m", milliseconds.max(1)),
                _ => format!("{}S", timeout.as_secs().min(99_999_999)),
            };
            headers.insert(TIMEOUT, header_value(&TIMEOUT, &timeout)?);
        }
        if let Some(grace) = call.options.grace {
            let grace = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
            headers.insert(HeaderName::from_static(GRACE), HeaderValue::from(grace));
        }
        let limits = call.options.limits.as_ref().filter(|_| matches!(call.target, Target::Session(_)));
        if let Some(limits) = limits {
            let name = HeaderName::from_static(LIMITS);
            let text = serde_json::to_string(&**limits).unwrap_or_default(); // numbers: it cannot fail
            let value = header_value(&name, &text)?;
            headers.insert(name, value);
        }
        if let Some(lease) = call.options.lease {
            let lease = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
            headers.insert(HeaderName::from_static(LEASE), HeaderValue::from(lease));
        }
        if call.options.cancel_on_disconnect {
            headers.insert(HeaderName::from_static(CANCEL_ON_DISCONNECT), HeaderValue::from_static("true"));
        }
        if call.options.isolated && matches!(call.target, Target::Session(Operation::Evaluate)) {
            headers.insert(HeaderName::from_static(ISOLATED), HeaderValue::from_static("true"));
        }
        let session = call.options.session.as_ref().filter(|_| matches!(call.target, Target::Session(_)));
        if call.options.capabilities.any() {
            let name = HeaderName::from_static(CAPABILITIES);
            let value = header_value(&name, &call.options.capabilities.words().join(","))?;
            headers.insert(name, value);
        }
        let (request_id, callback) = (call.options.request_id.as_ref(), call.options.callback.as_ref());
        for (name, value) in [(SESSION, session), (REQUEST, request_id), (CALLBACK, callback)] {
            if let Some(value) = value {
                let name = HeaderName::from_static(name);
                let value = header_value(&name, value)?;
                headers.insert(name, value);
            }
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
        let uri = Uri::builder().scheme("http").authority(self.authority.as_bytes()).path_and_query(path).build();
        uri.unwrap_or_default() // the authority was read from one, and paths are ours
    }
}

impl Transport for RpcTransport {
    async fn call(&self, call: Call) -> Result<Reply, Error> {
        let response = self.channel.exchange(self.request(&call)?).await?;
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
        subscribe(&self.channel.endpoint, response).await
    }
}
