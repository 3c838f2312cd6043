//! Unpacking an `install_only` archive: one folder `python` that holds everything.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};

use super::error::RuntimeError;
use super::inflate::with_inflated;
use crate::platform::failed_to;

/// The folder at the top of every archive.
pub(super) const TOP: &str = "python";

/// Unpacks the archive (`.tar.gz`) into the new folder `into`; returns the installation's folder in it.
///
/// An entry or link that leaves the archive's one folder makes it refuse the whole archive.
pub(super) fn unpack(archive: &Path, into: &Path) -> Result<PathBuf, RuntimeError> {
    std::fs::create_dir(into).map_err(failed_to("create", into))?;
    let broken = |source| RuntimeError::Unpack { path: archive.to_owned(), source };
    let refused = |reason| RuntimeError::UnsafeArchive { path: archive.to_owned(), reason };
    let file = BufReader::with_capacity(1 << 18, File::open(archive).map_err(failed_to("read", archive))?);
    with_inflated(file, |stream| {
        let mut tar = Archive::new(stream);
        for entry in tar.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            match classify(&entry).map_err(refused)? {
                EntryAction::Skip => continue,
                EntryAction::Unpack => {}
            }
            // Never set-uid, never writable for others, whatever the archive says.
            entry.set_preserve_permissions(false);
            entry.set_mask(0o022);
            if !entry.unpack_in(into).map_err(broken)? {
                return Err(refused(format!("{} would lie outside", entry.path().unwrap_or_default().display())));
            }
        }
        // Read to the end of the stream, where the checksum is.
        io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(broken)
    })?;
    let installation = into.join(TOP);
    if !installation.join("bin").is_dir() {
        return Err(broken(io::Error::other("it is not a Python installation: it has no folder python/bin")));
    }
    Ok(installation)
}

pub(super) enum EntryAction {
    Unpack,
    Skip,
}

pub(super) fn classify(entry: &Entry<'_, impl Read>) -> Result<EntryAction, String> {
    let path = entry.path().map_err(|error| format!("the name of an entry cannot be read: {error}"))?;
    let shown = path.display();
    let Some(place) = inside(Path::new(""), &path) else {
        return Err(format!("the entry {shown} would lie outside"));
    };
    if place.as_os_str().is_empty() {
        return Ok(EntryAction::Skip);
    }
    if !place.starts_with(TOP) {
        return Err(format!("the entry {shown} is not in the folder {TOP}"));
    }
    let link = entry.link_name().map_err(|error| format!("the link {shown} cannot be read: {error}"))?;
    let target = match (entry.header().entry_type(), link) {
        (EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse | EntryType::Directory, _) => {
            return Ok(EntryAction::Unpack);
        }
        (EntryType::XGlobalHeader, _) => return Ok(EntryAction::Skip),
        (EntryType::Symlink, Some(link)) => inside(place.parent().unwrap_or(Path::new("")), &link),
        (EntryType::Link, Some(link)) => inside(Path::new(""), &link),
        (other, _) => return Err(format!("the entry {shown} is neither a file, a folder nor a link but {other:?}")),
    };
    match target {
        Some(target) if target.starts_with(TOP) => Ok(EntryAction::Unpack),
        _ => Err(format!("the link {shown} leads outside")),
    }
}

/// `path`, relative to `folder`, without `..`; `None` when it leaves the root of the archive.
fn inside(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut place = folder.to_owned();
    for component in path.components() {
        match component {
            Component::Normal(name) => place.push(name),
            Component::CurDir => {}
            Component::ParentDir if place.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    use super::*;

    /// An archive of `python/bin/python3` (with more permissions than it should have) and one more entry.
    fn archive(folder: &Path, name: &str, kind: EntryType, link: Option<&str>) -> PathBuf {
        let path = folder.join("archive.tar.gz");
        let mut tar = Builder::new(GzEncoder::new(File::create(&path).unwrap(), Compression::fast()));
        let mut header = Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o6777);
        tar.append_data(&mut header, "python/bin/python3", &b"file"[..]).unwrap();
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        // Written directly: the library's own functions refuse such names.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if let Some(link) = link {
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        }
        header.set_cksum();
        tar.append(&header, io::empty()).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        path
    }

    #[test]
    fn entries_that_escape_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (name, kind, link) in [
            ("../evil", EntryType::Regular, None),
            ("python/../../evil", EntryType::Regular, None),
            ("/evil", EntryType::Regular, None),
            ("evil", EntryType::Regular, None),
            ("python/evil", EntryType::Symlink, Some("/etc/passwd")),
            ("python/evil", EntryType::Symlink, Some("../evil")),
            ("python/lib/evil", EntryType::Symlink, Some("../../../evil")),
            ("python/evil", EntryType::Link, Some("../evil")),
            ("python/evil", EntryType::Link, Some("/etc/passwd")),
            ("python/evil", EntryType::Fifo, None),
            ("python/evil", EntryType::Char, None),
        ] {
            let archive = archive(folder.path(), name, kind, link);
            let into = folder.path().join("into");
            let error = unpack(&archive, &into).unwrap_err();
            assert!(matches!(error, RuntimeError::UnsafeArchive { .. }), "{name} {kind:?} {link:?}: {error}");
            assert!(!folder.path().join("evil").exists());
            std::fs::remove_dir_all(into).unwrap();
        }
    }

    #[test]
    fn links_within_are_kept_and_permissions_are_tamed() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, link) in [(EntryType::Symlink, "python3"), (EntryType::Link, "python/bin/python3")] {
            let archive = archive(folder.path(), "python/bin/python", kind, Some(link));
            let installation = unpack(&archive, &folder.path().join("into")).unwrap();
            let mode = std::fs::metadata(installation.join("bin/python3")).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o755);
            assert_eq!(std::fs::read(installation.join("bin/python")).unwrap(), b"file");
            std::fs::remove_dir_all(folder.path().join("into")).unwrap();
        }
    }

    #[test]
    fn what_is_cut_or_no_archive_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = archive(folder.path(), "python/x", EntryType::Regular, None);
        let whole = std::fs::read(&path).unwrap();
        for content in [&whole[..whole.len() - 9], &whole[..20], b"<html>not found</html>", b""] {
            std::fs::write(&path, content).unwrap();
            let into = folder.path().join("into");
            let error = unpack(&path, &into).unwrap_err();
            assert!(matches!(error, RuntimeError::Unpack { .. }), "{error}");
            std::fs::remove_dir_all(into).unwrap();
        }
    }
}
