//! Collecting the wheels of packages and their dependencies in a folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::error::PackageError;
use super::index::configure_uv;
use super::pip;
use super::progress::PackageStage;
use super::requirement::Requirements;
use super::scratch::Scratch;
use super::target::Target;
use super::tool::{Tool, ask_nothing};
use super::tool_error::tool_failure;
use crate::environment::environment::Environment;
use crate::environment::manager::VenvManager;
use crate::interpreter::query;
use crate::platform::{CommandError, failed_to, run_tool};

impl VenvManager {
    /// Puts the wheels of the required packages and their dependencies into the new folder `into`: those that the
    /// Python of `environment` would install, built from source where there is no wheel. Leaves the environment as it
    /// is.
    ///
    /// pip does it, since uv cannot collect wheels.
    pub(in crate::environment) fn resolve_wheels(
        &self,
        environment: &Environment,
        wanted: &Requirements,
        into: &Path,
    ) -> Result<(), PackageError> {
        fs::create_dir(into).map_err(failed_to("create", into))?;
        if wanted.is_empty() {
            return Ok(());
        }
        let runtime = query(self.home(), &environment.python)?;
        let settings = self.package_settings();
        let missing = || PackageError::NoTool { uv: "it collects no wheels".into(), python: runtime.path.clone() };
        let pip = pip::find(environment, &runtime).ok_or_else(missing)?;
        let mut command = pip::command(environment, &pip, "wheel");
        command.envs(&settings.variables).arg("--wheel-dir").arg(into);
        let scratch = Scratch::begin(&environment.path)?;
        command.args(wanted.arguments(&scratch)?);
        self.collect("pip", &mut command, &scratch, wanted)
    }

    /// Does the same for another platform, with ready-made wheels only. The folder `into` must exist.
    pub(in crate::environment) fn resolve_wheels_for(
        &self,
        environment: &Environment,
        target: &Target<'_>,
        wanted: &Requirements,
        into: &Path,
    ) -> Result<(), PackageError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let runtime = query(self.home(), &environment.python)?;
        let settings = self.package_settings();
        let missing = || PackageError::NoTool { uv: "it collects no wheels".into(), python: runtime.path.clone() };
        let pip = pip::find(environment, &runtime).ok_or_else(missing)?;
        let mut command = pip::command(environment, &pip, "download");
        command.envs(&settings.variables).args(target.for_pip()).arg("--dest").arg(into);
        let scratch = Scratch::begin(&environment.path)?;
        let resolved = environment.path.join("resolved.txt");
        if let Tool::Uv(uv) = Tool::find(self.home(), settings, environment)? {
            let asked = environment.path.join("wanted.txt");
            fs::write(&asked, wanted.lines()).map_err(failed_to("write", &asked))?;
            let mut resolve = Command::new(uv);
            resolve.args(["pip", "compile", "--quiet", "--color", "never", "--python"]).arg(&environment.python);
            resolve.args(target.for_uv()).args(["--generate-hashes", "--no-header", "--no-annotate", "--output-file"]);
            resolve.arg(&resolved).envs(&settings.variables);
            configure_uv(&mut resolve, &environment.path);
            resolve.arg(&asked).args(wanted.files(&scratch)?);
            self.collect("uv", &mut resolve, &scratch, wanted)?;
            command.arg("--no-deps").arg("-r").arg(&resolved);
        } else {
            command.args(wanted.arguments(&scratch)?);
        }
        self.collect("pip", &mut command, &scratch, wanted)
    }

    fn collect(
        &self,
        tool: &'static str,
        command: &mut Command,
        scratch: &Scratch,
        wanted: &Requirements,
    ) -> Result<(), PackageError> {
        scratch.lend(command);
        self.progress().report_stage(PackageStage::Resolving);
        ask_nothing(command);
        match run_tool(None, command, self.package_settings().timeout, &mut |_| ()) {
            Ok(_) => Ok(()),
            Err(CommandError::Failed { status, stderr_tail, .. }) => {
                Err(tool_failure(tool, "collect", wanted, status, stderr_tail, ""))
            }
            Err(source) => Err(PackageError::Tool { tool, source }),
        }
    }
}
