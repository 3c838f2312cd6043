//! Calls over gRPC.

use std::sync::Arc;

use beep_python_protocol::grpc::messages::ErrorDetails;
use beep_python_protocol::grpc::{
    CALLBACK, CANCEL_ON_DISCONNECT, CAPABILITIES, ERRORS, ERRORS_AS_MESSAGE, GRACE, ISOLATED, LEASE, LIMITS, REQUEST,
    ROUTE_PREFIX, SESSION, VALUES, decode,
};
use beep_python_protocol::{Operation, ValueForm};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, TE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;

use super::channel::{Channel, Exchanged};
use super::subscribe::subscribe;
use super::{reply, request};
use crate::call::{Call, Reply, Target};
use crate::http::{bearer, header_value};
use crate::{Context, Endpoint, Error, EventStream, PythonHostBackend};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
const EXACT: HeaderValue = HeaderValue::from_static(ValueForm::Exact.as_str());
const AS_MESSAGE: HeaderValue = HeaderValue::from_static(ERRORS_AS_MESSAGE);
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// A host that is reached over gRPC. Clones share its connection, on which all their calls run at the same time.
#[derive(Clone, Debug)]
pub struct RpcBackend {
    context: Context,
    channel: Arc<Channel>,
    authority: HeaderValue,
    authorization: Option<HeaderValue>,
}

impl RpcBackend {
    /// A backend at an endpoint such as `grpc://127.0.0.1:50051`; `http://` means the same, and 50051 is the port when
    /// none is given. The connection is made when it is needed;
    /// [`initialize`](PythonHostBackend::initialize) finds out whether the host is there.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when the text is no endpoint.
    pub fn connect(endpoint: &str) -> Result<RpcBackend, Error> {
        let endpoint = Endpoint::grpc(endpoint)?;
        let authority = endpoint.host_header().unwrap_or(HeaderValue::from_static("localhost"));
        let channel = Arc::new(Channel::new(endpoint));
        Ok(RpcBackend { context: Context::default(), channel, authority, authorization: None })
    }

    /// The same backend with a token, which is shown with every request.
    ///
    /// # Errors
    /// [`Error::Endpoint`] when the token has characters that no header can carry.
    pub fn with_token(mut self, token: &str) -> Result<RpcBackend, Error> {
        self.authorization = Some(bearer(token, &self.channel.endpoint)?);
        Ok(self)
    }

    /// Where it is.
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
            // Eight digits are the most. A deadline of no time at all would have passed before it was read.
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

impl PythonHostBackend for RpcBackend {
    fn context(&self) -> &Context {
        &self.context
    }

    fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    async fn perform(&self, call: Call) -> Result<Reply, Error> {
        let answer = self.channel.exchange(self.request(&call)?).await?;
        match status(&answer) {
            Some(0) => reply::reply(call.target, &answer.body),
            status => Err(failure(status, &answer)),
        }
    }

    async fn follow(&self, call: Call) -> Result<EventStream, Error> {
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

pub(super) fn status(answer: &Exchanged) -> Option<u16> {
    let status = answer.headers.get(STATUS).filter(|_| answer.status == StatusCode::OK)?;
    status.to_str().ok()?.parse().ok()
}

pub(super) fn failure(status: Option<u16>, answer: &Exchanged) -> Error {
    let Some(status) = status else { return Error::from_body(answer.status.as_u16(), &answer.body) };
    match decode::<ErrorDetails>(&answer.body) {
        Ok(details) => Error::from_body(status, details.problem_json.as_bytes()),
        Err(_) => {
            let message = answer.headers.get(MESSAGE).map(|message| String::from_utf8_lossy(message.as_bytes()));
            Error::Protocol { status, detail: message.unwrap_or_default().into_owned() }
        }
    }
}
