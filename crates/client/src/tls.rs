//! TLS to a host whose certificate is known: by an authority, or by its fingerprint.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fingerprint::Fingerprint;

/// Authorities in place of those of the system, in PEM.
const CA_FILE: &str = "BEEP_PYTHON_CA_FILE";
/// The certificate of this client and its key, in PEM, for hosts that want one.
const CERT_FILE: &str = "BEEP_PYTHON_CERT_FILE";
const KEY_FILE: &str = "BEEP_PYTHON_KEY_FILE";

/// How a host is known, and what is spoken within TLS. Files are read when the first connection is made.
pub(crate) struct TlsClient {
    fingerprint: Option<Fingerprint>,
    protocol: &'static str,
    connector: OnceLock<TlsConnector>,
}

impl TlsClient {
    pub(crate) fn new(fingerprint: Option<Fingerprint>, protocol: &'static str) -> TlsClient {
        TlsClient { fingerprint, protocol, connector: OnceLock::new() }
    }

    /// Makes the handshake with the host of this name or address.
    pub(crate) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connector = match self.connector.get() {
            Some(connector) => connector,
            None => {
                let made = TlsConnector::from(Arc::new(self.config()?));
                self.connector.get_or_init(|| made)
            }
        };
        connector.connect(name, stream).await.map_err(|error| {
            // That of another fingerprint, without the words of the library around it.
            match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(rustls::Error::General(said)) => io::Error::other(said.clone()),
                _ => error,
            }
        })
    }

    fn config(&self) -> io::Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let builder = builder.map_err(io::Error::other)?;
        let builder = match self.fingerprint {
            Some(expected) => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Pinned { expected, provider }))
            }
            None => builder.with_root_certificates(roots()?),
        };
        let mut config = match (file(CERT_FILE), file(KEY_FILE)) {
            (Some(certificate), Some(key)) => {
                let key = PrivateKeyDer::from_pem_file(&key).map_err(|error| unreadable(&key, error))?;
                builder.with_client_auth_cert(certificates(&certificate)?, key).map_err(io::Error::other)?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![self.protocol.as_bytes().to_vec()];
        Ok(config)
    }
}

fn file(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn roots() -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(path) = file(CA_FILE) else {
        // What the system has that is no certificate is left out, as other programs do.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    for authority in certificates(&path)? {
        roots.add(authority).map_err(io::Error::other)?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read.map_err(|error| unreadable(path, error))? {
        found if found.is_empty() => Err(io::Error::other(format!("{} holds no certificate in PEM", path.display()))),
        found => Ok(found),
    }
}

fn unreadable(path: &Path, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("cannot read {} as PEM: {error}", path.display()))
}

/// The fingerprint of the first certificate in a file.
pub(crate) fn fingerprint_in(path: &Path) -> io::Result<Fingerprint> {
    Ok(Fingerprint::of(&certificates(path)?[0]))
}

/// Accepts one certificate, whatever name and time it is for.
#[derive(Debug)]
struct Pinned {
    expected: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match Fingerprint::of(end_entity) {
            found if found == self.expected => Ok(ServerCertVerified::assertion()),
            found => Err(rustls::Error::General(format!(
                "invalid peer certificate: its fingerprint is {found}, which is not the one of the address"
            ))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
