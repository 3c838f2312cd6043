//! Requests of another program: `curl`.

use std::process::Command;

use super::test_home::CommandOutput;

/// The status and the body of the answer to a GET, or to a POST of JSON; certificates are not checked.
pub(super) fn ask(url: &str, headers: &[&str], body: Option<&str>) -> (String, String) {
    let mut curl = Command::new("curl");
    curl.args(["-sk", "-w", " %{http_code}", url]);
    for header in headers {
        curl.args(["-H", header]);
    }
    if let Some(body) = body {
        curl.args(["-H", "Content-Type: application/json", "-d", body]);
    }
    let told = CommandOutput::from(curl.output().unwrap()).stdout;
    let (text, status) = told.rsplit_once(' ').unwrap();
    (status.to_owned(), text.to_owned())
}

/// The version of HTTP that answers a client which begins with HTTP/2.
pub(super) fn http2(url: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-s", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", url]);
    CommandOutput::from(curl.output().unwrap()).stdout
}

/// The header with a token.
pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}
