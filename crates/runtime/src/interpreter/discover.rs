//! Finding the Pythons of the machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cache::{self, InterpreterCache, Stamp};
use super::error::RuntimeError;
use super::interpreter::Interpreter;
use super::probe::probe;
use crate::platform::{Home, user_folder};

/// How many interpreters are queried at a time.
const THREADS: usize = 4;

/// Where to search for Pythons.
#[derive(Clone, Debug, Default)]
pub struct SearchPaths {
    /// Folders of executables: `python`, `python3`, `python3.12`.
    pub folders: Vec<PathBuf>,
    /// Folders of installations, each with a `bin/` of its own: `~/.pyenv/versions`.
    pub collections: Vec<PathBuf>,
}

impl SearchPaths {
    /// `$PATH`, `/usr/bin`, `/usr/local/bin` and `~/.local/bin`; the installations of pyenv, uv, asdf and mise; and
    /// `/opt`.
    pub fn from_env() -> SearchPaths {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
        folders.extend(["/usr/local/bin", "/usr/bin"].map(PathBuf::from));
        let mut collections = Vec::new();
        let home = user_folder().unwrap_or_default();
        let under = |variable, fallback: &str| set(variable).unwrap_or_else(|| home.join(fallback));
        let data = under("XDG_DATA_HOME", ".local/share");
        folders.push(home.join(".local/bin"));
        collections.push(under("PYENV_ROOT", ".pyenv").join("versions"));
        collections.push(set("UV_PYTHON_INSTALL_DIR").unwrap_or_else(|| data.join("uv/python")));
        collections.push(under("ASDF_DATA_DIR", ".asdf").join("installs/python"));
        collections.push(set("MISE_DATA_DIR").unwrap_or_else(|| data.join("mise")).join("installs/python"));
        collections.extend(["/opt", "/opt/python"].map(PathBuf::from));
        collections.retain(|folder| folder.is_absolute());
        folders.retain(|folder| folder.is_absolute());
        SearchPaths { folders, collections }
    }

    /// Executables named like a Python, each once, by its real path.
    fn candidates(&self) -> Vec<PathBuf> {
        let installations = self.collections.iter().flat_map(|folder| entries(folder)).map(|path| path.join("bin"));
        let mut found = BTreeMap::new();
        for folder in self.folders.iter().cloned().chain(installations) {
            for path in entries(&folder).filter(|path| path.file_name().is_some_and(is_python)) {
                // A script here is a shim: the Python it leads to is found in its own folder.
                if let (Ok(real), Some(_)) = (path.canonicalize(), Stamp::of(&path)) {
                    found.entry(real).or_insert(path);
                }
            }
        }
        found.into_values().collect()
    }
}

/// Every CPython from 3.9 up in the places of `search`, the newest first, each once.
///
/// Runs those that are not cached, several at a time. Leaves out those that do not run.
pub fn discover(home: &Home, search: &SearchPaths) -> Result<Vec<Interpreter>, RuntimeError> {
    let kept = InterpreterCache::load(home);
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    for path in search.candidates() {
        match kept.look_up(&path) {
            Some(interpreter) => found.push(interpreter.clone()),
            None => unknown.push(path),
        }
    }
    let learned = probe_all(&unknown);
    found.extend(learned.iter().map(|(_, _, interpreter)| interpreter.clone()));
    cache::remember(home, learned);

    found.retain(|interpreter| interpreter.check_supported().is_ok());
    found.sort_by(|a, b| (b.version, !b.free_threaded, &a.path).cmp(&(a.version, !a.free_threaded, &b.path)));
    found.dedup_by(|a, b| a.path == b.path);
    Ok(found)
}

fn probe_all(paths: &[PathBuf]) -> Vec<(PathBuf, Option<Stamp>, Interpreter)> {
    let next = AtomicUsize::new(0);
    let learned = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(paths.len()) {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match probe(path) {
                        Ok((interpreter, stamp)) => {
                            learned.lock().unwrap_or_else(|e| e.into_inner()).push((path.clone(), stamp, interpreter));
                        }
                        Err(error) => tracing::debug!(path = %path.display(), %error, "not a usable Python"),
                    }
                }
            });
        }
    });
    learned.into_inner().unwrap_or_else(|e| e.into_inner())
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// `python`, `python3`, `python3.12`, `python3.13t`
fn is_python(name: &OsStr) -> bool {
    let Some(rest) = name.to_str().and_then(|name| name.strip_prefix("python")) else { return false };
    let minor = rest.strip_prefix("3.").map(|minor| minor.strip_suffix('t').unwrap_or(minor));
    matches!(rest, "" | "3") || minor.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pythons() {
        for name in ["python", "python3", "python3.9", "python3.13", "python3.13t"] {
            assert!(is_python(name.as_ref()), "{name}");
        }
        for name in ["python2", "python2.7", "python3-config", "python3.12-config", "python3.", "pythonw", "pypy3"] {
            assert!(!is_python(name.as_ref()), "{name}");
        }
    }
}
