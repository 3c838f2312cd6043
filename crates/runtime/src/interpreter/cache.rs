//! Results of querying interpreters, kept in `cache/interpreters.json`, so that each is run once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::RuntimeError;
use super::interpreter::Interpreter;
use crate::platform::{FileLock, Home, HomeError, error_chain, replace_file};

/// Raised when the meaning of the file changes. A file of another format is replaced.
const FORMAT: u32 = 1;

/// Identifies one state of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    mtime_s: i64,
    mtime_ns: i64,
    size: u64,
    inode: u64,
}

impl Stamp {
    /// The stamp of the binary at `path` (links followed); `None` for a script or an unreadable file.
    pub(super) fn of(path: &Path) -> Option<Stamp> {
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        let mut magic = [0; 4];
        (&file).read_exact(&mut magic).ok()?;
        (magic == *b"\x7fELF").then(|| Stamp {
            mtime_s: metadata.mtime(),
            mtime_ns: metadata.mtime_nsec(),
            size: metadata.size(),
            inode: metadata.ino(),
        })
    }
}

/// The cached results.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct InterpreterCache {
    format: u32,
    interpreters: BTreeMap<PathBuf, CachedEntry>,
}

#[derive(Serialize, Deserialize)]
struct CachedEntry {
    stamp: Stamp,
    interpreter: Interpreter,
}

impl InterpreterCache {
    /// Reads the cache. An unreadable one counts as empty.
    pub(super) fn load(home: &Home) -> InterpreterCache {
        file(home).map(|path| read(&path)).unwrap_or_default()
    }

    /// The cached result for the executable at `path`, if the file is unchanged.
    pub(super) fn look_up(&self, path: &Path) -> Option<&Interpreter> {
        let entry = self.interpreters.get(path)?;
        // The stamp is that of the requested file; the interpreter it led to can be gone all the same.
        (Stamp::of(path)? == entry.stamp && entry.interpreter.path.exists()).then_some(&entry.interpreter)
    }
}

/// Caches results, except those without a stamp. Drops executables that are gone. In a home that is read-only or full they are
/// learned again the next time.
pub(super) fn remember(home: &Home, learned: impl IntoIterator<Item = (PathBuf, Option<Stamp>, Interpreter)>) {
    if let Err(error) = write(home, learned) {
        tracing::debug!(error = error_chain(&error), "what was learned about interpreters is not kept");
    }
}

fn write(
    home: &Home,
    learned: impl IntoIterator<Item = (PathBuf, Option<Stamp>, Interpreter)>,
) -> Result<(), RuntimeError> {
    let mut learned = learned.into_iter().filter_map(|(path, stamp, i)| Some((path, stamp?, i))).peekable();
    if learned.peek().is_none() {
        return Ok(());
    }
    let path = file(home)?;
    let _lock = FileLock::acquire(path.with_extension("lock"))?;
    let mut kept = read(&path);
    kept.interpreters.retain(|path, _| path.exists());
    kept.interpreters.extend(learned.map(|(path, stamp, interpreter)| (path, CachedEntry { stamp, interpreter })));
    replace_file(&path, &serde_json::to_vec_pretty(&kept).unwrap_or_default())?;
    Ok(())
}

/// Drops the result for the executable at `path`, and those that lead to the same interpreter: it does not run any more.
pub(super) fn forget(home: &Home, path: &Path) {
    let forget = || -> Result<(), RuntimeError> {
        let file = file(home)?;
        let _lock = FileLock::acquire(file.with_extension("lock"))?;
        let mut kept = read(&file);
        let leads_to = kept.interpreters.get(path).map(|entry| entry.interpreter.path.clone());
        let is_of = |own: &Path, entry: &CachedEntry| {
            own == path || entry.interpreter.path == path || leads_to.as_ref() == Some(&entry.interpreter.path)
        };
        kept.interpreters.retain(|own, entry| !is_of(own, entry));
        replace_file(&file, &serde_json::to_vec_pretty(&kept).unwrap_or_default())?;
        Ok(())
    };
    if let Err(error) = forget() {
        tracing::debug!(error = error_chain(&error), "what was learned about an interpreter is not forgotten");
    }
}

fn file(home: &Home) -> Result<PathBuf, HomeError> {
    Ok(home.cache()?.join("interpreters.json"))
}

/// The content of the file; empty when it is missing, broken or of another format, since it can be learned again.
fn read(path: &Path) -> InterpreterCache {
    let kept = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<InterpreterCache>(&bytes).ok());
    kept.filter(|kept| kept.format == FORMAT)
        .unwrap_or(InterpreterCache { format: FORMAT, ..InterpreterCache::default() })
}
