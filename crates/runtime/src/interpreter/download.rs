//! Downloading a file of known hash.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{CONTENT_RANGE, RANGE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use sha2::{Digest, Sha256};

use super::error::RuntimeError;
use super::progress::Progress;
use crate::platform::{FileError, error_chain, failed_to, mask_credentials};

/// The maximum size of a catalogue, in bytes.
const SMALL: usize = 16 << 20;

/// The maximum delay that a server's `Retry-After` can impose.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(15);

/// Timeouts and retries of a download.
#[derive(Clone, Copy)]
pub(super) struct RetryPolicy {
    /// Timeout for a connection.
    pub(super) connect: Duration,
    /// Timeout for the next bytes.
    pub(super) idle: Duration,
    /// The number of retries after attempts that received nothing.
    pub(super) retries: u32,
    /// The delay before the first retry. It doubles with each further one.
    pub(super) backoff: Duration,
}

/// Consecutive attempts at one file that received nothing.
struct RetryState {
    policy: RetryPolicy,
    failed: u32,
}

impl RetryState {
    fn new(policy: RetryPolicy) -> RetryState {
        RetryState { policy, failed: 0 }
    }

    /// Waits for the next attempt. Returns the error when it is permanent, or no retry is left.
    async fn wait(
        &mut self,
        failure: Failure,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), RuntimeError> {
        if !failure.passes || self.failed == self.policy.retries {
            return Err(failure.error);
        }
        let backoff = self.policy.backoff.saturating_mul(1 << self.failed.min(10));
        let wait = failure.asked.map_or(backoff, |asked| asked.max(backoff).min(MAX_RETRY_AFTER));
        self.failed += 1;
        let reason = error_chain(&failure.error);
        tracing::debug!(attempt = self.failed, ?wait, reason, "a download is retried");
        progress(Progress::Retrying { attempt: self.failed, wait, reason });
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Why an attempt failed.
struct Failure {
    error: RuntimeError,
    /// Whether another attempt can succeed.
    passes: bool,
    /// The server's `Retry-After`.
    asked: Option<Duration>,
}

impl From<RuntimeError> for Failure {
    fn from(error: RuntimeError) -> Failure {
        let passes = match &error {
            RuntimeError::Download { source, .. } => !source.is_builder() && !is_of_certificate(source),
            RuntimeError::DownloadIncomplete { .. } => true,
            _ => false,
        };
        Failure { error, passes, asked: None }
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Failure {
        Failure { error: error.into(), passes: false, asked: None }
    }
}

/// Whether the server's certificate was rejected. The TLS library says so in words only.
fn is_of_certificate(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.any(|cause| cause.to_string().starts_with("invalid peer certificate"))
}

/// Downloads `url` to `part`, resuming an earlier download, and checks its SHA-256 against `sha256`. Proxies and
/// certificates are the system's: `HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, `SSL_CERT_DIR` and the like.
///
/// A lost connection leaves the received bytes in `part` for the next call; wrong content is removed.
pub(super) async fn download(
    url: &Url,
    part: &Path,
    sha256: &str,
    policy: RetryPolicy,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), RuntimeError> {
    let client = client(url, policy)?;
    let mut file = PartFile::open(part)?;
    let mut fresh = file.length == 0;
    loop {
        if fresh || !file.has_hash(sha256) {
            let fetched = fetch(&client, url, &mut file, policy, progress).await;
            if fetched.is_err() && file.length == 0 {
                file.remove();
            }
            fetched?;
        }
        if file.has_hash(sha256) {
            return Ok(());
        }
        if fresh {
            let actual = hexadecimal(file.hasher.clone());
            file.remove();
            return Err(RuntimeError::WrongHash {
                what: mask_credentials(url.as_str()),
                expected: sha256.to_owned(),
                actual,
            });
        }
        // The existing part may belong to another file.
        file.restart()?;
        fresh = true;
    }
}

/// Downloads a small file into memory.
pub(super) async fn read_small(url: &Url, policy: RetryPolicy) -> Result<Vec<u8>, RuntimeError> {
    let client = client(url, policy)?;
    let mut retries = RetryState::new(policy);
    loop {
        match read_once(&client, url).await {
            Ok(content) => return Ok(content),
            Err(failure) => retries.wait(failure, &mut |_| {}).await?,
        }
    }
}

async fn read_once(client: &Client, url: &Url) -> Result<Vec<u8>, Failure> {
    let mut response = succeeded(send(client, url, 0).await?, url)?;
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost(url))? {
        content.extend_from_slice(&chunk);
        if content.len() > SMALL {
            return Err(RuntimeError::DownloadRefused {
                url: mask_credentials(url.as_str()),
                status: "more than 16 MiB".into(),
            }
            .into());
        }
    }
    Ok(content)
}

/// The SHA-256 of a file, in hexadecimal digits.
pub fn hash_file(path: &Path) -> Result<String, RuntimeError> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).map_err(failed_to("read", path))?;
    std::io::copy(&mut file, &mut hasher).map_err(failed_to("read", path))?;
    Ok(hexadecimal(hasher))
}

/// Downloads the rest of the file, with retries.
async fn fetch(
    client: &Client,
    url: &Url,
    file: &mut PartFile<'_>,
    policy: RetryPolicy,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), RuntimeError> {
    let mut retries = RetryState::new(policy);
    loop {
        let before = file.length;
        match fetch_once(client, url, file, progress).await {
            Ok(()) => return Ok(()),
            Err(failure) => {
                // Any progress starts the count anew, however slow the download is.
                if file.length > before {
                    retries.failed = 0;
                }
                retries.wait(failure, progress).await?;
            }
        }
    }
}

async fn fetch_once(
    client: &Client,
    url: &Url,
    file: &mut PartFile<'_>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), Failure> {
    tracing::debug!(url = mask_credentials(url.as_str()), from = file.length, "downloading");
    let mut response = send(client, url, file.length).await?;
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && file.length > 0 {
        file.restart()?;
        response = send(client, url, 0).await?;
    }
    let response = succeeded(response, url)?;
    if !continues(&response, file.length) {
        file.restart()?;
    }
    let total = response.content_length().map(|rest| file.length + rest);
    match receive(response, file, total, progress).await? {
        None if total.is_none_or(|total| total == file.length) => Ok(()),
        None => {
            let expected = total.unwrap_or_default();
            Err(RuntimeError::DownloadIncomplete {
                url: mask_credentials(url.as_str()),
                received: file.length,
                expected,
            }
            .into())
        }
        Some(cut) => Err(lost(url)(cut).into()),
    }
}

/// Writes the body to the file. Returns the error that interrupted it, if one did.
async fn receive(
    response: Response,
    file: &mut PartFile<'_>,
    total: Option<u64>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Option<reqwest::Error>, RuntimeError> {
    let mut stream = response.bytes_stream();
    progress(Progress::Downloading { received: file.length, total });
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(bytes) => file.append(&bytes)?,
            Err(cut) => return Ok(Some(cut)),
        }
        progress(Progress::Downloading { received: file.length, total });
    }
    Ok(None)
}

/// Whether the response resumes at `from`.
fn continues(response: &Response, from: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok());
    response.status() == StatusCode::PARTIAL_CONTENT && start == Some(from)
}

async fn send(client: &Client, url: &Url, from: u64) -> Result<Response, RuntimeError> {
    let mut request = client.get(url.clone());
    if from > 0 {
        request = request.header(RANGE, format!("bytes={from}-"));
    }
    request.send().await.map_err(lost(url))
}

fn succeeded(response: Response, url: &Url) -> Result<Response, Failure> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Err(Failure {
        error: RuntimeError::DownloadRefused { url: mask_credentials(url.as_str()), status: status.to_string() },
        passes: status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429),
        asked: asked.map(Duration::from_secs),
    })
}

fn client(url: &Url, policy: RetryPolicy) -> Result<Client, RuntimeError> {
    let mut builder = Client::builder()
        .connect_timeout(policy.connect)
        .read_timeout(policy.idle)
        .user_agent(concat!("beep-python/", env!("CARGO_PKG_VERSION")));
    // No proxy reaches this machine's loopback.
    if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(lost(url))
}

fn lost(url: &Url) -> impl FnOnce(reqwest::Error) -> RuntimeError {
    // Our own message has the URL already.
    move |error| RuntimeError::Download { url: mask_credentials(url.as_str()), source: error.without_url() }
}

fn hexadecimal(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file of a download, with the hash of its content.
///
/// Written on the async thread: writing a chunk to the page cache takes less time than switching threads.
struct PartFile<'a> {
    path: &'a Path,
    file: File,
    hasher: Sha256,
    length: u64,
}

impl PartFile<'_> {
    fn open(path: &Path) -> Result<PartFile<'_>, RuntimeError> {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(failed_to("write", path))?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        let mut length = 0;
        loop {
            match file.read(&mut buffer).map_err(failed_to("read", path))? {
                0 => return Ok(PartFile { path, file, hasher, length }),
                count => hasher.update(&buffer[..count]),
            }
            length = file.stream_position().map_err(failed_to("read", path))?;
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), RuntimeError> {
        if let Err(error) = self.file.write_all(bytes) {
            // Most likely the disk is full: free it.
            self.remove();
            return Err(failed_to("write", self.path)(error).into());
        }
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), RuntimeError> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(failed_to("write", self.path))?;
        self.hasher = Sha256::new();
        self.length = 0;
        Ok(())
    }

    fn has_hash(&self, sha256: &str) -> bool {
        hexadecimal(self.hasher.clone()).eq_ignore_ascii_case(sha256)
    }

    fn remove(&self) {
        let _ = fs::remove_file(self.path);
    }
}
