//! What was learned of interpreters, kept in `cache/interpreters.json`, so that each is run once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Interpreter, RuntimeError};
use crate::platform::{FileLock, Home, HomeError, replace_file};

/// Raised when what is kept changes its meaning; a file of another format is made anew.
const FORMAT: u32 = 1;

/// What tells one state of a file from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    mtime_s: i64,
    mtime_ns: i64,
    size: u64,
    inode: u64,
}

impl Stamp {
    /// The stamp of the binary at `path` (links followed); `None` for a script or what cannot be read.
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

/// What is remembered, as it was when it was read.
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
    /// Reads what is remembered; nothing when that cannot be read.
    pub(super) fn load(home: &Home) -> InterpreterCache {
        file(home).map(|path| read(&path)).unwrap_or_default()
    }

    /// What is known of the executable at `path`, if it is still the file it was.
    pub(super) fn look_up(&self, path: &Path) -> Option<&Interpreter> {
        let entry = self.interpreters.get(path)?;
        // The stamp is of the file that was asked for; the one it led to can be gone all the same.
        (Stamp::of(path)? == entry.stamp && entry.interpreter.path.exists()).then_some(&entry.interpreter)
    }
}

/// Keeps what was learned; without a stamp, nothing. Forgets executables that are gone.
pub(super) fn remember(
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

fn file(home: &Home) -> Result<PathBuf, HomeError> {
    Ok(home.cache()?.join("interpreters.json"))
}

/// What the file holds; nothing when it is not there, broken, or of another format: it can be learned again.
fn read(path: &Path) -> InterpreterCache {
    let kept = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<InterpreterCache>(&bytes).ok());
    kept.filter(|kept| kept.format == FORMAT)
        .unwrap_or(InterpreterCache { format: FORMAT, ..InterpreterCache::default() })
}
