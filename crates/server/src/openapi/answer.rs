//! The routes that describe the server, and their answers.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use beep_python_runtime::session::SessionManager;
use beep_python_runtime::session::service::json::Chunks;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderValue, Response};
use sha2::{Digest, Sha256};

use crate::openapi::html::STYLE;
use crate::openapi::{docs_page, document, home};
use crate::web::response::{JSON, ok};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// A description of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// What it is.
    Home,
    /// What it takes, for people.
    Docs,
    /// What it takes, for machines.
    Document,
}

/// The pages have no script, ask for nothing, and have the one style whose hash is here.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = BASE64.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

impl Page {
    /// The page at a path.
    pub fn find(path: &str) -> Option<Page> {
        match path {
            "/" => Some(Page::Home),
            "/docs" => Some(Page::Docs),
            "/openapi.json" => Some(Page::Document),
            _ => None,
        }
    }

    /// The answer to a request of these parts.
    pub(crate) fn answer(self, sessions: &SessionManager, parts: &Parts, tls: bool) -> Response<Chunks> {
        let origin = origin(parts, tls);
        let mut response = match self {
            Page::Home if accepts_html(parts) => html(home::page(sessions, &origin)),
            Page::Home => ok(JSON, Chunks::one(home::json(sessions, &origin))),
            Page::Docs => html(docs_page::page(&origin)),
            Page::Document => ok(JSON, Chunks::one(document::document())),
        };
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if self == Page::Home {
            headers.insert(VARY, HeaderValue::from_static("accept"));
        }
        response
    }
}

fn html(page: String) -> Response<Chunks> {
    let mut response = ok(HTML, Chunks::one(page));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Whether the client is a browser, or likes pages as one does.
fn accepts_html(parts: &Parts) -> bool {
    let accepted = parts.headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    accepted.flat_map(|accept| accept.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html")) && !parts.any(|part| part == "q=0")
    })
}

/// How this client reaches the server, for the examples: they go into a shell, so that only what names a host is taken.
fn origin(parts: &Parts, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let named = named.or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | ':' | '[' | ']' | '_');
    let host = named.filter(|host| !host.is_empty() && host.chars().all(plain)).unwrap_or("127.0.0.1:5678");
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&'static str, &'static str)]) -> Parts {
        let mut request = http::Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn only_those_that_accept_pages_get_one() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("application/json, Text/HTML;q=0.5", true),
            ("*/*", false),
            ("application/json", false),
            ("text/html;q=0", false),
        ] {
            assert_eq!(accepts_html(&parts(&[("accept", accept)])), expected, "{accept}");
        }
        assert!(!accepts_html(&parts(&[])));
    }

    #[test]
    fn examples_name_the_host_that_the_client_named_if_it_is_one() {
        assert_eq!(origin(&parts(&[("host", "localhost:80")]), false), "http://localhost:80");
        assert_eq!(origin(&parts(&[("host", "[::1]:5678")]), true), "https://[::1]:5678");
        for strange in ["a'b", "$(x)", "a b", "<b>", ""] {
            assert_eq!(origin(&parts(&[("host", strange)]), false), "http://127.0.0.1:5678", "{strange}");
        }
    }
}
