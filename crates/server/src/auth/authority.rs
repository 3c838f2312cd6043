//! The names by which a request may address the server.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether `authority` (`host` or `host:port`) names this machine's loopback, or is one of the `allowed` names.
///
/// The port does not matter to a loopback name, since it may be forwarded; an allowed name with a port stands for
/// exactly that, one without for any. A foreign web page cannot choose the name: after DNS rebinding
/// the browser still sends the page's own host.
pub(super) fn is_allowed(authority: &[u8], allowed: &[String]) -> bool {
    let Some(host) = host_of(authority) else { return false };
    is_loopback(host)
        || allowed.iter().any(|name| {
            let name = name.as_bytes();
            name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(authority)
        })
}

/// The host in `host[:port]`, an IPv6 address with its brackets; nothing where that is not well formed.
fn host_of(authority: &[u8]) -> Option<&[u8]> {
    let host_end = match authority.first()? {
        b'[' => authority.iter().position(|&byte| byte == b']')? + 1,
        _ => authority.iter().position(|&byte| byte == b':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(host_end);
    let port_is_well_formed = match rest {
        [] => true,
        [b':', port @ ..] => is_port(port),
        _ => false,
    };
    let well_formed =
        |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'[' | b':' | b']');
    (!host.is_empty() && host.iter().all(well_formed) && port_is_well_formed).then_some(host)
}

fn is_port(text: &[u8]) -> bool {
    let number = text.iter().try_fold(0_u32, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        Some(number * 10 + digit).filter(|&number| number <= u16::MAX.into())
    });
    !text.is_empty() && number.is_some()
}

fn is_loopback(host: &[u8]) -> bool {
    // What most clients say needs no parser.
    if host == b"127.0.0.1" {
        return true;
    }
    let Ok(host) = std::str::from_utf8(host) else { return false };
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(host) => host.parse() == Ok(Ipv6Addr::LOCALHOST),
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_are_allowed_with_any_port() {
        for authority in [
            "localhost",
            "localhost:5678",
            "LocalHost:1",
            "127.0.0.1",
            "127.0.0.1:65535",
            "127.9.9.9:80",
            "[::1]",
            "[::1]:5678",
            "[0:0:0:0:0:0:0:1]:5678",
        ] {
            assert!(is_allowed(authority.as_bytes(), &[]), "{authority}");
        }
    }

    #[test]
    fn all_else_is_refused() {
        for authority in [
            "",
            ":5678",
            "evil.example",
            "evil.example:5678",
            "localhost.evil.example",
            "evil-localhost",
            "localhost.",
            "127.0.0.1.evil.example",
            "127.1",
            "0177.0.0.1",
            "2130706433",
            "0.0.0.0",
            "192.168.0.1",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]5678",
            "[::2]",
            "[::ffff:192.0.2.1]",
            "[]",
            "localhost:",
            "localhost:x",
            "localhost:+80",
            "localhost:65536",
            "localhost:80:80",
            "user@localhost",
            "localhost/",
            "localhost, evil.example",
            " localhost",
            "localhost ",
            "local\u{212a}host",
        ] {
            assert!(!is_allowed(authority.as_bytes(), &[]), "{authority}");
        }
        assert!(!is_allowed(b"localhost\xff", &[]));
    }

    #[test]
    fn configured_names_are_allowed_beside() {
        let names = ["python.internal".to_owned(), "box.internal:9000".to_owned(), "[fd00::1]".to_owned()];
        for authority in
            ["python.internal", "PYTHON.internal:5678", "box.internal:9000", "[fd00::1]:5678", "localhost:1"]
        {
            assert!(is_allowed(authority.as_bytes(), &names), "{authority}");
        }
        for authority in ["box.internal", "box.internal:9001", "internal", "x.python.internal", "[fd00::2]"] {
            assert!(!is_allowed(authority.as_bytes(), &names), "{authority}");
        }
    }
}
