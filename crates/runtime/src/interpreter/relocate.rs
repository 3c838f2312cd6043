//! Adapting an unpacked installation to its final path.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::error::RuntimeError;
use crate::platform::run_command;

const SCRIPT: &str = include_str!("relocate.py");
const TIMEOUT: Duration = Duration::from_secs(60);

/// Rewrites the prefix in the files of `installation` to `final_path`, and its compilers to those of this machine, so
/// that packages with C sources can be built with it. Its own Python does the work.
pub(super) fn relocate(installation: &Path, final_path: &Path) -> Result<(), RuntimeError> {
    let python = installation.join("bin/python3");
    let mut command = Command::new(&python);
    command.args(["-I", "-S", "-B", "-X", "utf8", "-c", SCRIPT]).arg(installation).arg(final_path);
    command.env_remove("PYTHONHOME").env_remove("PYTHONPATH");
    let failed = |source| RuntimeError::Relocate { path: installation.to_owned(), source };
    run_command(&mut command, TIMEOUT).map_err(failed)?;
    Ok(())
}
