//! Running the tool that installs packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::PackageError;
use super::index::configure_uv;
use super::progress::{PackageStage, ProgressSink};
use super::requirement::Requirements;
use super::scratch::Scratch;
use super::settings::{PackageSettings, UvChoice};
use super::tool_error::tool_failure;
use super::tool_output::ToolOutputParser;
use super::{pip, uv};
use crate::environment::environment::Environment;
use crate::interpreter::query;
use crate::platform::{CommandError, FileLock, Home, mask_credentials, run_tool};

/// A tool that installs packages.
pub(super) enum Tool {
    Uv(PathBuf),
    /// pip, and why it is not uv; `None` where pip was asked for.
    Pip(PathBuf, Option<String>),
}

impl Tool {
    /// uv if it is available or can be installed, else pip.
    pub(super) fn find(
        home: &Home,
        settings: &PackageSettings,
        environment: &Environment,
    ) -> Result<Tool, PackageError> {
        let runtime = query(home, &environment.python)?;
        let pip = pip::find(environment, &runtime);
        match (uv::find(home, settings, environment, pip.as_deref())?, pip) {
            (Ok(uv), _) => Ok(Tool::Uv(uv)),
            (Err(_), Some(pip)) if settings.uv == UvChoice::Never => Ok(Tool::Pip(pip, None)),
            (Err(why), Some(pip)) => Ok(Tool::Pip(pip, Some(why))),
            (Err(uv), None) => Err(PackageError::NoTool { uv, python: runtime.path }),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Tool::Uv(_) => "uv",
            Tool::Pip(..) => "pip",
        }
    }

    /// What the user is told about the choice of the tool.
    pub(super) fn notice(&self) -> Option<String> {
        let Tool::Pip(_, Some(why)) = self else { return None };
        Some(format!("pip does the work of uv, which is not available: {}", mask_credentials(why)))
    }

    /// A command for this environment: the given one of `uv pip`, or always `install` of pip.
    pub(super) fn command(&self, environment: &Environment, uv_command: &str) -> Command {
        match self {
            Tool::Uv(uv) => {
                let mut command = Command::new(uv);
                command.args(["pip", uv_command, "--no-progress", "--color", "never", "--python"]);
                command.arg(&environment.python);
                configure_uv(&mut command, &environment.path);
                command
            }
            Tool::Pip(pip, _) => pip::install(environment, pip),
        }
    }

    /// Installs the required packages.
    pub(super) fn install(
        &self,
        environment: &Environment,
        work: &Work<'_>,
        progress: &ProgressSink,
    ) -> Result<(), PackageError> {
        let mut command = self.command(environment, "install");
        command.envs(&work.settings.variables);
        if let Some(folder) = &work.settings.only_from {
            take_only_from(&mut command, folder);
        }
        if let Tool::Pip(pip, _) = self
            && progress.is_active()
            && pip::reports_bytes(pip)
        {
            command.args(["--progress-bar", "raw"]);
        }
        work.settings.options.apply(matches!(self, Tool::Uv(..)), &mut command)?;
        command.args(work.options).args(work.wanted.arguments(work.scratch)?);
        self.run(&mut command, work, progress).map(drop)
    }

    /// Runs a command of the tool; returns its standard output. The command ends with this process.
    pub(super) fn run(
        &self,
        command: &mut Command,
        work: &Work<'_>,
        progress: &ProgressSink,
    ) -> Result<Vec<u8>, PackageError> {
        let (tool, action) = (self.name(), work.action);
        progress.report_stage(PackageStage::Resolving);
        let mut parser = ToolOutputParser::new(progress, tool);
        work.scratch.lend(command);
        command.envs(work.settings.caches.iter().map(|(name, folder)| (name, folder)));
        ask_nothing(command);
        let log = work.scratch.path().join("pip.log");
        if let Tool::Pip(..) = self {
            // It tells what indexes answered and what builds printed, of which pip's output says nothing.
            command.env("PIP_LOG", &log);
        }
        if progress.is_verbose() {
            command.env("PIP_VERBOSE", "1").env("RUST_LOG", "uv=debug");
        }
        let mut on_line = |line: &str| {
            progress.hear(&mask_credentials(line));
            parser.feed_line(line);
        };
        let done = run_tool(Some(work.lock), command, work.settings.timeout, &mut on_line);
        parser.warnings.iter().for_each(|warning| progress.warn(&mask_credentials(warning)));
        match done {
            Ok(written) => Ok(written),
            Err(CommandError::Failed { status, stderr_tail, .. }) => {
                let stderr_tail = parser.untrusted.into_iter().chain([stderr_tail]).collect::<Vec<_>>().join("\n");
                let log = std::fs::read(log).unwrap_or_default();
                Err(tool_failure(tool, action, work.wanted, status, stderr_tail, &String::from_utf8_lossy(&log)))
            }
            Err(source) => Err(PackageError::Tool { tool, source }),
        }
    }
}

/// Lets git and ssh fail where they would ask: a process in the background that reads from a terminal is stopped.
pub(super) fn ask_nothing(command: &mut Command) {
    command.env("GIT_TERMINAL_PROMPT", "0");
    if std::env::var_os("SSH_ASKPASS").is_none() {
        command.env("SSH_ASKPASS", "false");
    }
    command.env("SSH_ASKPASS_REQUIRE", "force");
}

/// A task for the tool.
pub(super) struct Work<'a> {
    /// The action, as a verb for errors.
    pub(super) action: &'static str,
    /// The required packages.
    pub(super) wanted: &'a Requirements,
    /// The right to change the environment's packages.
    pub(super) lock: &'a FileLock,
    pub(super) scratch: &'a Scratch,
    /// More options, which both tools know.
    pub(super) options: &'a [&'static str],
    pub(super) settings: &'a PackageSettings,
}

/// Limits the tool to the packages in a folder, whatever else is configured.
fn take_only_from(command: &mut Command, folder: &Path) {
    let others = ["INDEX_URL", "DEFAULT_INDEX", "INDEX", "EXTRA_INDEX_URL", "FIND_LINKS", "CONSTRAINT", "NO_BINARY"];
    for name in others {
        command.env_remove(format!("PIP_{name}")).env_remove(format!("UV_{name}"));
    }
    // uv accepts it once only, and it can be set already.
    if !command.get_args().any(|argument| argument == "--no-index") {
        command.arg("--no-index");
    }
    command.arg("--find-links").arg(folder);
}
