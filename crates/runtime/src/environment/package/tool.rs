//! Running the tool that installs, and what it says when it cannot.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use super::index::configure_uv;
use super::progress::{PackageStage, ProgressSink};
use super::tool_output::{ToolOutputParser, UNTRUSTED_CERTIFICATE};
use super::{PackageError, PackageSettings, Requirements, Scratch, pip, uv};
use crate::environment::Environment;
use crate::interpreter::query;
use crate::platform::{CommandError, FileLock, Home, run_command_holding};

/// What installs packages.
pub(super) enum Tool {
    Uv(PathBuf),
    Pip(PathBuf),
}

impl Tool {
    /// uv where there is one or one can be had, else pip.
    pub(super) fn find(
        home: &Home,
        settings: &PackageSettings,
        environment: &Environment,
    ) -> Result<Tool, PackageError> {
        let runtime = query(home, &environment.python)?;
        let pip = pip::find(environment, &runtime);
        match (uv::find(home, settings, environment, pip.as_deref())?, pip) {
            (Ok(uv), _) => Ok(Tool::Uv(uv)),
            (Err(_), Some(pip)) => Ok(Tool::Pip(pip)),
            (Err(uv), None) => Err(PackageError::NoTool { uv, python: runtime.path }),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Tool::Uv(_) => "uv",
            Tool::Pip(_) => "pip",
        }
    }

    /// A command of the tool for this environment: of `uv pip` the one that is named, of pip always `install`.
    pub(super) fn command(&self, environment: &Environment, uv_command: &str) -> Command {
        match self {
            Tool::Uv(uv) => {
                let mut command = Command::new(uv);
                command.args(["pip", uv_command, "--no-progress", "--color", "never", "--python"]);
                command.arg(&environment.python);
                configure_uv(&mut command, &environment.path);
                command
            }
            Tool::Pip(pip) => pip::install(environment, pip),
        }
    }

    /// Installs what is wanted.
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
        for file in work.wanted.files() {
            command.arg("-r").arg(file);
        }
        if let Tool::Pip(pip) = self
            && progress.is_active()
            && pip::reports_bytes(pip)
        {
            command.args(["--progress-bar", "raw"]);
        }
        command.arg("--").args(work.wanted.texts());
        self.run(&mut command, work, progress).map(drop)
    }

    /// Runs a command of the tool; gives what it wrote to standard output. The lock is held until it has ended, whatever
    /// becomes of this process.
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
        match run_command_holding(work.lock, command, work.settings.timeout, &mut |line| parser.feed_line(line)) {
            Ok(written) => Ok(written),
            Err(CommandError::Failed { status, stderr_tail, .. }) => {
                let stderr_tail = parser.untrusted.into_iter().chain([stderr_tail]).collect::<Vec<_>>().join("\n");
                Err(tool_failure(tool, action, work.wanted, status, stderr_tail))
            }
            Err(source) => Err(PackageError::Tool { tool, source }),
        }
    }
}

/// What a tool is to do.
pub(super) struct Work<'a> {
    /// In a word, as an error says it.
    pub(super) action: &'static str,
    /// With which packages.
    pub(super) wanted: &'a Requirements,
    /// The right to change the environment's packages.
    pub(super) lock: &'a FileLock,
    pub(super) scratch: &'a Scratch,
    pub(super) settings: &'a PackageSettings,
}

/// What the tool said when it could not do it.
pub(super) fn tool_failure(
    tool: &'static str,
    action: &'static str,
    wanted: &Requirements,
    status: ExitStatus,
    stderr_tail: String,
) -> PackageError {
    let reason = reason(tool, &stderr_tail);
    // Where the reason names only what a package requires, the lines before tell which package that is.
    let package = package_in(&reason, wanted).or_else(|| package_in(&stderr_tail, wanted));
    PackageError::Refused { tool, action, package, reason, status, stderr_tail }
}

/// Has the tool know of no other packages than those in the folder, whatever is set for it.
fn take_only_from(command: &mut Command, folder: &Path) {
    let others = ["INDEX_URL", "DEFAULT_INDEX", "INDEX", "EXTRA_INDEX_URL", "FIND_LINKS", "CONSTRAINT", "NO_BINARY"];
    for name in others {
        command.env_remove(format!("PIP_{name}")).env_remove(format!("UV_{name}"));
    }
    // uv takes it once, and it can be set for it already.
    if !command.get_args().any(|argument| argument == "--no-index") {
        command.arg("--no-index");
    }
    command.arg("--find-links").arg(folder);
}

/// The reason in what the tool wrote: pip puts it on its last line of errors, uv on the branches of a tree.
pub(super) fn reason(tool: &str, said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let starts = |line: &&&str| match tool {
        "pip" => line.starts_with("ERROR: "),
        _ => line.starts_with(['×', '╰', '├']) || line.starts_with("error: ") || line.starts_with("Caused by: "),
    };
    let found: Vec<String> = match tool {
        "pip" => {
            let last = lines.iter().rfind(starts).map(|line| line.trim_start_matches("ERROR: ").to_owned());
            // It finds nothing, too, where it reaches nobody; that it tells as a warning only.
            let signs = ["connection broken by ", UNTRUSTED_CERTIFICATE];
            let of = |line: &&str| signs.iter().find_map(|sign| Some(line.split_once(sign)?.1.to_owned()));
            let broken = lines.iter().rev().find_map(of);
            last.into_iter().chain(broken.map(|why| format!("(the index was not reached: {why})"))).collect()
        }
        _ => {
            // A branch goes on in the lines below it.
            let first = lines.iter().position(|line| starts(&line)).unwrap_or(lines.len());
            let plain = lines[first..].iter().map(|line| {
                let line = line.trim_start_matches(['×', '╰', '├', '│', '─', '▶', ' ']);
                ["error: ", "Caused by: ", "cause: "]
                    .iter()
                    .fold(line, |line, said| line.trim_start_matches(said))
                    .to_owned()
            });
            plain.filter(|line| !line.is_empty()).collect()
        }
    };
    match found.is_empty() {
        true => lines.last().map_or("it does not say why".to_owned(), |line| (*line).to_owned()),
        false => found.join(" "),
    }
}

/// The package that the reason is about: the first of those that were asked for which it names.
fn package_in(reason: &str, wanted: &Requirements) -> Option<String> {
    let reason = reason.to_lowercase();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let words: Vec<&str> = reason.split(|c| !is_part(c)).map(|word| word.trim_end_matches('.')).collect();
    let all = wanted.all().unwrap_or_default();
    let names = all.iter().filter_map(|wanted| Some(wanted.requirement.as_ref()?.name.to_string()));
    names.into_iter().find(|name| words.iter().any(|word| super::installed::normal(word) == *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found_in_what_the_tools_write() {
        let pip = "ERROR: Could not find a version that satisfies the requirement nosuch (from versions: none)\n\
                   ERROR: No matching distribution found for nosuch\n";
        assert_eq!(reason("pip", pip), "No matching distribution found for nosuch");
        let uv = "Using Python 3.12 environment\n  × No solution found when resolving dependencies:\n  \
                  ╰─▶ Because nosuch was not found in the provided package locations and you\n      \
                  require nosuch, we can conclude that your requirements are unsatisfiable.\n\n      \
                  hint: something\n";
        let found = reason("uv", uv);
        assert!(found.starts_with("No solution found when resolving dependencies: Because nosuch was not found"));
        assert!(found.contains("and you require nosuch, we can"), "{found}");
        assert_eq!(reason("uv", "error: Failed to fetch\n  Caused by: no route\n"), "Failed to fetch no route");
        let down = "WARNING: Retrying (Retry(total=0)) after connection broken by 'Refused': /simple/six/\n\
                    ERROR: No matching distribution found for six\n";
        let said = "No matching distribution found for six (the index was not reached: 'Refused': /simple/six/)";
        assert_eq!(reason("pip", down), said);
        assert_eq!(reason("uv", "error: No solution\n  cause: Because of x.\n"), "No solution Because of x.");
        assert_eq!(reason("uv", "thread panicked"), "thread panicked");
        assert_eq!(reason("pip", ""), "it does not say why");
        let wanted = Requirements::new(["six", "No.Such>=2"]).unwrap();
        assert_eq!(package_in("Because no-such was not found.", &wanted).as_deref(), Some("no-such"));
        assert_eq!(package_in("the network is down", &wanted), None);
    }
}
