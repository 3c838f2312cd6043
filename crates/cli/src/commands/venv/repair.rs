//! `venv repair`.

use anyhow::Result;
use beep_python_runtime::environment::{Environment, EnvironmentState};
use beep_python_runtime::interpreter::VersionRequest;

use super::describe::{changes_json, describe_state, environment_json};
use super::install::{owed_json, say_installed, say_notices};
use super::lack::lack_of;
use crate::context::Context;
use crate::environment::own_name;
use crate::exit_status::ExitStatus;
use crate::progress::packages::PackagesProgress;

pub(super) fn repair(context: &Context, name: &str, python: Option<&VersionRequest>) -> Result<ExitStatus> {
    let name = &own_name(context, name, "repaired")?;
    let progress = PackagesProgress::new(context);
    let environments = context.environments()?;
    let python_of = |environment: &Environment| environment.record.as_ref().map(|record| record.interpreter.clone());
    let had = environments.open(name).ok().as_ref().and_then(python_of);
    let environments = environments.with_progress(progress.sink());
    let repaired = environments.repair(name, python)?;
    drop(progress);
    // What its provider needs is installed by another command.
    let lack = environments.status(name).ok().and_then(|status| lack_of(&environments, &status));
    let has = python_of(&repaired.environment);
    let (word, reason) = describe_state(&repaired.was);
    let mut json = environment_json(&repaired.environment);
    json["was"] = word.clone().into();
    json["reason"] = reason.clone().into();
    let installed = &repaired.installed;
    json["changed"] = changes_json(&installed.changed, &installed.replaced);
    json["owed"] = owed_json(installed);
    json["unmet"] = repaired.unmet.clone().into();
    json["notices"] = installed.notices.clone().into();
    json["lacks"] = lack.as_ref().map(|lack| lack.what.as_str()).into();
    let is_whole = installed.owed.is_empty() && lack.is_none();
    context.printer.result(json, || {
        let printer = &context.printer;
        match &repaired.was {
            EnvironmentState::Healthy if has != had => {
                let record = repaired.environment.record.iter();
                record.for_each(|record| printer.line(format_args!("{name} now has Python {}", record.python)));
            }
            EnvironmentState::Healthy if !is_whole || !installed.changed.is_empty() => {}
            EnvironmentState::Healthy => printer.line(format_args!("Nothing was wrong with {name}")),
            _ if !installed.owed.is_empty() => {
                printer.line(format_args!("{name} is still damaged: what cannot be had stays as it is"));
            }
            _ => printer.line(format_args!("Repaired {name}, which was: {word} ({})", reason.unwrap_or_default())),
        }
        if !installed.changed.is_empty() {
            say_installed(context, name, installed);
        }
    });
    say_notices(context, installed);
    for requirement in &repaired.unmet {
        context.printer.note(format_args!("notice: {requirement}"));
    }
    if let Some(lack) = lack.filter(|_| repaired.unmet.is_empty()) {
        context.printer.note(format_args!("notice: {name} runs, but {}\nto fix it: {}", lack.what, lack.mend));
    }
    Ok(if is_whole { ExitStatus::Success } else { ExitStatus::Failure })
}
