//! Atomic replacement of files and links: a reader sees the old or the new, never a part.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

use super::file_error::{FileError, failed_to};

/// Writes `bytes` to the file at `path` (mode 0600), atomically.
pub fn replace_file(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), FileError> {
    let path = path.as_ref();
    let write = || {
        let mut file = tempfile::Builder::new().prefix(".write-").tempfile_in(folder_of(path)?)?;
        file.write_all(bytes)?;
        // Otherwise a power failure could leave the new name without its content.
        file.as_file().sync_data()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(failed_to("write", path))
}

/// Makes `path` a symbolic link to `target`, atomically. Replaces a link or file.
pub fn replace_link(path: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<(), FileError> {
    let path = path.as_ref();
    let link = || {
        let folder = tempfile::Builder::new().prefix(".write-").tempdir_in(folder_of(path)?)?;
        let link = folder.path().join("link");
        symlink(target.as_ref(), &link)?;
        fs::rename(link, path)
    };
    link().map_err(failed_to("write", path))
}

fn folder_of(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        replace_file(&path, b"one").unwrap();
        replace_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("default");
        replace_link(&path, "one").unwrap();
        replace_link(&path, "two").unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("two"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
