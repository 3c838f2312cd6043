//! Origins of web pages, as browsers name them (RFC 6454).

use std::net::Ipv6Addr;

/// The origin that this text names, as a browser writes it: in lower case, without the port that its scheme has anyway. An error says
/// why it names none.
pub fn parse_origin(text: &str) -> Result<String, String> {
    let why = |reason: &str| Err(format!("{reason}; an origin is `SCHEME://HOST` or `SCHEME://HOST:PORT`"));
    if text == "*" {
        return why("every page could run code here: name the origins one by one");
    }
    if text.eq_ignore_ascii_case("null") {
        return why("`null` is the origin of pages that have none, which anyone can make");
    }
    let Some((scheme, rest)) = text.split_once("://") else { return why("it has no scheme, such as `https://`") };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char));
    if !is_scheme {
        return why("its scheme is none");
    }
    if rest.contains(['/', '?', '#', '\\']) {
        return why("it has a path, which an origin has not");
    }
    if rest.contains('@') {
        return why("it has a user, which an origin has not");
    }
    let (host, port) = match rest.rfind(']') {
        Some(end) => rest.split_at(end + 1),
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|char| char.is_ascii_alphanumeric() || "-._".contains(char)),
    };
    if !is_host {
        return why(
            "it has no host, or one with characters that a host has not (names in other scripts begin with `xn--`)",
        );
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => match digits.parse::<u16>() {
            Ok(port) => Some(port),
            Err(_) => return why("its port is none"),
        },
        _ => return why("its port is none"),
    };
    let origin = format!("{scheme}://{host}").to_ascii_lowercase();
    let usual = match &scheme.to_ascii_lowercase()[..] {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    Ok(match port.filter(|_| port != usual) {
        Some(port) => format!("{origin}:{port}"),
        None => origin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for (text, origin) in [
            ("https://app.example", "https://app.example"),
            ("HTTPS://App.Example:443", "https://app.example"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("https://app.example:80", "https://app.example:80"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("tauri://localhost", "tauri://localhost"),
        ] {
            assert_eq!(parse_origin(text).as_deref(), Ok(origin), "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_reason() {
        for (text, reason) in [
            ("app.example", "no scheme"),
            ("localhost:3000", "no scheme"),
            ("", "no scheme"),
            ("://app.example", "scheme is none"),
            ("1s://app.example", "scheme is none"),
            ("https://app.example/", "a path"),
            ("https://app.example/app", "a path"),
            ("https://app.example?x", "a path"),
            ("https://me@app.example", "a user"),
            ("https://app .example", "no host"),
            (" https://app.example", "scheme is none"),
            ("https://app.example ", "no host"),
            ("https://a.example, https://b.example", "a path"),
            ("https://*.example", "no host"),
            ("https://bücher.example", "no host"),
            ("https://", "no host"),
            ("https://app.example:", "port is none"),
            ("https://app.example:x", "port is none"),
            ("https://app.example:70000", "port is none"),
            ("*", "one by one"),
            ("null", "anyone"),
            ("file:///page.html", "a path"),
        ] {
            let refused = parse_origin(text).expect_err(text);
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
