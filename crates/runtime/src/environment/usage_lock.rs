//! Locks that mark environments as in use. A process that runs Python in an environment holds one on its `pyvenv.cfg`;
//! the system releases it when the process ends, however it ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::platform::{explained_lock_error, file_identity, lock_holders};

/// Marks an environment as in use, until dropped.
#[derive(Debug)]
pub(crate) struct UsageLock(Option<LockGuard>);

/// A file lock, until dropped. Unlocks explicitly: a process that is being spawned has a copy of the descriptor until
/// its exec, which would keep the lock.
#[derive(Debug)]
pub(super) struct LockGuard(Option<File>);

impl Drop for LockGuard {
    fn drop(&mut self) {
        if let Some(file) = &self.0 {
            let _ = file.unlock();
        }
    }
}

impl UsageLock {
    /// Any number of processes can hold it. `None` when there is no environment, or it is being deleted.
    ///
    /// Where it cannot be had for another reason, the environment is used without: who deletes learns as little, and refuses.
    pub(crate) fn try_acquire(environment: &Path) -> Option<UsageLock> {
        let file = match File::open(lock_file(environment)) {
            Err(error) if is_missing(&error) => return None,
            opened => opened.map_err(TryLockError::Error),
        };
        let locked = file.and_then(|file| file.try_lock_shared().map(|()| file));
        match locked {
            Ok(file) => Some(UsageLock(Some(LockGuard(Some(file))))),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(error)) => {
                let error = explained_lock_error(error);
                tracing::warn!(path = %environment.display(), %error, "the environment cannot be marked as in use");
                Some(UsageLock(None))
            }
        }
    }
}

impl UsageLock {
    /// Lets the program of a command hold it too.
    pub(super) fn pass_on(self, command: &mut Command) {
        // Without its guard: unlocking would be for the program too, which has the same lock.
        let Some(file) = self.0.and_then(|mut guard| guard.0.take()) else { return };
        // SAFETY: fcntl is async-signal-safe.
        unsafe {
            command.pre_exec(move || Ok(rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty())?));
        }
    }
}

/// The identity of the environment at a path. It changes when the environment is recreated, or gets another Python.
#[derive(Debug)]
pub(crate) struct EnvironmentIdentity(Option<File>);

impl EnvironmentIdentity {
    pub(crate) fn of(environment: &Path) -> EnvironmentIdentity {
        // Kept open, so that the inode number is not reused.
        EnvironmentIdentity(File::open(lock_file(environment)).ok())
    }

    /// Whether the environment at the path is still this one.
    pub(crate) fn is_at(&self, environment: &Path) -> bool {
        let was = self.0.as_ref().and_then(|file| file.metadata().ok());
        let here = fs::metadata(lock_file(environment)).ok();
        was.as_ref().map(file_identity) == here.as_ref().map(file_identity)
    }
}

/// The processes that use an environment, as far as the system shows them.
pub(super) fn users(environment: &Path) -> Vec<u32> {
    File::open(lock_file(environment)).map(|file| lock_holders(&file)).unwrap_or_default()
}

/// The right to delete an environment.
pub(super) enum DeleteLock {
    /// No process uses it, and none can start to until this is dropped.
    Acquired(#[cfg_attr(not(test), expect(dead_code, reason = "it is there to be held"))] Option<LockGuard>),
    /// These processes use it, as far as the system shows them.
    InUse(Vec<u32>),
    /// The system does not tell whether a process uses it, for this reason.
    Unknown(io::Error),
}

impl DeleteLock {
    pub(super) fn try_acquire(environment: &Path) -> DeleteLock {
        let path = lock_file(environment);
        // NFS gives an exclusive lock only to who may write; elsewhere it is enough to read.
        let opened = File::options().read(true).write(true).open(&path).or_else(|_| File::open(&path));
        let file = match opened {
            Ok(file) => file,
            // Without `pyvenv.cfg` nothing can run in it.
            Err(error) if is_missing(&error) => return DeleteLock::Acquired(None),
            Err(error) => return DeleteLock::Unknown(error),
        };
        match file.try_lock() {
            Ok(()) => DeleteLock::Acquired(Some(LockGuard(Some(file)))),
            Err(TryLockError::WouldBlock) => DeleteLock::InUse(lock_holders(&file)),
            Err(TryLockError::Error(error)) => DeleteLock::Unknown(explained_lock_error(error)),
        }
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn lock_file(environment: &Path) -> PathBuf {
    environment.join("pyvenv.cfg")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_though_a_process_that_just_starts_has_copies() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(lock_file(folder.path()), "").unwrap();
        let used = UsageLock::try_acquire(folder.path()).unwrap();
        let copy = used.0.as_ref().unwrap().0.as_ref().unwrap().try_clone().unwrap();
        assert!(matches!(DeleteLock::try_acquire(folder.path()), DeleteLock::InUse(_)));
        drop(used);
        let DeleteLock::Acquired(Some(claim)) = DeleteLock::try_acquire(folder.path()) else { panic!("it is free") };
        let other = claim.0.as_ref().unwrap().try_clone().unwrap();
        assert!(UsageLock::try_acquire(folder.path()).is_none());
        drop(claim);
        assert!(UsageLock::try_acquire(folder.path()).is_some());
        drop((copy, other));
    }
}
