//! `venv freeze`.

use anyhow::Result;
use serde_json::json;

use crate::context::Context;
use crate::environment::environment_for;
use crate::exit_status::ExitStatus;

pub(super) fn freeze(context: &Context, name: &str) -> Result<ExitStatus> {
    let environment = environment_for(context, Some(name))?;
    let requirements = context.environments()?.freeze(&environment);
    context.printer.result(json!(requirements), || requirements.iter().for_each(|line| context.printer.line(line)));
    Ok(ExitStatus::Success)
}
