//! `venv admin`.

use anyhow::Result;
use beep_python_runtime::interpreter::VersionRequest;
use serde_json::json;

use super::describe::{environment_json, packages_json};
use crate::context::Context;
use crate::environment::interpreter_for;
use crate::exit_status::ExitStatus;

pub(super) fn admin(context: &Context, python: Option<&VersionRequest>) -> Result<ExitStatus> {
    let interpreter = interpreter_for(context, python)?;
    let outcome = context.environments()?.admin(&interpreter)?;
    let mut json = environment_json(&outcome.environment);
    json["created"] = outcome.created.into();
    json["packages"] = packages_json(&outcome.packages);
    json["missing"] = outcome.missing.iter().map(|p| json!({"name": p.name, "reason": p.reason})).collect();
    let printer = &context.printer;
    printer.result(json, || {
        let done = if outcome.created { "Created" } else { "Found" };
        printer.line(format_args!("{done} the environment admin: {}", outcome.environment.path.display()));
        for package in &outcome.packages {
            printer.line(format_args!("  {} {}", package.name, package.version));
        }
    });
    for package in &outcome.missing {
        printer.note(format_args!("notice: {} could not be installed: {}", package.name, package.reason));
    }
    Ok(if outcome.missing.is_empty() { ExitStatus::Success } else { ExitStatus::Failure })
}
