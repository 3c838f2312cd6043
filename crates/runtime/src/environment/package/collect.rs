//! Collecting the wheels of what is wanted, and of all that it requires, in a folder.

use std::fs;
use std::path::Path;

use super::progress::PackageStage;
use super::tool::refused;
use super::{PackageError, Requirements, pip};
use crate::environment::{Environment, VenvManager};
use crate::interpreter::query;
use crate::platform::{CommandError, failed_to, run_command};

impl VenvManager {
    /// Puts a wheel of each package that is wanted, and of each that it requires, into the new folder `into`: those that the
    /// Python of `environment` would install, built where there is none ready. The environment stays as it is.
    ///
    /// pip does it, since uv collects nothing.
    pub(in crate::environment) fn collect_wheels(
        &self,
        environment: &Environment,
        wanted: &Requirements,
        into: &Path,
    ) -> Result<(), PackageError> {
        fs::create_dir(into).map_err(failed_to("make", into))?;
        if wanted.is_empty() {
            return Ok(());
        }
        let runtime = query(self.home(), &environment.python)?;
        let settings = self.package_settings();
        let missing = || PackageError::NoTool { uv: "it collects no wheels".into(), python: runtime.path.clone() };
        let pip = pip::find(environment, &runtime).ok_or_else(missing)?;
        let mut command = pip::command(environment, &pip, "wheel");
        command.envs(&settings.variables).arg("--wheel-dir").arg(into);
        for file in wanted.files() {
            command.arg("-r").arg(file);
        }
        command.arg("--").args(wanted.texts());
        self.progress().tell_stage(PackageStage::Resolving);
        match run_command(&mut command, settings.timeout) {
            Ok(_) => Ok(()),
            Err(CommandError::Failed { status, stderr_tail, .. }) => {
                Err(refused("pip", "collect", wanted, status, stderr_tail))
            }
            Err(source) => Err(PackageError::Tool { tool: "pip", source }),
        }
    }
}
