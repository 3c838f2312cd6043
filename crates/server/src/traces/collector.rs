//! The way to the collector, over HTTP.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use parking_lot::Mutex;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use tokio::runtime::{Builder, Runtime};

use crate::traces::settings::Exporting;

/// As much of an answer is read: more than a collector says of a batch.
const LONGEST_ANSWER: usize = 64 << 10;

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub(super) enum CollectorError {
    #[error("the certificate in {} cannot be read", path.display())]
    CertificateUnread { path: PathBuf, source: io::Error },
    #[error("{} has no certificate in PEM", path.display())]
    NoCertificate { path: PathBuf, source: Option<reqwest::Error> },
    #[error("there is no client for HTTP")]
    Client(#[from] reqwest::Error),
    #[error("there is no reactor")]
    Reactor(#[from] io::Error),
}

/// Sends batches, in a runtime of its own that only the thread of the batches drives: the server's has calls to serve.
pub(super) struct Collector {
    client: Client,
    /// Until it is dropped.
    runtime: Option<Runtime>,
    trouble: Trouble,
}

/// What went wrong last, for the log: the exporter's own error does not say.
pub(super) type Trouble = Arc<Mutex<Option<String>>>;

impl Collector {
    pub(super) fn open(exporting: &Exporting, trouble: Trouble) -> Result<Collector, CollectorError> {
        // Between two batches nothing drives a connection, so none is kept. A collector sends spans nowhere else.
        let mut client =
            Client::builder().timeout(exporting.timeout).pool_max_idle_per_host(0).redirect(Policy::none());
        let is_near = |url: Url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        // No proxy reaches this machine's loopback.
        if exporting.endpoint.parse().is_ok_and(is_near) {
            client = client.no_proxy();
        }
        if let Some(path) = &exporting.certificate {
            let pem =
                fs::read(path).map_err(|source| CollectorError::CertificateUnread { path: path.clone(), source })?;
            let none = |source| CollectorError::NoCertificate { path: path.clone(), source };
            let roots = Certificate::from_pem_bundle(&pem).map_err(|source| none(Some(source)))?;
            if roots.is_empty() {
                return Err(none(None));
            }
            client = roots.into_iter().fold(client, |client, root| client.add_root_certificate(root));
        }
        let runtime = Some(Builder::new_current_thread().enable_all().build()?);
        Ok(Collector { client: client.build()?, runtime, trouble })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let (head, body) = request.into_parts();
        // By its text, so that reqwest takes a user and a password out of it.
        let asked = self.client.request(head.method, head.uri.to_string()).headers(head.headers).body(body);
        let mut answer = asked.send().await?;
        let mut read = BytesMut::new();
        while let Some(piece) = answer.chunk().await? {
            read.extend_from_slice(&piece);
            if read.len() > LONGEST_ANSWER {
                break;
            }
        }
        let mut response = Response::new(read.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

#[async_trait]
impl HttpClient for Collector {
    /// On the thread of the batches, which may wait.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let runtime = self.runtime.as_ref().ok_or("it is closed")?;
        let sent = runtime.block_on(self.send(request)).map_err(reqwest::Error::without_url);
        *self.trouble.lock() = match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("it answers {}", answer.status())),
            Err(error) => Some(with_causes(error)),
        };
        Ok(sent?)
    }
}

impl Drop for Collector {
    /// A name that is being looked up does not keep it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

/// An error with what caused it.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
