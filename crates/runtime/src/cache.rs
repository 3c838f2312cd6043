//! What the home caches: everything that can be made or downloaded again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::platform::{FileError, Home, HomeError, failed_to};

/// A download untouched for this long was abandoned.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A part of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachePart {
    /// Its name: a file or folder of the cache, or `tools/NAME`.
    pub name: String,
    /// What it holds, in a few words.
    pub holds: &'static str,
    /// Its size on disk, in bytes.
    pub size_bytes: u64,
}

/// Why the cache cannot be read or cleaned.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// An operation on a file failed.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The parts of the cache, by name.
pub fn info(home: &Home) -> Result<Vec<CachePart>, CacheError> {
    Ok(parts(home)?.into_iter().map(|(part, _)| part).collect())
}

/// Cleans the cache; returns the removed parts. Downloads in progress stay, and so does the Python side when
/// `servers_run`, since workers import from it.
pub fn clean(home: &Home, servers_run: bool) -> Result<Vec<CachePart>, CacheError> {
    let mut removed = Vec::new();
    for (mut part, path) in parts(home)? {
        if part.name == "downloads" {
            part.size_bytes = remove_abandoned(&path)?;
        } else if (part.name.starts_with("python-") && servers_run) || part.name.ends_with(".lock") {
            continue;
        } else if path.is_dir() {
            fs::remove_dir_all(&path).map_err(failed_to("remove", &path))?;
        } else {
            fs::remove_file(&path).map_err(failed_to("remove", &path))?;
        }
        removed.push(part);
    }
    Ok(removed)
}

fn parts(home: &Home) -> Result<Vec<(CachePart, PathBuf)>, CacheError> {
    let mut parts = Vec::new();
    for (folder, prefix) in [(home.cache()?, ""), (home.tools()?, "tools/")] {
        for entry in fs::read_dir(&folder).map_err(failed_to("read", &folder))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Temporary: being written now.
            if name.starts_with('.') {
                continue;
            }
            let holds = match (prefix, name.as_str()) {
                ("", "downloads") => "unfinished downloads of runtimes",
                ("", "interpreters.json") => "results of querying interpreters",
                ("", "uv.known") => "which uv is known to work",
                ("", name) if name.starts_with("python-") => "the Python package of one version of this program",
                ("tools/", name) if name.ends_with(".failed") => "why a tool could not be installed",
                ("tools/", _) => "a tool that installs packages",
                _ => "other",
            };
            let path = entry.path();
            parts.push((CachePart { name: format!("{prefix}{name}"), holds, size_bytes: size(&path) }, path));
        }
    }
    parts.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    Ok(parts)
}

fn remove_abandoned(folder: &Path) -> Result<u64, FileError> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(failed_to("read", folder))?.flatten() {
        let path = entry.path();
        let touched = entry.metadata().and_then(|metadata| metadata.modified());
        let age = touched.ok().and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
        if age > ABANDONED {
            bytes += size(&path);
            fs::remove_file(&path).map_err(failed_to("remove", &path))?;
        }
    }
    Ok(bytes)
}

fn size(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let inside = match metadata.is_dir() {
        true => fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum(),
        false => 0,
    };
    metadata.blocks() * 512 + inside
}
