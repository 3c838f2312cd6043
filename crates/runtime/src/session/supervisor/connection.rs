//! One worker's time: its calls are passed on until it exits, and its exit is explained.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::WorkerDeath;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Instrument;

use crate::session::error::KillReason;
use crate::session::shared::{Link, SessionInner};
use crate::session::supervisor::callbacks::host::serve_host_calls;
use crate::session::supervisor::exit_report::describe_exit;
use crate::session::supervisor::lifecycle::{drained, idle_out};
use crate::session::supervisor::reader::read_messages;
use crate::session::supervisor::resource_monitor::{apply_kernel_limits, monitor_resources};
use crate::session::supervisor::spawn::{ReadyWorker, STDERR_DRAIN_TIMEOUT};
use crate::session::supervisor::stdio::StdioPump;
use crate::worker::cpu_affinity::WakeAffinity;
use crate::worker::worker::Worker;
use crate::worker::write_queue::WriteQueue;
use crate::worker::zygote::Death;

const EXIT_REPORT_TIMEOUT: Duration = Duration::from_secs(5);
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The tasks of one worker.
struct WorkerTasks {
    writer: JoinHandle<()>,
    reader: JoinHandle<()>,
    host_calls: JoinHandle<()>,
}

/// Passes on calls and answers until the worker is gone, then answers every call that it had. Returns whether the worker
/// exited unexpectedly.
pub(crate) async fn run_worker(inner: &Arc<SessionInner>, ready: ReadyWorker) -> bool {
    let span = tracing::info_span!("worker", pid = ready.worker.pid());
    run_within(inner, ready).instrument(span).await
}

async fn run_within(inner: &Arc<SessionInner>, ready: ReadyWorker) -> bool {
    let (worker, stdio, page) = (ready.worker.clone(), ready.stdio.clone(), ready.page.clone());
    apply_kernel_limits(worker.pid(), &inner.config.limits).await;
    let (requests, host) = (Arc::new(WriteQueue::default()), Arc::new(WriteQueue::default()));
    let link = Link { worker: worker.clone(), page, requests, host };
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
        () = monitor_resources(inner, worker.pid()) => {}
        () = idle_out(inner) => {
            tracing::info!("the session was idle for as long as it may, and ends");
            inner.update(|state, _, effects| state.close(effects));
        }
    }
    stop_tasks(inner, &worker, &stdio, &mut tasks).await;
    let death = timeout(EXIT_REPORT_TIMEOUT, death).await.ok().and_then(Result::ok);
    worker.kill_orphans();
    report_exit(inner, &worker, death, &stdio)
}

fn spawn_tasks(inner: &Arc<SessionInner>, ready: ReadyWorker, link: Link) -> (WorkerTasks, oneshot::Receiver<Death>) {
    let ReadyWorker { worker, mut requests, answers, stdio, page, host, death } = ready;
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
        writer: tokio::spawn(writer),
        // Not within the span: entering it would cost each answer some hundred instructions.
        reader: tokio::spawn(read_messages(inner.clone(), answers, stdio, span.clone())),
        host_calls: tokio::spawn(host_calls.instrument(span)),
    };
    (tasks, death)
}

/// Closes the link, upon which an idle worker exits, and reads what is left of it.
async fn stop_tasks(inner: &SessionInner, worker: &Worker, stdio: &StdioPump, tasks: &mut WorkerTasks) {
    tasks.writer.abort();
    if timeout(EXIT_TIMEOUT, stdio.pump_until_exit(worker, inner)).await.is_err() {
        worker.kill();
        stdio.pump_until_exit(worker, inner).await;
    }
    if !tasks.reader.is_finished() && timeout(STDERR_DRAIN_TIMEOUT, &mut tasks.reader).await.is_err() {
        tasks.reader.abort(); // something that the worker started holds its end open
    }
    tasks.host_calls.abort();
    stdio.drain(inner);
}

/// Answers the calls that the worker had. Returns whether it exited unexpectedly.
fn report_exit(inner: &SessionInner, worker: &Worker, death: Option<Death>, stdio: &StdioPump) -> bool {
    let (kill_reason, closing) = inner.read(|state, _| (state.stats().kill_reason, state.lifecycle().is_closing()));
    let exit = describe_exit(worker.pid(), death, stdio.stderr_tail(), kill_reason.is_some());
    // What exceeds a limit while nothing runs will do so again as soon as it is replaced.
    let by_itself = matches!(kill_reason, None | Some(KillReason::LimitExceeded(_)));
    let unexpected = by_itself && !closing;
    log_exit(&exit, unexpected);
    inner.link_down(&exit);
    unexpected
}

fn log_exit(exit: &WorkerDeath, unexpected: bool) {
    match (unexpected, exit.stderr_tail.as_str()) {
        (false, _) => tracing::info!("the session's {exit}"),
        (true, "") => tracing::warn!("the session's {exit}"),
        (true, tail) => tracing::warn!("the session's {exit}; it said: {tail}"),
    }
}
