//! The log file of a server in the background: a full one makes room for a new one, so that no log fills the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use beep_python_runtime::platform::file_identity;
use beep_python_server::launch::rotate_log;
use rustix::fs::{Stat, fstat, ftruncate};
use rustix::stdio::{dup2_stderr, dup2_stdout, stderr};

pub(crate) const DEFAULT_MAX_BYTES: u64 = 16 << 20;
pub(crate) const DEFAULT_FILES: usize = 3;

/// A log file, which is the standard output and error of this process.
#[derive(Clone, Debug)]
pub(crate) struct LogFile {
    pub(crate) path: PathBuf,
    /// A file that would pass this gets nothing more.
    pub(crate) max_bytes: u64,
    /// How many files there are at most, the full ones before it with it.
    pub(crate) files: usize,
}

impl LogFile {
    /// Begins a new file where the present one has no room for so many bytes. What other processes have open stays theirs.
    pub(crate) fn make_room(&self, bytes: usize) -> io::Result<()> {
        let open = fstat(stderr())?;
        let size = u64::try_from(open.st_size).unwrap_or(0);
        if size == 0 || size.saturating_add(bytes as u64) <= self.max_bytes {
            return Ok(());
        }
        if open.st_nlink == 0 {
            // It was removed: nobody can read it any more, and a new one would stay behind.
            return Ok(ftruncate(stderr(), 0)?);
        }
        if !self.is_here(&open) {
            // It was moved, and is not ours to shorten.
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        rotate_log(&self.path, self.files)?;
        let new = File::options().append(true).create(true).mode(0o600).open(&self.path)?;
        dup2_stderr(&new)?;
        Ok(dup2_stdout(&new)?)
    }

    fn is_here(&self, open: &Stat) -> bool {
        self.path.metadata().is_ok_and(|here| file_identity(&here) == (open.st_dev, open.st_ino))
    }
}
