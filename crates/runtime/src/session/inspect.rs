//! Inspecting a session while it is busy: the stack of every thread of its worker, without stopping it.

use std::time::Duration;

use beep_python_protocol::{CallInfo, ThreadStack};

use crate::session::session::Session;
use crate::session::shared::running;
use crate::worker::stack_dump::stacks;

/// How many waiting calls are listed.
const MAX_LISTED: usize = 100;

impl Session {
    /// The stacks of all threads of its worker; none where there is no worker, or it does not answer in time.
    ///
    /// They are written by the interpreter's own fault handler, which runs even while native code does.
    pub async fn stacks(&self) -> Vec<ThreadStack> {
        // One at a time: all of a worker's dumps go to the same memory.
        let _turn = self.inner.inspecting.lock().await;
        match self.inner.read(|_, link| link.cloned()) {
            Some(link) => stacks(&link.worker, &link.page).await,
            None => Vec::new(),
        }
    }

    /// For how long the running call has run; `None` while none does.
    pub fn running_for(&self) -> Option<Duration> {
        self.inner.read(|state, link| state.running_for(running(link), std::time::Instant::now()))
    }

    /// The running call, and the first of those that wait, in the order of their turns.
    pub fn calls(&self) -> (Option<CallInfo>, Vec<CallInfo>) {
        self.inner.read(|state, link| state.describe_calls(running(link), MAX_LISTED, std::time::Instant::now()))
    }
}
