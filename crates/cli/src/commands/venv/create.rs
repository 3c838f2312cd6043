//! `venv create`.

use anyhow::Result;
use beep_python_runtime::environment::Requirements;
use beep_python_runtime::interpreter::VersionRequest;

use super::describe::{changes_json, environment_json};
use super::install::{say_installed, say_notices};
use super::options::InstallArgs;
use crate::context::Context;
use crate::environment::interpreter_for;
use crate::exit_status::ExitStatus;
use crate::terminal::shell_words::sh_quote;

pub(super) fn create(
    context: &Context,
    name: &str,
    model: Option<&str>,
    python: Option<&VersionRequest>,
    with: &[String],
    install: &InstallArgs,
) -> Result<ExitStatus> {
    let wanted = Requirements::new(with)?;
    let interpreter = interpreter_for(context, python)?;
    let (tell, options) = (&install.source.tell, install.options());
    let progress = tell.progress(context);
    let environments = context.environments()?.with_progress(progress.sink()).with_install_options(options);
    let made = match model {
        Some(_) => environments.create_for_provider(name, model, &interpreter)?,
        None => environments.create(name, &interpreter)?,
    };
    let mut json = environment_json(&made);
    let installed = match wanted.is_empty() {
        true => None,
        // All packages, or no environment.
        false => Some(environments.install(&made, &wanted).inspect_err(|_| {
            let _ = environments.delete(&made.name);
        })?),
    };
    drop(progress);
    if let Some(installed) = &installed {
        json["changed"] = changes_json(&installed.changed, &installed.replaced);
    }
    context.printer.result(json, || {
        if tell.quiet {
            return;
        }
        let (path, version) = (made.path.display(), interpreter.version);
        let of =
            model.map_or_else(String::new, |model| format!(", of the provider {name:?} with the model {model:?},"));
        context.printer.line(format_args!("Created the environment {}{of} with Python {version}: {path}", made.name));
        if model.is_some() {
            context
                .printer
                .note("notice: two names are a provider and its model; give one name for an environment of your own.");
        }
        if let Some(installed) = &installed {
            say_installed(context, &made.name, installed);
        }
        context.printer.line(format_args!("Activate it with:  . {}", sh_quote(&format!("{path}/bin/activate"))));
    });
    installed.iter().for_each(|installed| say_notices(context, installed));
    Ok(ExitStatus::Success)
}
