//! `venv clone`.

use anyhow::Result;

use super::describe::environment_json;
use crate::context::Context;
use crate::environment::own_name;
use crate::exit_status::ExitStatus;

pub(super) fn copy(context: &Context, from: &str, to: &str) -> Result<ExitStatus> {
    let from = &own_name(context, from, "copied")?;
    let copy = context.environments()?.copy(from, to)?;
    context.printer.result(environment_json(&copy), || {
        context.printer.line(format_args!("Copied the environment {from} to {to}: {}", copy.path.display()));
    });
    Ok(ExitStatus::Success)
}
