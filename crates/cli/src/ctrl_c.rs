//! Ctrl-C while code runs: it is the code's, as under Python.

use std::cell::Cell;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use beep_python_client::protocol::message::CancelOutcome;
use beep_python_client::{AnyBackend, Error};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use signal_hook::consts::SIGINT;

use crate::signals::{Received, Signals};

/// How many times the code is interrupted. The next Ctrl-C kills its worker.
pub(crate) const INTERRUPTS: u32 = 2;
/// How long the server may take to kill a worker.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);
/// A call may not have arrived yet when Ctrl-C is pressed.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Passes Ctrl-C on to one call.
pub(crate) struct CtrlC {
    client: AnyBackend,
    /// The id that the call must have.
    pub(crate) request_id: String,
    /// How many times it was pressed.
    pub(crate) presses: Cell<u32>,
}

impl CtrlC {
    pub(crate) fn new(client: &AnyBackend) -> CtrlC {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let request_id = format!("eval-{}-{}", std::process::id(), now.as_nanos());
        CtrlC { client: client.clone(), request_id, presses: Cell::new(0) }
    }

    /// Runs the call to its end, or to a signal that ends the command: the error has its number. Ctrl-C ends it after the one
    /// that kills the worker.
    pub(crate) async fn pass_on<T>(&self, mut signals: Signals, call: impl Future<Output = T>) -> Result<T, i32> {
        let mut call = pin!(call);
        let mut passing = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                ended = &mut call => return Ok(ended),
                received = signals.next() => {
                    match received {
                        Received::CtrlC => self.presses.set(self.presses.get() + 1),
                        Received::End(number) => return Err(number),
                    }
                    if self.presses.get() > INTERRUPTS + 1 {
                        return Err(SIGINT);
                    }
                    passing.push(pass(&self.client, &self.request_id, self.presses.get() > INTERRUPTS));
                }
                Some(killed) = passing.next() => {
                    if killed {
                        return tokio::time::timeout(KILL_TIMEOUT, call).await.map_err(|_| SIGINT);
                    }
                }
            }
        }
    }
}

/// Passes one Ctrl-C on to a call: it is interrupted, or its worker killed. Returns whether it is the latter.
pub(crate) async fn pass(client: &AnyBackend, request_id: &str, kill: bool) -> bool {
    let passed = async || -> Result<CancelOutcome, Error> {
        match kill {
            true => client.with_grace(Duration::ZERO).cancel(request_id).await,
            false => client.press_ctrl_c(request_id).await,
        }
    };
    let passing = async {
        while let Ok(CancelOutcome::NotFound) = passed().await {
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    };
    match kill {
        true => drop(tokio::time::timeout(KILL_TIMEOUT, passing).await),
        false => passing.await,
    }
    kill
}
