//! `venv clone`.

use anyhow::Result;

use super::environment_fact;
use crate::Ended;
use crate::context::Context;

pub(super) fn copy(context: &Context, from: &str, to: &str) -> Result<Ended> {
    let copy = context.environments()?.copy(from, to)?;
    context.printer.fact(environment_fact(&copy), || {
        context.printer.line(format_args!("Copied the environment {from} to {to}: {}", copy.path.display()));
    });
    Ok(Ended::Done)
}
