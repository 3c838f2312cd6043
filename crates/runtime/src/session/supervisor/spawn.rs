//! Starting a worker for a session.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beep_python_memory::Memory;
use beep_python_protocol::{DataDescriptor, ErrorCode, Problem, PythonException, WorkerDeath};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::session::shared::SessionInner;
use crate::session::supervisor::exit_report::describe_exit;
use crate::session::supervisor::lifecycle::closing;
use crate::session::supervisor::stdio::StdioPump;
use crate::worker::data_ledger::DataLedger;
use crate::worker::data_link::DataLink;
use crate::worker::datum::Datum;
use crate::worker::frame::{Decoder, FrameError};
use crate::worker::scratch::ScratchPool;
use crate::worker::shared_page::SharedPage;
use crate::worker::wire::{HostMessage, WorkerAnswer, WorkerMessage};
use crate::worker::worker::{Worker, WorkerEnds};
use crate::worker::zygote::{Death, ForkRequest, Zygote};
use crate::worker::zygote_error::ZygoteError;

const WORKER_READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the standard error of a worker that died may take to be read.
pub(crate) const STDERR_DRAIN_TIMEOUT: Duration = Duration::from_millis(200);
/// How long the code of a session's setup may take, where its calls have no deadline.
const SETUP_TIMEOUT: Duration = Duration::from_secs(600);
/// How many zygotes in a row may be outdated.
const MAX_OUTDATED: usize = 2;
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
    pub(crate) data: Arc<DataLink>,
    pub(crate) death: oneshot::Receiver<Death>,
    /// Its parent, which must not end before it.
    pub(crate) zygote: Arc<Zygote>,
}

/// The worker's answers, as messages.
pub(crate) struct AnswerPipe {
    pipe: pipe::Receiver,
    data: Arc<DataLink>,
    ledger: Arc<DataLedger>,
    scratch: Arc<ScratchPool>,
    decoder: Decoder,
    buffer: BytesMut,
}

impl AnswerPipe {
    fn new(pipe: pipe::Receiver, data: Arc<DataLink>, inner: &SessionInner) -> AnswerPipe {
        let (ledger, scratch) = (inner.data.clone(), inner.scratch.clone());
        AnswerPipe {
            pipe,
            data,
            ledger,
            scratch,
            decoder: Decoder::default(),
            buffer: BytesMut::with_capacity(READ_BYTES),
        }
    }

    /// Waits for more bytes. Returns false once the worker has closed its end, or the pipe is broken.
    pub(crate) async fn read(&mut self) -> bool {
        self.buffer.reserve(READ_BYTES);
        matches!(self.pipe.read_buf(&mut self.buffer).await, Ok(1..))
    }

    /// The next message that was read whole; an error where the worker breaks the rules of the wire.
    pub(crate) fn next(&mut self) -> Result<Option<WorkerMessage>, FrameError> {
        let message = self.decoder.next(&mut self.buffer)?.map(WorkerMessage::decode);
        Ok(message.map(|message| self.with_memory(message)))
    }

    /// The message, with the memory that it names.
    fn with_memory(&self, mut message: WorkerMessage) -> WorkerMessage {
        let (answer, lent) = match &mut message {
            WorkerMessage::Answer { id, answer } => (answer, self.scratch.take(id.0)),
            WorkerMessage::NestedAnswer { answer, .. } => (answer, None),
            _ => return message,
        };
        match answer {
            WorkerAnswer::Data { number, descriptor } => {
                let datum = self.datum(*number, std::mem::take(descriptor), lent);
                *answer = WorkerAnswer::Datum(Box::new(datum));
            }
            _ => lent.into_iter().for_each(|unused| self.scratch.give_back(unused)),
        }
        message
    }

    fn datum(&self, number: u64, descriptor: DataDescriptor, lent: Option<Memory>) -> Result<Datum, Problem> {
        let lost = |error: &dyn Error| Problem::new(ErrorCode::DataLost, format!("the result is lost: {error}"));
        let memory = match (number, lent) {
            (0, Some(lent)) => {
                let lent = lent.refreshed().map_err(|error| lost(&error))?;
                self.ledger.hold_scratch(lent, descriptor.byte_length, self.scratch.clone())?
            }
            (_, unused) => {
                unused.into_iter().for_each(|unused| self.scratch.give_back(unused));
                self.ledger.hold(self.data.take(number).map_err(|error| lost(&error))?)?
            }
        };
        Datum::new(descriptor, memory).map_err(|error| lost(&error))
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
    let (zygote, forked) = fork(inner, epoch).await?;
    let WorkerEnds { worker, requests, answers, stdout, stderr, slots: page, host, data, death } = forked;
    let data = Arc::new(data);
    let stdio = Arc::new(StdioPump::new(stdout, stderr));
    let mut answers = AnswerPipe::new(answers, data.clone(), inner);
    let first = timeout(WORKER_READY_TIMEOUT, answers.first()).await;
    if let Ok(Some(WorkerMessage::Ready)) = first {
        let mut requests = requests;
        if let Some(setup) = &inner.config.setup
            && let Err(error) = set_up(inner, setup, &mut requests, &mut answers).await
        {
            let has_ended = matches!(error, ZygoteError::WorkerExited(_));
            let by_itself = has_ended && timeout(STDERR_DRAIN_TIMEOUT, worker.ended()).await.is_ok();
            if !by_itself {
                worker.kill();
                let _ = timeout(STDERR_DRAIN_TIMEOUT, worker.ended()).await;
            }
            stdio.drain_whole(inner);
            if !has_ended {
                return Err(error);
            }
            let death = timeout(STDERR_DRAIN_TIMEOUT, death).await.ok().and_then(Result::ok);
            let death = describe_exit(worker.pid(), death, &stdio.last_words(), None, !by_itself);
            return Err(ZygoteError::Setup(Box::new(ended_in_setup(death))));
        }
        tracing::debug!(pid = worker.pid(), epoch, took = ?began.elapsed(), "a worker is ready");
        return Ok(ReadyWorker { worker: Arc::new(worker), requests, answers, stdio, page, host, data, death, zygote });
    }
    worker.kill();
    let _ = timeout(STDERR_DRAIN_TIMEOUT, worker.ended()).await;
    stdio.drain_whole(inner);
    Err(match first {
        Err(_) => ZygoteError::WorkerTimeout(WORKER_READY_TIMEOUT),
        Ok(_) => ZygoteError::WorkerExited(stdio.stderr_tail()),
    })
}

/// Forks a worker from a zygote that has what the environment holds now.
async fn fork(inner: &SessionInner, epoch: u64) -> Result<(Arc<Zygote>, WorkerEnds), ZygoteError> {
    let (tag, handles) = (inner.handle_prefix.as_str(), inner.config.limits.handles);
    let mut outdated = 0;
    loop {
        let zygote = inner.zygote.get().await?;
        // An environment that changes all the time is taken as it is.
        let request = ForkRequest { tag, epoch, handles, check: outdated < MAX_OUTDATED };
        match timeout(WORKER_READY_TIMEOUT, Worker::fork(&zygote, &request)).await {
            Ok(Ok(forked)) => return Ok((zygote, forked)),
            Ok(Err(ZygoteError::Outdated(path))) => {
                tracing::info!(path, "the environment has changed: sessions start from a new zygote");
                outdated += 1;
                inner.zygote.forget(&zygote).await;
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                inner.zygote.forget(&zygote).await; // it is stopped, or busy with what it should never do
                return Err(ZygoteError::WorkerTimeout(WORKER_READY_TIMEOUT));
            }
        }
    }
}

/// Has the worker do what the session's options say, before any call.
async fn set_up(
    inner: &SessionInner,
    setup: &Bytes,
    requests: &mut pipe::Sender,
    answers: &mut AnswerPipe,
) -> Result<(), ZygoteError> {
    let mut frames = BytesMut::new();
    HostMessage::Setup(setup.clone()).encode(&mut frames);
    let within = inner.config.limits.deadline.unwrap_or(SETUP_TIMEOUT);
    let answered = timeout(within, async {
        requests.write_all(&frames).await.ok()?;
        answers.first().await
    });
    let answer = tokio::select! {
        answered = answered => answered,
        () = closing(inner) => return Err(ZygoteError::Exited),
    };
    match answer {
        Ok(Some(WorkerMessage::Answer { answer: WorkerAnswer::Object(_), .. })) => Ok(()),
        Ok(Some(WorkerMessage::Answer { answer: WorkerAnswer::Exception(body), .. })) => {
            Err(ZygoteError::Setup(Box::new(setup_failure(&body.contiguous()))))
        }
        Ok(_) => Err(ZygoteError::WorkerExited(String::new())),
        Err(_) => {
            let detail = format!("the session's setup did not end within {within:?}");
            Err(ZygoteError::Setup(Box::new(Problem::new(ErrorCode::DeadlineExceeded, detail))))
        }
    }
}

fn ended_in_setup(death: WorkerDeath) -> Problem {
    let detail = format!("the session's setup ended its process: {death}");
    Problem { death: Some(Box::new(death)), ..Problem::new(ErrorCode::WorkerDied, detail) }
}

fn setup_failure(body: &[u8]) -> Problem {
    #[derive(Deserialize)]
    struct Raised {
        detail: String,
        exception: PythonException,
    }

    match serde_json::from_slice(body) {
        Ok(Raised { detail, exception }) => {
            let detail = format!("the session's setup raised {detail}");
            Problem { exception: Some(Box::new(exception)), ..Problem::new(ErrorCode::PythonException, detail) }
        }
        Err(error) => Problem::new(ErrorCode::Internal, format!("the worker's answer cannot be read: {error}")),
    }
}
