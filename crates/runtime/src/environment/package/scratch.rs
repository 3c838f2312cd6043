//! Where the tools keep what they need for a moment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::platform::{FileError, failed_to};

/// A folder in that of an environment, gone when this is dropped. Only who may change the environment's packages has one, so
/// what is found there was left by somebody who was killed, and goes.
#[derive(Debug)]
pub(in crate::environment) struct Scratch(PathBuf);

impl Scratch {
    pub(in crate::environment) const NAME: &str = ".beep-python-scratch";

    pub(in crate::environment) fn begin(folder: &Path) -> Result<Scratch, FileError> {
        let scratch = Scratch(folder.join(Scratch::NAME));
        scratch.clear().map_err(failed_to("remove", scratch.path()))?;
        fs::create_dir(scratch.path()).map_err(failed_to("make", scratch.path()))?;
        Ok(scratch)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Has the tool make its temporary files here: in the system's folder, those of one that is killed would stay.
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
