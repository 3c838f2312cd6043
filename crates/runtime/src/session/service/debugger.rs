//! A debugger in a session: debugpy, from the session's own environment, started by code that runs in it: by a call in its turn, or
//! before that by the call that runs.

use std::pin::pin;
use std::time::Duration;

use beep_python_protocol::{Debugger, ErrorCode, Operation, Problem};
use serde::Deserialize;
use tokio::time::sleep;

use crate::session::call::{CallResult, Request};
use crate::session::session::Session;

/// The package of the debugger.
const PACKAGE: &str = "debugpy";

/// After how long a session that has not answered is taken to be busy, and its running call is asked: at first, and at most later.
const PATIENCE: Duration = Duration::from_millis(50);
const LONGEST_PATIENCE: Duration = Duration::from_secs(1);

/// The answer of `_debugger.py`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum DebuggerStatus {
    Listening(Debugger),
    Missing(String),
    Failed(String),
}

/// The address of the session's debugger, which is started if need be, and with `install` installed. Waits until the main thread of the
/// session runs Python.
pub async fn debug(session: &Session, install: bool) -> Result<Debugger, Problem> {
    let mut status = listen(session).await?;
    if install && matches!(status, DebuggerStatus::Missing(_)) {
        session.inner.config.environments.install_own(vec![PACKAGE.to_owned()]).await?;
        status = listen(session).await?;
    }
    let detail = match status {
        DebuggerStatus::Listening(debugger) => return Ok(debugger),
        DebuggerStatus::Missing(why) if install => {
            format!("debugpy was installed, and still cannot be imported: {why}")
        }
        DebuggerStatus::Missing(_) => {
            let environment = session.inner.config.environments.own().display();
            format!("debugpy is not installed in {environment}; ask with 'install': true to have it installed")
        }
        DebuggerStatus::Failed(why) => format!("debugpy does not listen: {why}"),
    };
    Err(Problem::new(ErrorCode::NoDebugger, detail))
}

async fn listen(session: &Session) -> Result<DebuggerStatus, Problem> {
    let body = br#"{"expression":"__import__('beep_python._debugger')._debugger.listen()"}"#;
    let read = |status: &[u8]| serde_json::from_slice(status).map_err(|_| replaced());
    let mut told = session.inner.debugger.subscribe();
    // Once the running call has answered, this one is cancelled.
    let request = Request { cancel_on_disconnect: true, ..Request::new(Operation::Evaluate, &body[..]) };
    let mut call = pin!(session.call(request));
    let mut patience = PATIENCE;
    let asked = Asked(session);
    loop {
        tokio::select! {
            biased;
            response = &mut call => return match response.result {
                CallResult::Value(status) => read(&status.contiguous()),
                CallResult::Problem(problem) => Err(*problem),
                _ => Err(replaced()),
            },
            Ok(status) = told.recv() => return read(&status),
            () = sleep(patience) => {
                asked.0.inner.ask_for_debugger();
                patience = (patience * 2).min(LONGEST_PATIENCE);
            }
        }
    }
}

/// The wait for a debugger: when it ends, a call that comes later is not asked any more.
struct Asked<'a>(&'a Session);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.inner.withdraw_debugger();
    }
}

fn replaced() -> Problem {
    Problem::new(ErrorCode::Internal, "the session's code has replaced what starts its debugger")
}
