//! `venv delete`.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::Result;
use beep_python_server::launch::stop;
use serde_json::json;

use crate::Ended;
use crate::complaint::Complaint;
use crate::context::Context;
use crate::server::{grace_of, running};

pub(super) fn delete(context: &Context, name: &str, yes: bool) -> Result<Ended> {
    let home = context.home()?;
    let environments = context.environments()?;
    let environment = environments.open(name)?;
    let users: Vec<_> =
        running(&home)?.into_iter().filter(|(record, _)| record.environment_path == environment.path).collect();
    if !yes {
        let stops = match users.len() {
            0 => String::new(),
            1 => " and stop the server that uses it".to_owned(),
            number => format!(" and stop the {number} servers that use it"),
        };
        if !confirmed(&format!("Delete {}{stops}?", environment.path.display()))? {
            return Err(Complaint::Unconfirmed(name.into()).into());
        }
    }
    for (record, _) in &users {
        stop(&home, record, grace_of(record))?;
    }
    environments.delete(name)?;
    let stopped: Vec<_> = users.iter().map(|(record, _)| record.id.as_str()).collect();
    let fact = json!({"name": name, "path": environment.path, "stopped": stopped});
    context.printer.fact(fact, || {
        for id in &stopped {
            context.printer.line(format_args!("Stopped the server {id}"));
        }
        context.printer.line(format_args!("Deleted the environment {name}"));
    });
    Ok(Ended::Done)
}

/// Asks on the terminal; where there is none, nobody agrees.
pub(super) fn confirmed(question: &str) -> Result<bool> {
    let (input, mut output) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() || !output.is_terminal() {
        return Ok(false);
    }
    write!(output, "{question} [y/N] ")?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
