//! Calls over HTTP.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{CallOption, Operation, TextWire, ValueError, ValueForm};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use serde::Deserialize;

use super::connection::HttpConnection;
use super::data;
use super::destination::{Destination, Protocol};
use super::endpoint::Endpoint;
use super::header::bearer;
use super::login::BrowserLogin;
use super::subscribe::subscribe;
use crate::call::{Call, Reply, Target};
use crate::connections::Connections;
use crate::error::Error;
use crate::event::EventStream;
use crate::transport::Transport;

const VALUES: HeaderName = HeaderName::from_static(CallOption::Values.header());
const SHAPE: &str = "x-beep-shape";
const LOGIN_PATH: &str = "/api/login";
/// The place of the session's id in a route.
const SESSION_ID: &str = "{sessionId}";
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const EXACT: HeaderValue = HeaderValue::from_static(ValueForm::Exact.as_str());

/// The way to a host over HTTP. Clones share its connections.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    server: Arc<Server>,
    authorization: Option<HeaderValue>,
}

#[derive(Debug)]
struct Server {
    connections: Connections<HttpConnection>,
    /// The `Host` header.
    host: HeaderValue,
}

impl HttpTransport {
    pub(super) fn new(endpoint: Endpoint) -> HttpTransport {
        let host = endpoint.host_header().unwrap_or(HeaderValue::from_static("localhost"));
        let server = Server { connections: Connections::new(Destination::new(endpoint, Protocol::Http1)), host };
        HttpTransport { server: Arc::new(server), authorization: None }
    }

    pub(crate) fn set_token(&mut self, token: &str) -> Result<(), Error> {
        self.authorization = Some(bearer(token, self.endpoint())?);
        self.renew(Destination::with_token);
        Ok(())
    }

    /// Lets the token go to any server.
    pub(crate) fn allow_insecure_token(&mut self) {
        self.renew(Destination::allowing_any);
    }

    /// Leaves the connections that were made under other rules to the clones.
    fn renew(&mut self, change: impl FnOnce(&Destination) -> Destination) {
        let connections = Connections::new(change(self.server.connections.endpoint()));
        self.server = Arc::new(Server { connections, host: self.server.host.clone() });
    }

    /// Where the host listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.server.connections.endpoint().endpoint
    }

    /// Asks for a login for a browser.
    pub(crate) async fn create_login(&self) -> Result<BrowserLogin, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            path: String,
            expires_in_ms: u64,
        }
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static(LOGIN_PATH);
        let headers = request.headers_mut();
        headers.insert(HOST, self.server.host.clone());
        headers.insert(CONTENT_TYPE, JSON);
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let (parts, body) = self.server.connections.exchange(request).await?;
        if !parts.status.is_success() {
            return Err(Error::from_body(parts.status.as_u16(), &body));
        }
        let answer = serde_json::from_slice(&body);
        let Answer { path, expires_in_ms } = answer.map_err(|error| Error::malformed(error.to_string()))?;
        let url = format!("{}{path}", self.endpoint());
        Ok(BrowserLogin { url, expires_in: Duration::from_millis(expires_in_ms) })
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, Error> {
        let method = match call.target {
            Target::Session(_) => Method::POST,
            Target::Host(operation) => match operation.http_method() {
                "GET" => Method::GET,
                "DELETE" => Method::DELETE,
                _ => Method::POST,
            },
        };
        let put = call.data.first().filter(|_| call.target == Target::Session(Operation::Put));
        let body = match put {
            Some(datum) => data::body(datum)?,
            None => call.body.clone(),
        };
        let mut request = Request::new(Full::new(body));
        let headers = request.headers_mut();
        headers.reserve(8);
        headers.insert(HOST, self.server.host.clone());
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, JSON);
            headers.insert(VALUES, EXACT);
        }
        put.iter().for_each(|datum| data::describe(&datum.descriptor, headers));
        if call.target == Target::Session(Operation::Fetch) {
            headers.insert(ACCEPT, data::accept(&call.body));
        }
        if let Target::Session(Operation::ToFloatArray | Operation::ToFloatArray2D) = call.target {
            headers.insert(ACCEPT, OCTETS);
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        call.insert_options(TextWire::Http, headers)?;
        *request.method_mut() = method;
        *request.uri_mut() = match put {
            Some(_) => data::put_uri(&call.body)?,
            None => uri(call)?,
        };
        Ok(request)
    }
}

impl Transport for HttpTransport {
    async fn call(&self, call: Call) -> Result<Reply, Error> {
        let (parts, body) = self.server.connections.exchange(self.request(&call)?).await?;
        reply(call.target, &parts, body)
    }

    async fn subscribe(&self, call: Call) -> Result<EventStream, Error> {
        let mut request = self.request(&call)?;
        request.headers_mut().insert(ACCEPT, LINES);
        request.headers_mut().insert(VALUES, EXACT);
        subscribe(self.server.connections.endpoint(), request).await
    }
}

fn uri(call: &Call) -> Result<Uri, Error> {
    let path = path(call.target);
    let Some((before, after)) = path.split_once(SESSION_ID) else { return Ok(Uri::from_static(path)) };
    let session = call.options.session.as_deref().unwrap_or_default();
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    match Uri::try_from(format!("{before}{session}{after}")) {
        Ok(uri) if !session.is_empty() && session.bytes().all(is_safe) => Ok(uri),
        _ => Err(Error::Encode {
            what: format!("`{}` for a session's route", session.escape_default()),
            source: ValueError::Mismatch("a session's id has letters, digits, `-`, `_`, `.` and `~`".to_owned()),
        }),
    }
}

fn reply(target: Target, parts: &Parts, body: Bytes) -> Result<Reply, Error> {
    if !parts.status.is_success() {
        let error = Error::from_body(parts.status.as_u16(), &body);
        return Err(match error {
            // Our hosts always send a body, so this is another program, or a host without this route.
            Error::Protocol { status, detail } if detail.is_empty() => {
                let reason = parts.status.canonical_reason().unwrap_or("no reason given");
                Error::Protocol { status, detail: format!("{reason}, for {}", path(target)) }
            }
            other => other,
        });
    }
    if target == Target::Session(Operation::Fetch) {
        return data::reply(parts, body);
    }
    if parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(OCTETS.as_bytes())) {
        return Ok(Reply::Floats { data: body, shape: shape(&parts.headers) });
    }
    Ok(Reply::Json(body))
}

fn path(target: Target) -> &'static str {
    match target {
        Target::Session(operation) => operation.http_path(),
        Target::Host(operation) => operation.http_path(),
    }
}

fn shape(headers: &HeaderMap) -> Option<(usize, usize)> {
    let (rows, columns) = headers.get(SHAPE)?.to_str().ok()?.split_once(',')?;
    Some((rows.trim().parse().ok()?, columns.trim().parse().ok()?))
}
