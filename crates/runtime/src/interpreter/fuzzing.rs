//! The entries of an archive, as a function of any bytes.

use std::path::{Component, Path};

use tar::Archive;

use super::archive::{EntryAction, TOP, classify};

/// An archive that is not compressed. What would be unpacked lies in its one folder.
pub(crate) fn archive(input: &[u8]) {
    let mut tar = Archive::new(input);
    let Ok(entries) = tar.entries() else { return };
    for entry in entries {
        let Ok(entry) = entry else { return };
        let Ok(EntryAction::Unpack) = classify(&entry) else { continue };
        let path = entry.path().expect("a path that was read before");
        let mut depth = 0_i64;
        for component in path.components() {
            match component {
                Component::Normal(_) => depth += 1,
                Component::ParentDir => depth -= 1,
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => panic!("{} is absolute", path.display()),
            }
            assert!(depth >= 0, "{} leaves the archive", path.display());
        }
        assert!(path != Path::new(TOP) || depth == 1, "{} is the folder itself", path.display());
    }
}
