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
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use crate::line_budget::within_budget;
use crate::tls::error::TlsError;
use crate::tls::files::TlsFiles;
use crate::tls::stream::ServerStream;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// After how long files that made no sense are read again although they are the same: descriptors may have been wanting.
const READ_AGAIN: Duration = Duration::from_secs(10);
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
    /// Of the files that were read last, whether they made sense or not.
    read: Vec<Stamp>,
    /// Since when these make no sense.
    failed: Option<Instant>,
}

/// Tells one content of a file from the next.
type Stamp = Option<(u64, i64, i64, u64)>;

impl Tls {
    /// TLS by these files.
    pub fn open(files: TlsFiles) -> Result<Tls, TlsError> {
        let stamps = stamps(&files);
        let current = Mutex::new(Current { config: Arc::new(files.read()?), read: stamps, failed: None });
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
        let stamps = stamps(&self.files);
        if self.take_to_read(&stamps) {
            // Other handshakes go on with what there is.
            let read = self.files.read();
            let mut current = self.current.lock();
            match read {
                _ if current.read != stamps => {} // they have changed again, and another handshake reads them
                Ok(config) => {
                    tracing::info!("the certificate was read again: its files have changed");
                    *current = Current { config: Arc::new(config), read: stamps, failed: None };
                }
                Err(error) => {
                    current.failed = Some(Instant::now());
                    within_budget("certificate_not_read", || {
                        tracing::error!("the certificate has changed and is not used: {}", error_chain(&error));
                    });
                }
            }
        }
        self.current.lock().config.clone()
    }

    /// Whether the files are to be read: once for each change, and again after a while where they made no sense.
    fn take_to_read(&self, stamps: &[Stamp]) -> bool {
        let mut current = self.current.lock();
        let again = current.failed.is_some_and(|failed| failed.elapsed() >= READ_AGAIN);
        if current.read == stamps && !again {
            return false;
        }
        current.read = stamps.to_owned();
        current.failed = None;
        true
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

#[cfg(test)]
mod tests {
    use beep_python_runtime::platform::Home;
    use rustix::fs::inotify;

    use super::*;
    use crate::tls::self_signed;

    #[tokio::test(start_paused = true)]
    async fn files_that_make_no_sense_are_read_once_and_again_after_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let files = self_signed(&Home::open(folder.path()).unwrap(), &[]).unwrap();
        let certificate = files.certificate.clone();
        let tls = Tls::open(files).unwrap();
        let before = tls.config();
        let good = fs::read(&certificate).unwrap();
        fs::write(&certificate, "nonsense").unwrap();
        let opened = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&opened, &certificate, inotify::WatchFlags::OPEN).unwrap();
        // Events that are alike come as one, unless another comes between.
        let was_opened = || rustix::io::read(&opened, &mut [0; 4096]).is_ok();
        assert!(Arc::ptr_eq(&tls.config(), &before) && was_opened());
        for _ in 0..3 {
            assert!(
                Arc::ptr_eq(&tls.config(), &before) && !was_opened(),
                "a stranger's handshake makes it read nothing"
            );
        }
        tokio::time::advance(READ_AGAIN).await;
        assert!(Arc::ptr_eq(&tls.config(), &before) && was_opened());
        assert!(Arc::ptr_eq(&tls.config(), &before) && !was_opened());
        fs::write(&certificate, good).unwrap();
        assert!(!Arc::ptr_eq(&tls.config(), &before), "a change is read at once");
    }
}
