//! Locks between processes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::credentials::mask_credentials;
use super::file_error::{FileError, failed_to};
use super::file_identity::file_identity;

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

    /// Acquires the lock if it gets free within the time; else `None`. Where it is held, `on_wait` gets the processes
    /// that hold it, as far as the system shows them.
    pub fn acquire_within(
        path: impl AsRef<Path>,
        timeout: Duration,
        mut on_wait: impl FnMut(Vec<u32>),
    ) -> Result<Option<FileLock>, FileError> {
        let path = path.as_ref();
        let deadline = Instant::now() + timeout;
        let mut lock = || loop {
            let file = open(path)?;
            let file = match file.try_lock() {
                Ok(()) => file,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => {
                    on_wait(lock_holders(&file));
                    match wait_until(file, path, deadline)? {
                        Some(file) => file,
                        None => return Ok(None),
                    }
                }
            };
            if still_named(&file, path)? {
                return Ok(Some(FileLock { path: path.to_owned(), file }));
            }
        };
        lock().map_err(failed_to("lock", path))
    }

    /// The lock as a stream of a process, which then holds it too, until it ends.
    pub(super) fn as_stdio(&self) -> io::Result<Stdio> {
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

/// A process for people: `process 1234 (beep-python venv install mine numpy)`.
pub fn describe_process(pid: u32) -> String {
    const LONGEST: usize = 120;
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
    let words = words.lines().next().unwrap_or_default();
    let (program, arguments) = words.split_once(' ').unwrap_or((words, ""));
    let command = format!("{} {arguments}", program.rsplit('/').next().unwrap_or_default());
    let command: String = mask_credentials(command.trim()).chars().take(LONGEST).collect();
    if command.is_empty() { format!("process {pid}") } else { format!("process {pid} ({command})") }
}

/// Waits for the lock on an open file, on a thread of its own: the system knows no such wait with an end. A thread whose
/// wait is given up releases the lock when it gets it.
fn wait_until(file: File, path: &Path, deadline: Instant) -> io::Result<Option<File>> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    std::thread::Builder::new().name("lock".into()).spawn(move || {
        let locked = wait(&file, &path).map(|()| file);
        let _ = sender.send(locked);
    })?;
    match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(locked) => locked.map(Some),
        Err(_) => Ok(None),
    }
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
        Ok(named) => Ok(file_identity(&named) == file_identity(&held)),
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
    fn a_wait_names_the_holder_and_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("name.lock");
        let held = FileLock::acquire(&path).unwrap();
        let mut holders = Vec::new();
        let waited = FileLock::acquire_within(&path, Duration::from_millis(50), |pids| holders.extend(pids)).unwrap();
        assert!(waited.is_none() && holders == [std::process::id()], "{holders:?}");
        assert!(describe_process(holders[0]).starts_with(&format!("process {} (", holders[0])));
        drop(held);
        // The thread of the wait that was given up may have it for a moment.
        assert!(FileLock::acquire_within(&path, Duration::from_secs(20), |_| ()).unwrap().is_some());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_in_the_error() {
        let error = FileLock::acquire("/nonexistent/folder/x.lock").unwrap_err();
        assert_eq!(error.to_string(), "cannot lock /nonexistent/folder/x.lock");
    }
}
