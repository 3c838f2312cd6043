//! What a browser must be told, so that pages of an allowed origin may send requests and read the answers: CORS, as Fetch has it.

use std::sync::LazyLock;

use beep_python_protocol::CallOption;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderName, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// For how long a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, DELETE");
/// What answers have beside what every page may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-beep-dtype, x-beep-shape, x-beep-session-epoch, allow, accept-encoding, retry-after, www-authenticate",
);
/// A page of a public site asks for these, of a server on its user's machine.
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// What requests may have: the token, the type and the coding of the body, and the call options.
static REQUEST_HEADERS: LazyLock<HeaderValue> = LazyLock::new(|| {
    let ours = [
        "authorization",
        "content-type",
        "content-encoding",
        "accept",
        "last-event-id",
        "x-beep-dtype",
        "x-beep-shape",
    ];
    let names: Vec<_> = ours.into_iter().chain(CallOption::all().map(CallOption::header)).collect();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("authorization, content-type"))
});

/// Whether a browser only asks whether it may send a request.
pub(crate) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that.
pub(crate) fn preflight<B: Default>(asked: &HeaderMap) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS.clone());
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    headers.insert(ALLOW, METHODS);
    if asked.contains_key(REQUEST_PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    response
}

/// Lets pages of this origin, which is allowed, read a response.
pub(crate) fn let_read<B>(response: &mut Response<B>, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(VARY, HeaderValue::from_static("Origin"));
}
