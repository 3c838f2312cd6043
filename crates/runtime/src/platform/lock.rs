//! Locks between processes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use rustix::io::Errno;

use super::file_error::{FileError, failed_to};

/// The file system has no locks: some network file systems have none, or their lock service does not run.
#[derive(Debug, thiserror::Error)]
#[error("its file system has no locks (flock)")]
pub struct NoLocks(#[source] io::Error);

impl NoLocks {
    /// Whether that is why an operation failed.
    pub fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<NoLocks>())
    }
}

/// Says so where the system refused a lock because its file system has none.
pub(crate) fn explained(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP) => {
            io::Error::new(io::ErrorKind::Unsupported, NoLocks(error))
        }
        _ => error,
    }
}

/// An exclusive lock on a name, held until dropped. The system releases it when the process ends, however it ends.
///
/// The lock file exists only while the lock is held or awaited.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    file: File,
}

impl FileLock {
    /// Acquires the lock; waits while another process, or another thread of this one, holds it.
    pub fn acquire(path: impl AsRef<Path>) -> Result<FileLock, FileError> {
        let path = path.as_ref();
        let lock = || loop {
            let file = open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => wait(&file, path)?,
                Err(TryLockError::Error(error)) => return Err(refused(error, path)),
            }
            if still_named(&file, path)? {
                return Ok(FileLock { path: path.to_owned(), file });
            }
        };
        lock().map_err(failed_to("lock", path))
    }

    /// Acquires the lock if it is free; `None` if it is held.
    pub fn try_acquire(path: impl AsRef<Path>) -> Result<Option<FileLock>, FileError> {
        let path = path.as_ref();
        let lock = || loop {
            let file = open(path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(refused(error, path)),
                Ok(()) if still_named(&file, path)? => {
                    return Ok(Some(FileLock { path: path.to_owned(), file }));
                }
                Ok(()) => {}
            }
        };
        lock().map_err(failed_to("lock", path))
    }

    /// The lock as the standard input of a command, with nothing to read: if this process dies, the lock is held until
    /// the command ends too.
    pub(super) fn as_input(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Removed while still locked: a process that waits for this file finds that the name no longer leads to it, and
        // tries again with a new one.
        let _ = fs::remove_file(&self.path);
    }
}

/// The processes that hold a lock on the file: `1: FLOCK  ADVISORY  READ 1234 fd:01:5678 0 EOF`.
pub fn lock_holders(file: &File) -> Vec<u32> {
    let Ok(inode) = file.metadata().map(|metadata| metadata.ino().to_string()) else { return Vec::new() };
    let table = fs::read_to_string("/proc/locks").unwrap_or_default();
    let holder = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_of = fields.get(1) == Some(&"FLOCK") && fields.get(5)?.rsplit(':').next() == Some(&inode);
        is_of.then(|| fields.get(4)?.parse().ok()).flatten()
    };
    let mut pids: Vec<u32> = table.lines().filter_map(holder).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

/// The error of a lock that cannot be had. Where there are no locks, the file that this call may have made goes: nobody holds it.
fn refused(error: io::Error, path: &Path) -> io::Error {
    let error = explained(error);
    if NoLocks::is_cause_of(&error) {
        let _ = fs::remove_file(path);
    }
    error
}

/// Waits for the lock on an open file.
fn wait(file: &File, path: &Path) -> io::Result<()> {
    tracing::debug!(path = %path.display(), holders = ?lock_holders(file), "waiting for a lock");
    let started = Instant::now();
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            locked => {
                tracing::debug!(path = %path.display(), waited = ?started.elapsed(), "the wait for a lock is over");
                return locked;
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn still_named(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok(named.dev() == held.dev() && named.ino() == held.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_holder_at_a_time_though_the_file_comes_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("name.lock");
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let lock = FileLock::acquire(&path).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two holders");
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert!(!path.exists(), "a free lock leaves no file");
    }

    #[test]
    fn a_held_lock_is_not_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("name.lock");
        let held = FileLock::try_acquire(&path).unwrap();
        assert!(held.is_some());
        assert!(FileLock::try_acquire(&path).unwrap().is_none());
        drop(held);
        assert!(FileLock::try_acquire(&path).unwrap().is_some());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_in_the_error() {
        let error = FileLock::acquire("/nonexistent/folder/x.lock").unwrap_err();
        assert_eq!(error.to_string(), "cannot lock /nonexistent/folder/x.lock");
    }
}
