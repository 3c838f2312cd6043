//! The address of a host over TCP.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderValue, Uri};
use tokio::net::TcpStream;

use crate::error::Error;
use crate::fingerprint::Fingerprint;

const DEFAULT_PORT: u16 = 5678;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of a host over TCP: `http://127.0.0.1:5678`, `http://localhost:5678` or `http://[::1]:5678`, also without
/// `http://`. The default port is 5678. Over gRPC: `grpc://127.0.0.1:50051`, with the default port 50051.
///
/// Over TLS: `https://box.example:5678`, `grpcs://box.example:50051`. The certificate must be of an authority that the system trusts,
/// or one in the file that `BEEP_PYTHON_CA_FILE` names; or the address says which it is: `https://box.example?fingerprint=AB:CD:…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: &'static str,
    host: String,
    port: u16,
    tls: bool,
    /// The certificate of the host, where the address says which it is.
    fingerprint: Option<Fingerprint>,
}

impl Endpoint {
    /// Reads an endpoint of gRPC, which may also begin with `http://`.
    #[cfg(feature = "rpc")]
    pub(crate) fn grpc(text: &str) -> Result<Endpoint, Error> {
        Endpoint::read(text, ["grpc", "grpcs"], 50051)
    }

    /// The host's name or address. An IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether connections are made over TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The certificate that the host must have.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "TLS alone has certificates"))]
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// The `Host` header. Servers know every loopback address as `localhost`.
    pub(crate) fn host_header(&self) -> Option<HeaderValue> {
        let loopback = self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let authority = match loopback {
            true => format!("localhost:{}", self.port),
            false => self.authority(),
        };
        HeaderValue::try_from(authority).ok()
    }

    pub(crate) async fn connect(&self) -> Result<TcpStream, Error> {
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, self.try_connect()).await;
        connected
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no connection within 10 seconds")))
            .map_err(|source| Error::Connect { endpoint: self.to_string(), source })
    }

    async fn try_connect(&self) -> io::Result<TcpStream> {
        if self.host == "localhost" {
            // The resolver may know only one of the two loopbacks.
            let loopbacks: [IpAddr; 2] = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
            let addresses = loopbacks.map(|ip| SocketAddr::new(ip, self.port));
            return TcpStream::connect(addresses.as_slice()).await;
        }
        match self.host.parse::<IpAddr>() {
            Ok(ip) => TcpStream::connect((ip, self.port)).await,
            Err(_) => TcpStream::connect((self.host.as_str(), self.port)).await,
        }
    }

    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    fn read(text: &str, [scheme, secure]: [&'static str; 2], default_port: u16) -> Result<Endpoint, Error> {
        let wrong = |reason: &str| Error::Endpoint { endpoint: text.to_owned(), reason: reason.to_owned() };
        let uri: Uri = text.trim().parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
        let tls = match uri.scheme_str() {
            None | Some("http") => false,
            Some(given) if given == scheme => false,
            Some("https") => true,
            Some(given) if given == secure => true,
            Some(_) => return Err(wrong(&format!("it must begin with {scheme}:// or {secure}://"))),
        };
        if tls && !cfg!(feature = "tls") {
            return Err(wrong("this program was built without the feature `tls` of beep-python-client"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("credentials do not belong in an address"));
        }
        let fingerprint = match uri.query() {
            None => None,
            Some(query) => match query.strip_prefix("fingerprint=").filter(|_| tls) {
                Some(fingerprint) => Some(fingerprint.parse().map_err(wrong)?),
                None => return Err(wrong("it must end after the port; over TLS, ?fingerprint= may follow")),
            },
        };
        if !matches!(uri.path(), "" | "/") {
            return Err(wrong("it must end after the port"));
        }
        // `Authority::port` treats a port that is not a number as absent.
        let port = match &authority.as_str()[authority.host().len()..] {
            "" => default_port,
            rest => rest[1..].parse().map_err(|_| wrong("the port is not a number below 65536"))?,
        };
        let host = match authority.host() {
            "" => return Err(wrong("it names no host")),
            host if !host.contains(['[', ']']) => host,
            host => host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .filter(|address| address.parse::<Ipv6Addr>().is_ok())
                .ok_or_else(|| wrong("only an IPv6 address stands in brackets"))?,
        };
        let host = host.to_ascii_lowercase();
        Ok(Endpoint { scheme: if tls { secure } else { scheme }, host, port, tls, fingerprint })
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Endpoint, Error> {
        Endpoint::read(text, ["http", "https"], DEFAULT_PORT)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn endpoints_are_read_with_their_defaults() {
        for (text, shown, header) in [
            ("http://127.0.0.1:5678", "http://127.0.0.1:5678", "localhost:5678"),
            ("http://localhost:80/", "http://localhost:80", "localhost:80"),
            ("http://LOCALHOST", "http://localhost:5678", "localhost:5678"),
            ("http://[::1]:9", "http://[::1]:9", "localhost:9"),
            ("http://[::1]", "http://[::1]:5678", "localhost:5678"),
            ("127.0.0.1:9", "http://127.0.0.1:9", "localhost:9"),
            ("http://example.org:9", "http://example.org:9", "example.org:9"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(endpoint.host_header().unwrap(), header);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_a_reason() {
        for (text, reason) in [
            ("http://localhost:5678?fingerprint=AB", "after the port"),
            ("ftp://localhost", "http://"),
            ("http://localhost:5678/api", "after the port"),
            ("http://localhost:99999", "port"),
            ("http://localhost:", "port"),
            ("http://:5678", "host"),
            ("http://box[x]", "brackets"),
            ("http://[box]:5678", "brackets"),
            ("http://me:secret@localhost", "credentials"),
            ("", ""),
            ("http://", ""),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
