//! A debugger in a session: debugpy, from the session's own environment, started by code that runs in it.

use beep_python_protocol::{Debugger, ErrorCode, Operation, Problem};
use serde::Deserialize;

use crate::session::call::{CallResult, Request};
use crate::session::session::Session;

/// The package that brings it.
const PACKAGE: &str = "debugpy";

/// What `_debugger.py` says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Told {
    Listening(Debugger),
    Missing(String),
    Failed(String),
}

/// Where the session's debugger listens; started where it is not yet, and with `install` installed where it is not
/// there. Waits for its turn in the session.
pub async fn debug(session: &Session, install: bool) -> Result<Debugger, Problem> {
    let mut told = listen(session).await?;
    if install && matches!(told, Told::Missing(_)) {
        session.shared.config.environments.install_own(vec![PACKAGE.to_owned()]).await?;
        told = listen(session).await?;
    }
    let detail = match told {
        Told::Listening(debugger) => return Ok(debugger),
        Told::Missing(why) if install => format!("debugpy was installed, and still cannot be imported: {why}"),
        Told::Missing(_) => {
            let environment = session.shared.config.environments.own().display();
            format!("debugpy is not installed in {environment}; ask with 'install': true to have it installed")
        }
        Told::Failed(why) => format!("debugpy does not listen: {why}"),
    };
    Err(Problem::new(ErrorCode::NoDebugger, detail))
}

async fn listen(session: &Session) -> Result<Told, Problem> {
    let body = br#"{"expression":"__import__('beep_python._debugger')._debugger.listen()"}"#;
    match session.call(Request::new(Operation::Evaluate, &body[..])).await.result {
        CallResult::Value(told) => serde_json::from_slice(&told.contiguous()).map_err(|_| replaced()),
        CallResult::Problem(problem) => Err(*problem),
        _ => Err(replaced()),
    }
}

fn replaced() -> Problem {
    Problem::new(ErrorCode::Internal, "the session's code has replaced what starts its debugger")
}
