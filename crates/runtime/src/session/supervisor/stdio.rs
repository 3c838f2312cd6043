//! The standard output and error of a worker, which are always drained: to the call that runs, else to the session's subscribers and the log.

use parking_lot::{Mutex, MutexGuard};

use crate::session::crash_report::CrashReportFilter;
use crate::session::output::UnattributedOutputLog;
use crate::session::shared::{Link, SessionInner};
use crate::session::state::state::SessionState;
use crate::session::supervisor::last_words::LastWords;
use crate::worker::output_pipe::{Drained, OutputPipe};
use crate::worker::wire::WireId;
use crate::worker::worker::Worker;

/// Reads what a worker writes.
#[derive(Debug)]
pub(crate) struct StdioPump {
    stdout: OutputPipe,
    stderr: OutputPipe,
    tail: Mutex<LastWords>,
    /// With the call that the last of standard error was of.
    reports: Mutex<(Option<WireId>, CrashReportFilter)>,
    unattributed: Mutex<UnattributedOutputLog>,
}

impl StdioPump {
    pub(crate) fn new(stdout: OutputPipe, stderr: OutputPipe) -> StdioPump {
        StdioPump { stdout, stderr, tail: Mutex::default(), reports: Mutex::default(), unattributed: Mutex::default() }
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
                self.record(state, call, stderr, bytes, session);
            });
            more |= drained == Drained::More;
        }
        more
    }

    /// Drains where a message of the worker comes next, or nothing: what is held goes too.
    pub(crate) fn drain_whole(&self, inner: &SessionInner) {
        inner.update(|state, link, _| {
            self.drain_into(state, link, &inner.id);
            let (of, reports) = &mut *self.reports.lock();
            self.give(state, *of, true, &reports.flush(), &inner.id);
        });
    }

    /// Takes what a worker has sent as the output of a call, whichever runs. Earlier output comes first.
    pub(crate) fn take(&self, inner: &SessionInner, of: WireId, stderr: bool, bytes: &[u8]) {
        inner.update(|state, link, _| {
            self.drain_into(state, link, &inner.id);
            self.record(state, Some(of), stderr, bytes, &inner.id);
        });
    }

    /// Says something to those who read the session's standard error.
    pub(crate) fn tell(&self, inner: &SessionInner, what: &str) {
        inner.update(|state, _, _| {
            self.record(state, None, true, format!("beep-python: {what}\n").as_bytes(), &inner.id)
        });
    }

    /// Gives output to its call, without what a report of a crash has of our own.
    fn record(&self, state: &mut SessionState, call: Option<WireId>, stderr: bool, bytes: &[u8], session: &str) {
        if !stderr {
            return self.give(state, call, stderr, bytes, session);
        }
        self.tail.lock().push(bytes);
        let (of, reports) = &mut *self.reports.lock();
        if *of != call {
            self.give(state, *of, stderr, &reports.flush(), session);
            (*of, *reports) = (call, CrashReportFilter::default());
        }
        self.give(state, call, stderr, &reports.pass(bytes), session);
    }

    /// Gives output to its call; to the session's subscribers and the log where that has ended or there is none.
    fn give(&self, state: &mut SessionState, call: Option<WireId>, stderr: bool, bytes: &[u8], session: &str) {
        if !bytes.is_empty() && !state.record_output(call, stderr, bytes) {
            self.unattributed.lock().log(session, stderr, bytes);
        }
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

    /// What it wrote last to standard error.
    pub(crate) fn last_words(&self) -> MutexGuard<'_, LastWords> {
        self.tail.lock()
    }

    /// The last lines on standard error.
    pub(crate) fn stderr_tail(&self) -> String {
        self.tail.lock().tail()
    }
}
