//! Locks between processes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{FileError, failed_to};

/// An exclusive lock on a name, held until dropped; the system releases it when its process ends, however it ends.
///
/// The lock file exists only while somebody holds or awaits the lock.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    file: File,
}

impl FileLock {
    /// Takes the lock, waiting as long as another process, or another thread of this one, holds it.
    pub fn acquire(path: impl AsRef<Path>) -> Result<FileLock, FileError> {
        let path = path.as_ref();
        let lock = || loop {
            let file = open(path)?;
            match file.lock() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                locked => locked?,
            }
            if still_named(&file, path)? {
                return Ok(FileLock { path: path.to_owned(), file });
            }
        };
        lock().map_err(failed_to("lock", path))
    }

    /// Takes the lock when it is free; `None` when somebody holds it.
    pub fn try_acquire(path: impl AsRef<Path>) -> Result<Option<FileLock>, FileError> {
        let path = path.as_ref();
        let lock = || loop {
            let file = open(path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
                Ok(()) if still_named(&file, path)? => {
                    return Ok(Some(FileLock { path: path.to_owned(), file }));
                }
                Ok(()) => {}
            }
        };
        lock().map_err(failed_to("lock", path))
    }

    /// The lock as a command's standard input, on which there is nothing to read: should this process die, the lock is
    /// held until that command has ended too.
    pub(super) fn as_input(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Removed while still locked: whoever waits on this file finds that the name no longer leads to it, and tries
        // again with a new one.
        let _ = fs::remove_file(&self.path);
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
