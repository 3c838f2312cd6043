//! A debugger in a session: debugpy, from the session's own environment, started by code that runs in it.

use beep_python_protocol::{Debugger, ErrorCode, Operation, Problem};
use serde::Deserialize;

use crate::session::call::{CallResult, Request};
use crate::session::session::Session;

/// The package of the debugger.
const PACKAGE: &str = "debugpy";

/// The answer of `_debugger.py`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum DebuggerStatus {
    Listening(Debugger),
    Missing(String),
    Failed(String),
}

/// The address of the session's debugger, which is started if need be, and with `install` installed. Waits for its turn in
/// the session.
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
    match session.call(Request::new(Operation::Evaluate, &body[..])).await.result {
        CallResult::Value(status) => serde_json::from_slice(&status.contiguous()).map_err(|_| replaced()),
        CallResult::Problem(problem) => Err(*problem),
        _ => Err(replaced()),
    }
}

fn replaced() -> Problem {
    Problem::new(ErrorCode::Internal, "the session's code has replaced what starts its debugger")
}
