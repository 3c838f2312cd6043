//! Folders that appear and disappear atomically.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file_error::{FileError, failed_to};
use super::lock::FileLock;

const NEW: &str = ".new-";
const TRASH: &str = ".trash-";
const LOCK: &str = ".lock-";

/// The right to create, replace or remove the folder of one name, held until dropped.
///
/// The new folder is built beside its final path, as `.new-NAME`, and then renamed; a removed one is first renamed to
/// `.trash-NAME`. Only the holder of the name's lock touches these two. If the lock is free, they are remains of a dead
/// process, and the next holder, or [`Staging::sweep`], removes them. A name that begins with a dot is therefore never
/// a finished folder.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    name: String,
    _lock: FileLock,
}

impl Staging {
    /// Waits for the right to work on `folder`/`name`, and removes what a dead process left of that name.
    pub fn begin(folder: &Path, name: &str) -> Result<Staging, FileError> {
        let lock = FileLock::acquire(folder.join(format!("{LOCK}{name}")))?;
        Staging::holding(lock, folder, name)
    }

    /// Does the same without waiting; `None` while another process works on it.
    pub fn try_begin(folder: &Path, name: &str) -> Result<Option<Staging>, FileError> {
        let lock = FileLock::try_acquire(folder.join(format!("{LOCK}{name}")))?;
        lock.map(|lock| Staging::holding(lock, folder, name)).transpose()
    }

    fn holding(lock: FileLock, folder: &Path, name: &str) -> Result<Staging, FileError> {
        let staging = Staging { folder: folder.into(), name: name.into(), _lock: lock };
        staging.clear()?;
        Ok(staging)
    }

    /// The folder's final path.
    pub fn final_path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The path to build the new folder at. Does not create it. It is removed on drop.
    pub fn staged_path(&self) -> PathBuf {
        self.folder.join(format!("{NEW}{}", self.name))
    }

    /// Moves the finished folder `built`, which is at or below the staged path, to the final path. Replaces what was
    /// there.
    pub fn commit(&self, built: &Path) -> Result<PathBuf, FileError> {
        let final_path = self.final_path();
        match fs::rename(built, &final_path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
                self.remove()?;
                fs::rename(built, &final_path)
            }
            renamed => renamed,
        }
        .map_err(failed_to("create", &final_path))?;
        Ok(final_path)
    }

    /// Removes the folder: first its name, at once, then its content.
    pub fn remove(&self) -> Result<(), FileError> {
        let final_path = self.final_path();
        let trash = self.trash();
        fs::rename(&final_path, &trash).map_err(failed_to("remove", &final_path))?;
        remove_all(&trash)
    }

    /// Removes the remains of dead processes in `folder`, not the work of living ones. What cannot be removed stays for
    /// the next time.
    pub fn sweep(folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let file_name = entry.file_name();
            let Some(name) = file_name.to_str().and_then(|n| n.strip_prefix(NEW).or(n.strip_prefix(TRASH))) else {
                continue;
            };
            let _ = Staging::try_begin(folder, name);
        }
    }

    fn trash(&self) -> PathBuf {
        self.folder.join(format!("{TRASH}{}", self.name))
    }

    fn clear(&self) -> Result<(), FileError> {
        remove_all(&self.staged_path())?;
        remove_all(&self.trash())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = self.clear();
    }
}

fn remove_all(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed_to("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_swept_and_what_a_living_one_builds_stays() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::create_dir_all(folder.join(".new-dead/lib")).unwrap();
        fs::create_dir_all(folder.join(".trash-dead2")).unwrap();
        fs::create_dir_all(folder.join("whole")).unwrap();
        let living = Staging::begin(folder, "living").unwrap();
        fs::create_dir(living.staged_path()).unwrap();

        Staging::sweep(folder);
        assert!(!folder.join(".new-dead").exists() && !folder.join(".trash-dead2").exists());
        assert!(folder.join("whole").exists() && living.staged_path().exists());

        drop(living);
        let left: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["whole"]);
    }

    #[test]
    fn commit_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/old"), "").unwrap();
        let staging = Staging::begin(folder.path(), "a").unwrap();
        fs::create_dir(staging.staged_path()).unwrap();
        fs::write(staging.staged_path().join("new"), "").unwrap();
        staging.commit(&staging.staged_path()).unwrap();
        assert!(folder.path().join("a/new").exists() && !folder.path().join("a/old").exists());
    }
}
