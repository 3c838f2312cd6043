//! The files of TLS: certificate, key, and the authorities of clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};

use crate::tls::error::TlsError;

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and its authority, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// The authorities whose certificates clients must have, in PEM; without it, clients need none.
    pub client_authorities: Option<PathBuf>,
}

impl TlsFiles {
    /// All of them.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.certificate), Some(&self.key), self.client_authorities.as_ref()]
            .into_iter()
            .flatten()
            .map(|path| &**path)
    }

    /// What the files say.
    pub(super) fn read(&self) -> Result<ServerConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|source| TlsError::Pem { path: self.key.clone(), source })?;
        let refused = |source| TlsError::Pair { certificate: self.certificate.clone(), key: self.key.clone(), source };
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let builder = builder.map_err(refused)?;
        let builder = match &self.client_authorities {
            None => builder.with_no_client_auth(),
            Some(path) => builder.with_client_cert_verifier(client_verifier(path, provider)?),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(refused)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn client_verifier(
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let refused = |source| TlsError::ClientAuthorities { path: path.to_owned(), source };
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        roots.add(authority).map_err(|error| refused(error.into()))?;
    }
    WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().map_err(|error| refused(error.into()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|source| TlsError::Pem { path: path.to_owned(), source })?;
    if found.is_empty() { Err(TlsError::NoCertificate { path: path.to_owned() }) } else { Ok(found) }
}

/// The SHA-256 of the first certificate in a file, as people compare it: `AB:CD:…`.
pub fn fingerprint_of(certificate: &Path) -> Result<String, TlsError> {
    let bytes: Vec<_> =
        Sha256::digest(&certificates(certificate)?[0]).iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(bytes.join(":"))
}
