//! What a session shows while no call runs that it belongs to: its threads, tasks and children, and its end.

use std::io::{IsTerminal, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::Result;
use beep_python_client::{AnyBackend, SessionEvent};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::screen::omission_mark;
use crate::async_runtime::block_on;
use crate::terminal::above_line::AboveLine;

/// An unfinished line is shown when nothing more comes for so long.
const QUIET_TIME: Duration = Duration::from_millis(500);

/// Follows a session on a thread of its own.
pub(crate) struct SessionOutput {
    pub(super) above: Arc<AboveLine>,
    /// The last epoch of whose beginning the prompt has told: a call of its own has ended the worker before.
    known: Arc<AtomicU64>,
    /// Disconnected when the session has ended, or cannot be followed any more.
    ended: Receiver<()>,
}

impl SessionOutput {
    /// Returns once everything that the session prints from now on will be seen, or if it cannot be followed.
    pub(crate) fn follow(client: AnyBackend, session: String) -> Result<SessionOutput> {
        let (above, known) = (Arc::new(AboveLine::new()), Arc::<AtomicU64>::default());
        let (shown, told_of) = (above.clone(), known.clone());
        let (told, ended) = channel::<()>();
        let (ready, follows) = channel::<()>();
        std::thread::Builder::new().name("session-output".into()).spawn(move || {
            let _told = told;
            let _ = block_on(async {
                let mut events = client.with_raw_output().session_events(&session).await?;
                drop(ready);
                loop {
                    match timeout(QUIET_TIME, events.next()).await {
                        // The error of the call that runs tells of it.
                        Ok(Some(Ok(SessionEvent::Restarted(epoch))))
                            if !shown.is_editing() || epoch.session_epoch <= told_of.load(Ordering::Relaxed) => {}
                        Ok(Some(Ok(event))) => show(event, &shown),
                        Ok(Some(Err(_)) | None) => break,
                        Err(_) => shown.flush(),
                    }
                }
                shown.flush();
                Ok(())
            });
        })?;
        let _ = follows.recv();
        Ok(SessionOutput { above, known, ended })
    }

    /// The session begins anew after this epoch, as the prompt has said.
    pub(super) fn has_told_of_end(&self, epoch: u64) {
        self.known.store(epoch + 1, Ordering::Relaxed);
    }

    /// Waits for what the session shows at its end.
    pub(crate) fn wait_for_end(&self, time: Duration) {
        let _ = self.ended.recv_timeout(time);
    }
}

fn show_error(bytes: &[u8], above: &AboveLine) {
    match stderr().is_terminal() {
        true => above.write(bytes),
        false => stderr().write_all(bytes).unwrap_or_default(),
    }
}

fn show(event: SessionEvent, above: &AboveLine) {
    match event {
        SessionEvent::Stdout(text) => above.write(text.as_bytes()),
        SessionEvent::StdoutBytes(bytes) => above.write(&bytes),
        SessionEvent::Stderr(text) => show_error(text.as_bytes(), above),
        SessionEvent::StderrBytes(bytes) => show_error(&bytes, above),
        SessionEvent::Omitted(bytes) => above.write(omission_mark(bytes).as_bytes()),
        SessionEvent::Display(display) if display.data.is_empty() => {} // a place for updates
        SessionEvent::Display(display) => above.write(format!("{}\n", display.text()).as_bytes()),
        SessionEvent::ClearOutput { .. } => above.clear(),
        SessionEvent::Restarted(epoch) => {
            // Where a client wanted it, the worker has ended as it should.
            let why = epoch
                .death
                .filter(|death| death.exit_code != Some(0))
                .map_or_else(String::new, |death| format!(": its {death}"));
            above.write(format!("The session was restarted{why}. It is empty now.\n").as_bytes());
        }
        _ => {}
    }
}
