//! The standard output and error of a worker, which are always drained: to the call that runs, else to the log.

use std::sync::Mutex;

use crate::session::output::{StderrTail, UnattributedOutputLog};
use crate::session::shared::{Link, SessionInner};
use crate::session::state::state::SessionState;
use crate::worker::output_pipe::{Drained, OutputPipe};
use crate::worker::wire::WireId;
use crate::worker::worker::Worker;

/// Reads what a worker writes.
#[derive(Debug)]
pub(crate) struct StdioPump {
    stdout: OutputPipe,
    stderr: OutputPipe,
    tail: Mutex<StderrTail>,
    unattributed: Mutex<UnattributedOutputLog>,
}

impl StdioPump {
    pub(crate) fn new(stdout: OutputPipe, stderr: OutputPipe) -> StdioPump {
        StdioPump { stdout, stderr, tail: Mutex::default(), unattributed: Mutex::default() }
    }

    /// Drains pending output into the running call, or into the log when idle. Returns true when there is more.
    pub(crate) fn drain(&self, inner: &SessionInner) -> bool {
        inner.update(|state, link, _| self.drain_into(state, link, &inner.id))
    }

    /// The same, within a transition.
    pub(crate) fn drain_into(&self, state: &mut SessionState, link: Option<&Link>, session: &str) -> bool {
        let mut more = false;
        let running = || link.map(|link| WireId(link.page.running()));
        for (stderr, output) in [(false, &self.stdout), (true, &self.stderr)] {
            let drained = output.drain(running, |call, bytes| {
                if stderr {
                    self.tail.lock().expect("no panic while held").push(bytes);
                }
                if !call.is_some_and(|call| state.record_output(call, stderr, bytes)) {
                    self.unattributed.lock().expect("no panic while held").log(session, stderr, bytes);
                }
            });
            more |= drained == Drained::More;
        }
        more
    }

    /// Drains output as it comes, so that the worker never blocks. Returns once no writer is left.
    pub(crate) async fn pump(&self, inner: &SessionInner) {
        loop {
            tokio::select! {
                () = self.stdout.readable() => {}
                () = self.stderr.readable() => {}
            }
            while self.drain(inner) {
                tokio::task::yield_now().await;
            }
            if self.stdout.is_closed() && self.stderr.is_closed() {
                return;
            }
        }
    }

    /// Drains output until the worker has exited.
    pub(crate) async fn pump_until_exit(&self, worker: &Worker, inner: &SessionInner) {
        tokio::select! {
            () = worker.ended() => return,
            () = self.pump(inner) => {}
        }
        worker.ended().await;
    }

    /// The last lines on standard error.
    pub(crate) fn stderr_tail(&self) -> String {
        self.tail.lock().expect("no panic while held").text()
    }
}
