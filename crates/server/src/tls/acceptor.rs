//! The server's side of handshakes, by files that are looked at before each.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Problem};
use beep_python_runtime::platform::error_chain;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::line_budget::within_budget;
use crate::tls::error::TlsError;
use crate::tls::files::TlsFiles;
use crate::tls::stream::ServerStream;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The first byte of every handshake.
const HANDSHAKE: u8 = 22;

/// TLS as the files have it now.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    stamps: Vec<Stamp>,
}

/// Tells one content of a file from the next.
type Stamp = Option<(u64, i64, i64, u64)>;

impl Tls {
    /// TLS by these files.
    pub fn open(files: TlsFiles) -> Result<Tls, TlsError> {
        let stamps = stamps(&files);
        let current = Mutex::new(Current { config: Arc::new(files.read()?), stamps });
        Ok(Tls { files, current })
    }

    /// Where certificate and key are.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// Makes the handshake of a connection; whether it speaks HTTP/2. A client that speaks no TLS is told so.
    pub(crate) async fn accept(&self, mut stream: TcpStream) -> io::Result<(ServerStream, bool)> {
        let handshake = async {
            let mut first = [0];
            stream.peek(&mut first).await?;
            if first[0] != HANDSHAKE {
                stream.write_all(&needs_tls()).await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a client spoke no TLS"));
            }
            TlsAcceptor::from(self.config()).accept(stream).await
        };
        let stream = timeout(HANDSHAKE_TIMEOUT, handshake).await??;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((ServerStream::Tls(Box::new(stream)), http2))
    }

    /// What the files say. Where they have changed and make no sense, as while one of two is written, what they said before holds.
    fn config(&self) -> Arc<ServerConfig> {
        let mut current = self.current.lock();
        let stamps = stamps(&self.files);
        if current.stamps != stamps {
            match self.files.read() {
                Ok(config) => {
                    tracing::info!("the certificate was read again: its files have changed");
                    *current = Current { config: Arc::new(config), stamps };
                }
                Err(error) => within_budget("certificate_not_read", || {
                    tracing::error!("the certificate has changed and is not used: {}", error_chain(&error));
                }),
            }
        }
        current.config.clone()
    }
}

fn stamps(files: &TlsFiles) -> Vec<Stamp> {
    // What a link leads to: certificates are renewed by changing it.
    let stamp = |metadata: fs::Metadata| (metadata.ino(), metadata.ctime(), metadata.ctime_nsec(), metadata.size());
    files.paths().map(|path| fs::metadata(path).ok().map(stamp)).collect()
}

/// What a client reads that speaks HTTP/1.1 without TLS.
fn needs_tls() -> Vec<u8> {
    let detail = "this server speaks TLS: its address begins with https://, or grpcs:// over gRPC";
    let body = serde_json::to_string(&Problem::new(ErrorCode::InvalidRequest, detail)).unwrap_or_default();
    let length = body.len();
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
