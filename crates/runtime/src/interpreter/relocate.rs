//! After unpacking: what an installation tells of itself is made true of the place it goes to.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::RuntimeError;
use crate::platform::run_command;

const SCRIPT: &str = include_str!("relocate.py");
const TIMEOUT: Duration = Duration::from_secs(60);

/// Has the installation that was unpacked in `installation` name `final_path` as its prefix, and compilers of this machine, so
/// that packages with C sources can be built with it. Its own Python does that.
pub(super) fn relocate(installation: &Path, final_path: &Path) -> Result<(), RuntimeError> {
    let python = installation.join("bin/python3");
    let mut command = Command::new(&python);
    command.args(["-I", "-S", "-B", "-X", "utf8", "-c", SCRIPT]).arg(installation).arg(final_path);
    command.env_remove("PYTHONHOME").env_remove("PYTHONPATH");
    let failed = |source| RuntimeError::Relocate { path: installation.to_owned(), source };
    run_command(&mut command, TIMEOUT).map_err(failed)?;
    Ok(())
}
