//! A temporary folder for the tools.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::platform::{FileError, failed_to};

/// A temporary folder in an environment's folder, removed on drop. Only the holder of the lock on its packages creates
/// one, so an existing one is the remains of a killed process, and is removed.
#[derive(Debug)]
pub(in crate::environment) struct Scratch(PathBuf);

impl Scratch {
    pub(in crate::environment) const NAME: &str = ".beep-python-scratch";

    pub(in crate::environment) fn begin(folder: &Path) -> Result<Scratch, FileError> {
        let scratch = Scratch(folder.join(Scratch::NAME));
        scratch.clear().map_err(failed_to("remove", scratch.path()))?;
        fs::create_dir(scratch.path()).map_err(failed_to("create", scratch.path()))?;
        Ok(scratch)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the command put its temporary files here. In the system's folder, those of a killed tool would stay.
    pub(in crate::environment) fn lend(&self, command: &mut Command) {
        command.env("TMPDIR", self.path());
    }

    fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}
