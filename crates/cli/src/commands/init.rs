//! `init`: installs a runtime, or adopts one where none can be downloaded.

use std::path::PathBuf;

use anyhow::Result;
use beep_python_runtime::interpreter::{InitOptions, InitOutcome, Obtained, Source, VersionRequest};
use serde_json::json;

use crate::context::Context;
use crate::environment::warn_default_python;
use crate::exit_status::ExitStatus;
use crate::printer::path_json;
use crate::progress::install::InstallProgress;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The Python: 3.12, 3.12.7, ">=3.11", or a path
    #[arg(long, value_name = "VERSION")]
    python: Option<VersionRequest>,
    #[command(flatten)]
    source: SourceArgs,
    /// Use a Python of this machine; download nothing
    #[arg(long, conflicts_with_all = ["mirror", "archive"])]
    system: bool,
}

/// Where to get a Python from.
#[derive(clap::Args)]
pub(crate) struct SourceArgs {
    /// Download from here: http(s)://, file:// or a folder [env: BEEP_PYTHON_INSTALL_MIRROR]
    #[arg(long, value_name = "URL|DIR", conflicts_with = "archive")]
    mirror: Option<String>,
    /// Install this archive instead of downloading one
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
    /// The expected SHA-256 of the archive
    #[arg(long, value_name = "HEX", requires = "archive")]
    sha256: Option<String>,
}

impl SourceArgs {
    pub(crate) fn into_source(self) -> Source {
        match (self.archive, self.mirror) {
            (Some(path), _) => Source::Archive { path, sha256: self.sha256 },
            (None, Some(mirror)) => Source::Mirror(mirror),
            (None, None) => Source::Default,
        }
    }
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let (request, source) = (args.python, args.source.into_source());
    let any = request.is_none();
    let options = InitOptions { request, source, system: args.system, keep_default: false };
    let outcome = init(context, &options).await?;
    let InitOutcome { runtime, obtained } = &outcome;
    let printer = &context.printer;
    let reason = match obtained {
        Obtained::AdoptedInstead { reason } => Some(format!("{:#}", anyhow::anyhow!(reason.to_string()))),
        _ => None,
    };
    let json = json!({
        "id": runtime.id,
        "version": runtime.version.map(|version| version.to_string()),
        "path": path_json(&runtime.path),
        "obtained": word(obtained),
        "reason": reason,
    });
    printer.result(json, || printer.line(summary(&outcome)));
    if any && matches!(outcome.obtained, Obtained::AlreadyThere) {
        printer.note(
            "notice: it is the default, and nothing was downloaded; `beep-python init --python VERSION` gets another.",
        );
    }
    notices(context, &outcome);
    if outcome.runtime.is_default {
        warn_default_python(context, &outcome.runtime);
    }
    Ok(ExitStatus::Success)
}

/// Installs or adopts a runtime, showing progress.
pub(crate) async fn init(context: &Context, options: &InitOptions) -> Result<InitOutcome> {
    let mut progress = InstallProgress::new(&context.printer);
    Ok(context.runtimes()?.init(options, &mut |stage| progress.show(stage)).await?)
}

pub(crate) fn summary(outcome: &InitOutcome) -> String {
    let runtime = &outcome.runtime;
    let version = runtime.version.map_or_else(|| "?".to_owned(), |version| version.to_string());
    let how = match &outcome.obtained {
        Obtained::AlreadyThere => "was already installed",
        Obtained::Installed { .. } => "is installed",
        Obtained::Adopted | Obtained::AdoptedInstead { .. } => "of this machine is adopted",
    };
    format!("Python {version} {how}: {}", runtime.path.display())
}

/// Notices about how the runtime was obtained.
pub(crate) fn notices(context: &Context, outcome: &InitOutcome) {
    match &outcome.obtained {
        Obtained::AdoptedInstead { reason } => {
            let mut cause: &dyn std::error::Error = reason;
            while let Some(source) = cause.source() {
                cause = source;
            }
            context.printer.note(format_args!(
                "notice: no Python could be downloaded ({cause}), so one of this machine is used; it is not managed."
            ));
        }
        Obtained::Installed { checked: false } => {
            context
                .printer
                .note("notice: the archive's SHA-256 is unknown and was not checked; pass it with --sha256.");
        }
        _ => {}
    }
}

fn word(obtained: &Obtained) -> &'static str {
    match obtained {
        Obtained::AlreadyThere => "alreadyThere",
        Obtained::Installed { .. } => "installed",
        Obtained::Adopted => "adopted",
        Obtained::AdoptedInstead { .. } => "adoptedInstead",
    }
}
