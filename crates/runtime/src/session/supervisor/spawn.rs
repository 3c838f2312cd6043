//! Starting a worker for a session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::session::shared::SessionInner;
use crate::session::supervisor::stdio::StdioPump;
use crate::worker::frame::{Decoder, FrameError};
use crate::worker::shared_page::SharedPage;
use crate::worker::wire::WorkerMessage;
use crate::worker::worker::{Worker, WorkerEnds};
use crate::worker::zygote::Death;
use crate::worker::zygote_error::ZygoteError;

const WORKER_READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the standard error of a worker that died may take to be read.
pub(crate) const STDERR_DRAIN_TIMEOUT: Duration = Duration::from_millis(200);
const READ_BYTES: usize = 64 << 10;

/// A worker that has reported readiness, and all ends of it.
pub(crate) struct ReadyWorker {
    pub(crate) worker: Arc<Worker>,
    pub(crate) requests: pipe::Sender,
    pub(crate) answers: AnswerPipe,
    pub(crate) stdio: Arc<StdioPump>,
    pub(crate) page: Arc<SharedPage>,
    /// Calls from Python to this host, and their answers.
    pub(crate) host: (pipe::Receiver, pipe::Sender),
    pub(crate) death: oneshot::Receiver<Death>,
}

/// The worker's answers, as messages.
pub(crate) struct AnswerPipe {
    pipe: pipe::Receiver,
    decoder: Decoder,
    buffer: BytesMut,
}

impl AnswerPipe {
    fn new(pipe: pipe::Receiver) -> AnswerPipe {
        AnswerPipe { pipe, decoder: Decoder::default(), buffer: BytesMut::with_capacity(READ_BYTES) }
    }

    /// Waits for more bytes. Returns false once the worker has closed its end, or the pipe is broken.
    pub(crate) async fn read(&mut self) -> bool {
        self.buffer.reserve(READ_BYTES);
        matches!(self.pipe.read_buf(&mut self.buffer).await, Ok(1..))
    }

    /// The next message that was read whole; an error where the worker breaks the rules of the wire.
    pub(crate) fn next(&mut self) -> Result<Option<WorkerMessage>, FrameError> {
        Ok(self.decoder.next(&mut self.buffer)?.map(WorkerMessage::decode))
    }

    /// The first message.
    async fn first(&mut self) -> Option<WorkerMessage> {
        loop {
            if let Some(message) = self.next().ok()? {
                return Some(message);
            }
            if !self.read().await {
                return None;
            }
        }
    }
}

/// A worker of the session's present epoch, from the session's zygote.
pub(crate) async fn spawn_worker(inner: &Arc<SessionInner>) -> Result<ReadyWorker, ZygoteError> {
    let began = Instant::now();
    let epoch = inner.read(|state, _| state.stats().epoch);
    let zygote = inner.zygote.get().await?;
    let handles = inner.config.limits.handles;
    let forked = match timeout(WORKER_READY_TIMEOUT, Worker::fork(&zygote, &inner.handle_prefix, epoch, handles)).await
    {
        Ok(forked) => forked?,
        Err(_) => {
            inner.zygote.forget(&zygote).await; // it is stopped, or busy with what it should never do
            return Err(ZygoteError::WorkerTimeout(WORKER_READY_TIMEOUT));
        }
    };
    let WorkerEnds { worker, requests, answers, stdout, stderr, slots: page, host, death } = forked;
    let stdio = Arc::new(StdioPump::new(stdout, stderr));
    let mut answers = AnswerPipe::new(answers);
    let first = timeout(WORKER_READY_TIMEOUT, answers.first()).await;
    if let Ok(Some(WorkerMessage::Ready)) = first {
        tracing::debug!(pid = worker.pid(), epoch, took = ?began.elapsed(), "a worker is ready");
        return Ok(ReadyWorker { worker: Arc::new(worker), requests, answers, stdio, page, host, death });
    }
    worker.kill();
    let _ = timeout(STDERR_DRAIN_TIMEOUT, worker.ended()).await;
    stdio.drain(inner);
    Err(match first {
        Err(_) => ZygoteError::WorkerTimeout(WORKER_READY_TIMEOUT),
        Ok(_) => ZygoteError::WorkerExited(stdio.stderr_tail()),
    })
}
