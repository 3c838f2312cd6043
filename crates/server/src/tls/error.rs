//! Why there is no TLS.

use std::path::PathBuf;

use beep_python_runtime::platform::{FileError, HomeError};

/// Why the server cannot use TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file holds no certificates.
    #[error("{} holds no certificate in PEM", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read as PEM.
    #[error("cannot read {} as PEM", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key are refused, or do not belong together.
    #[error("the certificate {} cannot be used with the key {}", certificate.display(), key.display())]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The authorities of clients are refused.
    #[error("the authorities in {} cannot be used for clients", path.display())]
    ClientAuthorities {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No certificate can be made.
    #[error("cannot make a certificate")]
    SelfSigned(#[from] rcgen::Error),
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file cannot be worked with.
    #[error(transparent)]
    File(#[from] FileError),
}
