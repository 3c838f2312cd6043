//! Downloading a file whose hash is known.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{CONTENT_RANGE, RANGE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use sha2::{Digest, Sha256};

use super::{Progress, RuntimeError};
use crate::platform::{FileError, error_chain, failed_to};

/// The largest catalogue or hash file that is read, in bytes.
const SMALL: usize = 16 << 20;

/// The longest that a server is obeyed which asks to be asked later.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(15);

/// How long to wait, and how often to try.
#[derive(Clone, Copy)]
pub(super) struct RetryPolicy {
    /// For a connection.
    pub(super) connect: Duration,
    /// For the next bytes.
    pub(super) idle: Duration,
    /// How often a request that brought nothing is made again.
    pub(super) retries: u32,
    /// How long to wait before the first of these; before each further one twice as long.
    pub(super) backoff: Duration,
}

/// Attempts at one file since the last that received something.
struct RetryState {
    policy: RetryPolicy,
    failed: u32,
}

impl RetryState {
    fn new(policy: RetryPolicy) -> RetryState {
        RetryState { policy, failed: 0 }
    }

    /// Waits for the next attempt; the error, when it will not pass or there were enough.
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
        progress(Progress::Retrying { attempt: self.failed, wait, reason: error_chain(&failure.error) });
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Why an attempt failed.
struct Failure {
    error: RuntimeError,
    /// Whether another attempt can go better.
    passes: bool,
    /// How long the server asks to wait.
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

/// Whether the server's certificate was not accepted. The library which looks at it says so in words only.
fn is_of_certificate(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.any(|cause| cause.to_string().starts_with("invalid peer certificate"))
}

/// Downloads `url` to `part`, going on where an earlier attempt ended, until its SHA-256 is `sha256`. Proxies and
/// certificates are those of the system: `HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE`, `SSL_CERT_DIR` and their like.
///
/// What arrived stays in `part` when the connection is lost, for the next time; not when the content is wrong.
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
            return Err(RuntimeError::WrongHash { what: url.to_string(), expected: sha256.to_owned(), actual });
        }
        // What was there could be the beginning of another file.
        file.restart()?;
        fresh = true;
    }
}

/// The content of a small file at `url`.
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
            return Err(
                RuntimeError::DownloadRefused { url: url.to_string(), status: "more than 16 MiB".into() }.into()
            );
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

/// Adds to the file until the server has no more, in as many attempts as that takes.
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
                // However slow it is, it comes nearer.
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
            Err(RuntimeError::DownloadIncomplete { url: url.to_string(), received: file.length, expected }.into())
        }
        Some(cut) => Err(lost(url)(cut).into()),
    }
}

/// Writes what arrives; gives the error that cut it off.
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

/// Whether the answer goes on where we are.
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
        error: RuntimeError::DownloadRefused { url: url.to_string(), status: status.to_string() },
        passes: status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429),
        asked: asked.map(Duration::from_secs),
    })
}

fn client(url: &Url, policy: RetryPolicy) -> Result<Client, RuntimeError> {
    let mut builder = Client::builder()
        .connect_timeout(policy.connect)
        .read_timeout(policy.idle)
        .user_agent(concat!("beep-python/", env!("CARGO_PKG_VERSION")));
    // No proxy can reach what is on this machine.
    if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(lost(url))
}

fn lost(url: &Url) -> impl FnOnce(reqwest::Error) -> RuntimeError {
    // The address is in our message already.
    move |error| RuntimeError::Download { url: url.to_string(), source: error.without_url() }
}

fn hexadecimal(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file that a download goes to, with the hash of what is in it.
///
/// Written without leaving the async thread: a chunk goes to the page cache in less time than a change of thread takes.
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
            // Most likely the disk is full: then it must not stay so because of us.
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
