//! Copying an environment with all its packages.

use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::environment::Environment;
use super::error::EnvironmentError;
use super::layout;
use super::manager::VenvManager;
use super::name::check_environment_name;
use super::package::journal::{Journal, lock_by_name};
use super::package::scratch::Scratch;
use super::record::{self, EnvironmentRecord};
use super::relocate::{moved_from, relocate};
use crate::interpreter::query;
use crate::platform::{Staging, failed_to};

impl VenvManager {
    /// Copies the environment `from` to `to`: the same Python and packages, with its own paths. Runs no tool and
    /// downloads nothing. A copy belongs to no provider.
    pub fn copy(&self, from: &str, to: &str) -> Result<Environment, EnvironmentError> {
        check_environment_name(to)?;
        let source = self.open(from)?;
        let folder = self.folder()?;
        let _packages = lock_by_name(self, from)?;
        let unfit = |reason: &str| EnvironmentError::Damaged { name: from.into(), reason: reason.into() };
        if Journal::is_in(&source.path) {
            return Err(unfit("a change of its packages was interrupted"));
        }
        let of = source.record.as_ref().ok_or_else(|| unfit("its record is lost"))?;
        let interpreter = query(self.home(), &of.interpreter)?;
        if interpreter.version.series() != of.python.series() {
            return Err(unfit("its Python is now of another series"));
        }
        let staging = Staging::begin(&folder, to)?;
        let (final_path, staged) = (staging.final_path(), staging.staged_path());
        if moved_from(&source.path).is_some() {
            return Err(unfit("it was moved"));
        }
        if final_path.symlink_metadata().is_ok() {
            return Err(EnvironmentError::AlreadyExists { name: to.into(), path: final_path });
        }
        let record = EnvironmentRecord::new(to, &interpreter);
        let copied = layout::build(&staged, &final_path, &record, &interpreter)
            .and_then(|()| copy_beside(&source.path, &staged))
            .and_then(|()| relocate(&staged, &source.path, &final_path));
        copied.map_err(failed_to("copy the environment to", &final_path))?;
        staging.commit(&staged)?;
        tracing::info!(environment = to, from, "environment copied");
        self.open(to)
    }
}

/// Copies what the target lacks. Modification times are kept: Python compares them to validate compiled modules.
fn copy_beside(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if entry.file_name() == Scratch::NAME {
            // Left by a process that was killed.
        } else if kind.is_dir() {
            if target.symlink_metadata().is_err() {
                fs::create_dir(&target)?;
            }
            copy_beside(&source, &target)?;
        } else if target.symlink_metadata().is_ok() || is_ours_alone(&entry.file_name().to_string_lossy()) {
            // Already created for the copy, or true of the original only.
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
            let metadata = fs::metadata(&source)?;
            let times = FileTimes::new().set_modified(metadata.modified()?);
            // A read-only file keeps the time of the copy.
            let _ = File::options().write(true).open(&target).and_then(|file| file.set_times(times));
        }
    }
    Ok(())
}

fn is_ours_alone(name: &str) -> bool {
    name.starts_with("beep-python.") && name.ends_with(".json") && name != record::FILE
}
