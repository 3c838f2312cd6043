//! A session's life: a worker, its death, the next worker.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, Outcome, Problem};
use bytes::BytesMut;
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::session::call::CallResult;
use crate::session::effective_limits::EffectiveLimits;
use crate::session::error::{KillReason, stopped};
use crate::session::event_channel::Event;
use crate::session::limits::{confine, watch};
use crate::session::output::{StderrTail, UnattributedOutputLog};
use crate::session::session::{Lifecycle, SessionInner};
use crate::session::state::state::{Connection, Queue};
use crate::session::supervisor::callbacks::host;
use crate::session::supervisor::exit_report::describe;
use crate::session::zygote_pool::ZygoteSlot;
use crate::worker::cpu_affinity::WakeAffinity;
use crate::worker::frame::{Body, Decoder, HEADER_BYTES, Message, kind};
use crate::worker::shared_page::SharedPage;
use crate::worker::worker::{Drained, Output, Worker, WorkerEnds};
use crate::worker::write_queue::WriteQueue;
use crate::worker::zygote::{Death, ZygoteError};

const WORKER_READY_WITHIN: Duration = Duration::from_secs(60);
const DEATH_REPORT_WITHIN: Duration = Duration::from_secs(5);
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(200);
const EXIT_WITHIN: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 64 << 10;

/// A worker that dies by itself within this time of its start has died quickly.
const QUICK_DEATH: Duration = Duration::from_secs(5);
/// So many quick deaths in a row are put up with; after each further one the next worker waits twice as long.
const QUICK_DEATHS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Runs until the session is closed.
pub(crate) async fn live(shared: Arc<SessionInner>) {
    let zygotes = shared.zygotes.clone();
    let mut quick_deaths = 0;
    loop {
        let mut begun = begin(&shared, &zygotes).await;
        if let Err(ZygoteError::Exited | ZygoteError::WorkerExited(_)) = begun {
            begun = begin(&shared, &zygotes).await; // it was killed just then, which need not happen again
        }
        match begun {
            Ok(fresh) => {
                if !enter(&shared, Lifecycle::Running { pid: fresh.worker.pid() }) {
                    fresh.worker.kill();
                }
                let began = Instant::now();
                let by_itself = serve(&shared, fresh).await;
                quick_deaths = if by_itself && began.elapsed() < QUICK_DEATH { quick_deaths + 1 } else { 0 };
            }
            Err(error) => {
                let problem = Problem::new(
                    ErrorCode::WorkerUnavailable,
                    format!("no worker could be started: {}", chain(&error)),
                );
                tracing::error!(session = shared.id, "{}", problem.detail);
                enter(&shared, Lifecycle::Failed { problem: problem.clone() });
                shared.queue().fail_waiting(&problem);
                if !matches!(*shared.stage.borrow(), Lifecycle::Closing) {
                    shared.wanted.notified().await;
                }
            }
        }
        if !enter(&shared, Lifecycle::Starting) {
            break;
        }
        if quick_deaths > QUICK_DEATHS {
            pause(&shared, quick_deaths - QUICK_DEATHS).await;
        }
    }
    shared.queue().fail_waiting(&Problem::new(ErrorCode::ShuttingDown, "the session was closed"));
    shared.closed();
}

/// Waits before the next worker, as long as this many quick deaths too many ask for.
async fn pause(shared: &SessionInner, deaths: u32) {
    let pause = FIRST_PAUSE.saturating_mul(1 << (deaths - 1).min(16)).min(LONGEST_PAUSE);
    tracing::warn!(session = shared.id, "workers die as soon as they begin; the next one begins in {pause:?}");
    let mut stage = shared.stage.subscribe();
    let _ = timeout(pause, stage.wait_for(|stage| matches!(stage, Lifecycle::Closing))).await;
}

/// Returns when the session has been idle for as long as it may.
async fn idle_out(shared: &SessionInner) {
    let Some(most) = shared.config.idle_timeout else { return std::future::pending().await };
    loop {
        let idle = shared.queue().idle();
        match idle {
            Some(idle) if idle >= most => return,
            idle => tokio::time::sleep(most - idle.unwrap_or_default()).await,
        }
    }
}

/// An error with what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Moves on to a stage; false when the session is closing, which no other stage follows.
fn enter(shared: &SessionInner, next: Lifecycle) -> bool {
    shared.stage.send_if_modified(|stage| match stage {
        Lifecycle::Closing | Lifecycle::Closed => false,
        _ => {
            *stage = next;
            true
        }
    })
}

/// A worker that has said that it is ready.
struct Fresh {
    worker: Arc<Worker>,
    requests: pipe::Sender,
    answers: pipe::Receiver,
    outputs: Arc<StdioPump>,
    slots: Arc<SharedPage>,
    /// Calls from Python to this host, and their answers.
    host: (pipe::Receiver, pipe::Sender),
    death: oneshot::Receiver<Death>,
}

async fn begin(shared: &Arc<SessionInner>, zygotes: &ZygoteSlot) -> Result<Fresh, ZygoteError> {
    let epoch = shared.queue().epoch;
    let zygote = zygotes.get().await?;
    let forked =
        timeout(WORKER_READY_WITHIN, Worker::fork(&zygote, &shared.tag, epoch, shared.config.limits.handles)).await;
    let forked = match forked {
        Ok(forked) => forked?,
        Err(_) => {
            zygotes.forget(&zygote).await; // it is stopped, or busy with what it should never do
            return Err(ZygoteError::WorkerTimeout(WORKER_READY_WITHIN));
        }
    };
    let WorkerEnds { worker, requests, mut answers, stdout, stderr, slots, host, death } = forked;
    let outputs = Arc::new(StdioPump { stdout, stderr, tail: Mutex::default(), idle: Mutex::default() });
    let mut header = [0u8; HEADER_BYTES];
    let said_ready = async {
        answers.read_exact(&mut header).await?;
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        answers.read_exact(&mut vec![0; length.min(READ_BYTES)]).await
    };
    match timeout(WORKER_READY_WITHIN, said_ready).await {
        Ok(Ok(_)) if header[4] == kind::READY => {
            Ok(Fresh { worker: Arc::new(worker), requests, answers, outputs, slots, host, death })
        }
        outcome => {
            worker.kill();
            let _ = timeout(LAST_WORDS_WITHIN, worker.ended()).await;
            outputs.drain(&mut shared.queue(), shared);
            Err(match outcome {
                Err(_) => ZygoteError::WorkerTimeout(WORKER_READY_WITHIN),
                Ok(_) => ZygoteError::WorkerExited(outputs.tail()),
            })
        }
    }
}

/// Passes calls and answers until the worker is gone, then tells everyone who waits. True when it ended by itself.
async fn serve(shared: &Arc<SessionInner>, fresh: Fresh) -> bool {
    let Fresh { worker, mut requests, answers, outputs, slots, host, death } = fresh;
    let outbox = Arc::new(WriteQueue::default());
    let writer = tokio::spawn({
        let (outbox, traffic) = (outbox.clone(), shared.config.traffic.clone());
        let mut near = WakeAffinity::new(worker.clone(), slots.clone());
        let draw_near = move || {
            if traffic.as_ref().is_some_and(|traffic| traffic.is_one_after_the_other()) {
                near.pin_to_current_cpu();
            }
        };
        async move { outbox.write_to(&mut requests, draw_near).await }
    });
    let host_calls = tokio::spawn(host::answer(host.0, host.1, shared.clone(), outputs.clone()));
    confine(worker.pid(), &shared.config.limits).await;
    shared.queue().connect(Connection { worker: worker.clone(), outbox, slots });
    let mut reader = tokio::spawn(read_answers(shared.clone(), answers, outputs.clone()));
    let mut stage = shared.stage.subscribe();
    let finished = async {
        let _ = stage.wait_for(|stage| matches!(stage, Lifecycle::Closing)).await;
        while shared.queue().len() > 0 {
            shared.wanted.notified().await;
        }
    };
    tokio::select! {
        () = worker.ended() => {}
        () = outputs.follow(shared) => {}
        // Without its link a worker is of no use, whatever it is still doing.
        _ = &mut reader => {}
        () = finished => {}
        () = watch(shared, worker.pid()) => {}
        () = idle_out(shared) => {
            tracing::info!(session = shared.id, "the session was idle for as long as it may, and ends");
            enter(shared, Lifecycle::Closing);
        }
    }
    writer.abort(); // closes the link, upon which a worker that is at rest exits
    if timeout(EXIT_WITHIN, outputs.until(&worker, shared)).await.is_err() {
        worker.kill();
        outputs.until(&worker, shared).await;
    }
    if !reader.is_finished() && timeout(LAST_WORDS_WITHIN, &mut reader).await.is_err() {
        reader.abort(); // something that the worker started holds its end open
    }
    host_calls.abort();
    outputs.drain(&mut shared.queue(), shared);
    let death = timeout(DEATH_REPORT_WITHIN, death).await.ok().and_then(Result::ok);
    worker.kill_orphans();
    let killed = shared.queue().killed();
    let death = describe(worker.pid(), death, outputs.tail(), killed.is_some());
    // What passes a limit while nothing runs will do so again as soon as it is replaced.
    let ended_itself = matches!(killed, None | Some(KillReason::Limit(_)));
    let by_itself = ended_itself && !matches!(*shared.stage.borrow(), Lifecycle::Closing);
    if by_itself {
        let said =
            if death.stderr_tail.is_empty() { String::new() } else { format!("; it said: {}", death.stderr_tail) };
        tracing::warn!(session = shared.id, "the session's {death}{said}");
    } else {
        tracing::info!(session = shared.id, "the session's {death}");
    }
    shared.queue().disconnect(&death);
    by_itself
}

/// Reads answers until the worker closes its end, or breaks the wire's rules.
async fn read_answers(shared: Arc<SessionInner>, mut answers: pipe::Receiver, outputs: Arc<StdioPump>) {
    let mut decoder = Decoder::default();
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        buffer.reserve(READ_BYTES);
        match answers.read_buf(&mut buffer).await {
            Ok(1..) => {}
            _ => return,
        }
        let mut drained = false;
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(message)) => {
                    if !drained {
                        // What a call wrote comes before its answer. A worker begins no further call before the output of
                        // the one before was taken, so all that belongs to what was read here is there now.
                        outputs.drain(&mut shared.queue(), &shared);
                        drained = true;
                    }
                    take_message(&shared, message);
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(session = shared.id, "{error}");
                    return;
                }
            }
        }
    }
}

fn take_message(shared: &SessionInner, message: Message) {
    let mut queue = shared.queue();
    let Message { kind, id, body, .. } = message;
    match kind {
        kind::DISPLAY => drop(queue.tell(id, Event::Display(body))),
        kind::ITEM => drop(queue.tell(id, Event::Item(body))),
        kind::ITEM_HANDLE => drop(queue.tell(id, Event::ItemHandle(body))),
        kind::NESTED_ANSWER => queue.complete_nested(body, read_answer_within),
        _ => {
            queue.complete(id, |stopping, caps| read_answer_within(caps, kind, body, stopping));
            if queue.len() == 0 && matches!(*shared.stage.borrow(), Lifecycle::Closing) {
                shared.wanted.notify_one();
            }
        }
    }
}

/// An answer as its frame says it, unless it is larger than it may be.
fn read_answer_within(caps: &EffectiveLimits, kind: u8, body: Body, stopping: Option<ErrorCode>) -> CallResult {
    let is_result = matches!(kind, kind::VALUE | kind::FLOATS | kind::FLOAT_ROWS);
    let Some(most) = caps.result.filter(|&most| is_result && body.len() as u64 > most) else {
        return read_answer(kind, body, stopping);
    };
    let detail = format!("the result has {} bytes, more than the {most} that this call may send", body.len());
    CallResult::Problem(Box::new(Problem::new(ErrorCode::ResultTooLarge, detail)))
}

/// An answer as its frame says it.
fn read_answer(kind: u8, body: Body, stopping: Option<ErrorCode>) -> CallResult {
    match kind {
        kind::VALUE => CallResult::Value(body),
        kind::HANDLE => CallResult::Handle(body),
        kind::OBJECT => CallResult::Object(body),
        kind::FLOATS => CallResult::Floats(body),
        kind::FLOAT_ROWS => CallResult::FloatRows(body),
        kind::EXCEPTION => CallResult::Exception(body),
        kind::CANCELLED => {
            let outcome = if body.is_empty() { Outcome::NotStarted } else { Outcome::StateKept };
            CallResult::Problem(Box::new(stopped(stopping.unwrap_or(ErrorCode::Cancelled), outcome)))
        }
        kind::REFUSED => CallResult::Problem(Box::new(refused(&body.contiguous()))),
        other => {
            let detail = format!("the worker sent an answer of the unknown kind {other}");
            CallResult::Problem(Box::new(Problem::new(ErrorCode::Internal, detail)))
        }
    }
}

#[derive(Deserialize)]
struct Refused {
    code: ErrorCode,
    detail: String,
}

fn refused(body: &[u8]) -> Problem {
    match serde_json::from_slice::<Refused>(body) {
        Ok(refused) => Problem::new(refused.code, refused.detail),
        Err(error) => Problem::new(ErrorCode::Internal, format!("the worker's refusal cannot be read: {error}")),
    }
}

/// What a worker writes to its standard output and error.
#[derive(Debug)]
pub(crate) struct StdioPump {
    stdout: Output,
    stderr: Output,
    tail: Mutex<StderrTail>,
    idle: Mutex<UnattributedOutputLog>,
}

impl StdioPump {
    /// Takes what was written until now: to the call that runs, else to the log. True when there is more.
    pub(crate) fn drain(&self, queue: &mut Queue, shared: &SessionInner) -> bool {
        let mut more = false;
        let slots = queue.slots();
        let running = || slots.as_ref().map(|slots| slots.running());
        for (stderr, output) in [(false, &self.stdout), (true, &self.stderr)] {
            let drained = output.drain(running, |call, bytes| {
                if stderr {
                    self.tail.lock().expect("no panic while held").push(bytes);
                }
                if !call.is_some_and(|call| queue.take_output(call, stderr, bytes)) {
                    self.idle.lock().expect("no panic while held").log(&shared.id, stderr, bytes);
                }
            });
            more |= drained == Drained::More;
        }
        more
    }

    /// Takes what is written, as it comes, so that the worker is never held up; returns when nobody can write any more.
    async fn follow(&self, shared: &SessionInner) {
        loop {
            tokio::select! {
                () = self.stdout.readable() => {}
                () = self.stderr.readable() => {}
            }
            while self.drain(&mut shared.queue(), shared) {
                tokio::task::yield_now().await;
            }
            if self.stdout.is_closed() && self.stderr.is_closed() {
                return;
            }
        }
    }

    /// Follows the outputs until the worker has ended.
    async fn until(&self, worker: &Worker, shared: &SessionInner) {
        tokio::select! {
            () = worker.ended() => return,
            () = self.follow(shared) => {}
        }
        worker.ended().await;
    }

    fn tail(&self) -> String {
        self.tail.lock().expect("no panic while held").text()
    }
}
