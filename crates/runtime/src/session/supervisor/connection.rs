//! One worker's time: its calls are passed on until it exits, and its exit is explained.

use std::sync::Arc;
use std::time::{Duration, Instant};

use beep_python_protocol::{ErrorCode, WorkerDeath};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};
use tracing::Instrument;

use crate::session::error::{KillReason, expired_error};
use crate::session::shared::{Link, SessionInner};
use crate::session::supervisor::callbacks::host::serve_host_calls;
use crate::session::supervisor::exit_report::describe_exit;
use crate::session::supervisor::lifecycle::{drained, idle_out};
use crate::session::supervisor::out_of_memory::OwnGroup;
use crate::session::supervisor::reader::read_messages;
use crate::session::supervisor::resource_monitor::{apply_kernel_limits, monitor_resources};
use crate::session::supervisor::spawn::{ReadyWorker, STDERR_DRAIN_TIMEOUT};
use crate::session::supervisor::stdio::StdioPump;
use crate::worker::cpu_affinity::WakeAffinity;
use crate::worker::worker::Worker;
use crate::worker::write_queue::WriteQueue;
use crate::worker::zygote::Death;

const EXIT_REPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The tasks of one worker.
struct WorkerTasks {
    writer: JoinHandle<()>,
    reader: JoinHandle<()>,
    host_calls: JoinHandle<()>,
    worker: Arc<Worker>,
}

impl Drop for WorkerTasks {
    /// Only a panic drops them before `stop_tasks` has ended them and the worker.
    fn drop(&mut self) {
        if std::thread::panicking() {
            [&self.writer, &self.reader, &self.host_calls].into_iter().for_each(JoinHandle::abort);
            self.worker.kill();
        }
    }
}

/// Passes on calls and answers until the worker is gone, then answers every call that it had.
pub(crate) async fn run_worker(inner: &Arc<SessionInner>, ready: ReadyWorker) -> WorkerExit {
    let span = tracing::info_span!("worker", pid = ready.worker.pid());
    run_within(inner, ready).instrument(span).await
}

async fn run_within(inner: &Arc<SessionInner>, ready: ReadyWorker) -> WorkerExit {
    let (worker, stdio, page) = (ready.worker.clone(), ready.stdio.clone(), ready.page.clone());
    let zygote = ready.zygote.clone(); // another may have taken its place
    let group = OwnGroup::of(worker.pid());
    apply_kernel_limits(worker.pid(), &inner.config.limits).await;
    let (requests, host) = (Arc::new(WriteQueue::default()), Arc::new(WriteQueue::default()));
    let link = Link { worker: worker.clone(), page, requests, host, data: ready.data.clone() };
    if !inner.link_up(link.clone()) {
        worker.kill();
    }
    let (mut tasks, death) = spawn_tasks(inner, ready, link);
    tokio::select! {
        () = worker.ended() => {}
        () = stdio.pump(inner) => {}
        // Without its link a worker is of no use, whatever it is still doing.
        _ = &mut tasks.reader => {}
        () = drained(inner) => {}
        () = monitor_resources(inner, worker.sampler()) => {}
        () = idle_out(inner) => {
            tracing::info!("the session was idle for as long as it may, and ends");
            let problem = expired_error(&inner.id, inner.config.idle_timeout.unwrap_or_default());
            inner.update(|state, _, effects| state.expire(problem, effects));
        }
    }
    stop_tasks(inner, &worker, &stdio, &mut tasks).await;
    zygote.resume();
    let death = timeout(EXIT_REPORT_TIMEOUT, death).await.ok().and_then(Result::ok);
    worker.kill_orphans(death.is_some());
    report_exit(inner, &worker, (death, group), &stdio)
}

fn spawn_tasks(inner: &Arc<SessionInner>, ready: ReadyWorker, link: Link) -> (WorkerTasks, oneshot::Receiver<Death>) {
    let ReadyWorker { worker, mut requests, answers, stdio, page, host, death, .. } = ready;
    let watched = worker.clone();
    let spin = inner.config.spin.clone();
    let mut affinity = WakeAffinity::new(worker, page);
    let before_write = move || {
        if spin.as_ref().is_some_and(|spin| spin.is_one_after_the_other()) {
            affinity.pin_to_current_cpu();
        }
    };
    let queue = link.requests;
    let span = tracing::Span::current();
    let writer = async move { drop(queue.write_to(&mut requests, before_write).await) };
    let host_calls = serve_host_calls(host, link.host, inner.clone(), stdio.clone());
    let tasks = WorkerTasks {
        worker: watched,
        writer: tokio::spawn(writer),
        // Not within the span: entering it would cost each answer some hundred instructions.
        reader: tokio::spawn(read_messages(inner.clone(), answers, stdio, span.clone())),
        host_calls: tokio::spawn(host_calls.instrument(span)),
    };
    (tasks, death)
}

/// Closes the link, upon which an idle worker exits as a program does (its threads are joined, its functions of `atexit` run), and
/// reads what is left of it.
async fn stop_tasks(inner: &SessionInner, worker: &Worker, stdio: &StdioPump, tasks: &mut WorkerTasks) {
    tasks.writer.abort();
    let by = inner.read(|state, _| state.ends_by()).unwrap_or_else(|| Instant::now() + inner.config.drain);
    if timeout_at(by.into(), stdio.pump_until_exit(worker, inner)).await.is_err() {
        stdio.tell(inner, "the end of the session took longer than it may: what had not ended was killed");
        worker.kill();
        stdio.pump_until_exit(worker, inner).await;
    }
    if !tasks.reader.is_finished() && timeout(STDERR_DRAIN_TIMEOUT, &mut tasks.reader).await.is_err() {
        tasks.reader.abort(); // something that the worker started holds its end open
    }
    tasks.host_calls.abort();
    stdio.drain_whole(inner);
}

/// Answers the calls that the worker had. Returns how it ended.
fn report_exit(
    inner: &SessionInner,
    worker: &Worker,
    (death, group): (Option<Death>, Option<OwnGroup>),
    stdio: &StdioPump,
) -> WorkerExit {
    let has_answered = inner.read(|state, _| state.stats().last_call_ended_at.is_some());
    let (kill_reason, closing) = inner.read(|state, _| (state.stats().kill_reason, state.lifecycle().is_closing()));
    let exit = describe_exit(worker.pid(), death, &stdio.last_words(), group.as_ref(), kill_reason.is_some());
    // What exceeds a limit while nothing runs will do so again as soon as it is replaced.
    let by_itself = matches!(kill_reason, None | Some(KillReason::LimitExceeded(_) | KillReason::BrokeLink));
    let is_unexpected = by_itself && !closing;
    log_exit(&exit, is_unexpected, kill_reason);
    inner.config.metrics.exited(&exit, kill_reason, closing);
    inner.link_down(&exit);
    let limit = match kill_reason {
        Some(KillReason::LimitExceeded(limit)) => Some(limit),
        _ => None,
    };
    WorkerExit { is_unexpected, has_answered, limit }
}

/// How a worker ended, as far as the next one is concerned.
pub(crate) struct WorkerExit {
    /// Neither the host nor a client wanted it.
    pub(crate) is_unexpected: bool,
    /// It had answered a call.
    pub(crate) has_answered: bool,
    /// The limit that it had passed while no call ran.
    pub(crate) limit: Option<ErrorCode>,
}

fn log_exit(exit: &WorkerDeath, unexpected: bool, kill_reason: Option<KillReason>) {
    let said = [Some(&*exit.stderr_tail), exit.fault.as_deref()].into_iter().flatten().filter(|text| !text.is_empty());
    match (kill_reason, said.collect::<Vec<_>>().join("\n").as_str()) {
        (Some(KillReason::LimitExceeded(limit)), _) => {
            tracing::warn!(%limit, "the session's {exit}: it passed a limit while no call ran");
        }
        (Some(why), _) => tracing::info!("the session's {exit}: {}", why.as_str()),
        (None, "") if unexpected => tracing::warn!("the session's {exit}"),
        (None, tail) if unexpected => tracing::warn!("the session's {exit}; it said: {tail}"),
        _ => tracing::info!("the session's {exit}"),
    }
}
