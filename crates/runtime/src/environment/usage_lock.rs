//! Which environments are in use: whoever runs Python in one for long holds a lock on it, which the system releases when
//! its process ends, however it ends.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// That an environment is in use, until dropped.
#[derive(Debug)]
pub(crate) struct UsageLock(#[cfg_attr(not(test), expect(dead_code, reason = "it is there to be held"))] LockGuard);

/// A lock until dropped. Given back by name: a process that is started just then has a copy of the descriptor until its exec,
/// with which the lock would stay.
#[derive(Debug)]
pub(super) struct LockGuard(File);

impl Drop for LockGuard {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl UsageLock {
    /// Any number of processes can use one; `None` where there is none, or it is being deleted.
    pub(crate) fn try_acquire(environment: &Path) -> Option<UsageLock> {
        let file = File::open(lock_file(environment)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => None,
            // Where the file system knows no locks, whoever deletes will not see one either.
            _ => Some(UsageLock(LockGuard(file))),
        }
    }
}

/// Which environment stands at a path: once it was deleted and made again, or mended with another Python, it is not the same.
#[derive(Debug)]
pub(crate) struct EnvironmentIdentity(Option<File>);

impl EnvironmentIdentity {
    pub(crate) fn of(environment: &Path) -> EnvironmentIdentity {
        // Held open, so that its number is not given to another file.
        EnvironmentIdentity(File::open(lock_file(environment)).ok())
    }

    /// Whether it is this one that stands at the path now.
    pub(crate) fn is_at(&self, environment: &Path) -> bool {
        let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let was = self.0.as_ref().and_then(|file| file.metadata().ok()).map(number);
        was == fs::metadata(lock_file(environment)).ok().map(number)
    }
}

/// The processes that use an environment; those that cannot be told are not among them.
pub(super) fn users(environment: &Path) -> Vec<u32> {
    File::open(lock_file(environment)).map(|file| holders(&file)).unwrap_or_default()
}

/// The right to delete an environment.
pub(super) enum DeleteLock {
    /// Nobody uses it, and nobody begins to while this is held.
    Acquired(#[cfg_attr(not(test), expect(dead_code, reason = "it is there to be held"))] Option<LockGuard>),
    /// These processes use it; those that cannot be told are not among them.
    InUse(Vec<u32>),
}

impl DeleteLock {
    pub(super) fn try_acquire(environment: &Path) -> DeleteLock {
        // What is not there nobody can use by it.
        let Ok(file) = File::open(lock_file(environment)) else { return DeleteLock::Acquired(None) };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => DeleteLock::InUse(holders(&file)),
            _ => DeleteLock::Acquired(Some(LockGuard(file))),
        }
    }
}

fn lock_file(environment: &Path) -> PathBuf {
    environment.join("pyvenv.cfg")
}

/// The processes that hold a lock on the file: `1: FLOCK  ADVISORY  READ 1234 fd:01:5678 0 EOF`.
fn holders(file: &File) -> Vec<u32> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_though_a_process_that_just_starts_has_copies() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(lock_file(folder.path()), "").unwrap();
        let used = UsageLock::try_acquire(folder.path()).unwrap();
        let copy = used.0.0.try_clone().unwrap();
        assert!(matches!(DeleteLock::try_acquire(folder.path()), DeleteLock::InUse(_)));
        drop(used);
        let DeleteLock::Acquired(Some(claim)) = DeleteLock::try_acquire(folder.path()) else { panic!("it is free") };
        let other = claim.0.try_clone().unwrap();
        assert!(UsageLock::try_acquire(folder.path()).is_none());
        drop(claim);
        assert!(UsageLock::try_acquire(folder.path()).is_some());
        drop((copy, other));
    }
}
