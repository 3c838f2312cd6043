//! When an environment was last used.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use super::layout::library;
use super::record::EnvironmentRecord;

/// When the environment was last used or changed, in seconds since 1970. Every Python that starts in the environment
/// reads `pyvenv.cfg`, so the file's access time counts as the last use; [`mark`] sets it where the file system does
/// not.
pub(super) fn read(path: &Path, record: Option<&EnvironmentRecord>) -> Option<u64> {
    let seconds = |time: i64| u64::try_from(time).ok();
    let accessed = fs::metadata(path.join("pyvenv.cfg")).ok().and_then(|metadata| seconds(metadata.atime()));
    let changed = library(path).and_then(|library| seconds(fs::metadata(library).ok()?.mtime()));
    accessed.max(changed).max(record.map(|record| record.created))
}

/// Records that the environment is used now.
pub(super) fn mark(path: &Path) {
    // A read-only environment can be neither marked nor pruned.
    let _ = File::open(path.join("pyvenv.cfg"))
        .and_then(|file| file.set_times(FileTimes::new().set_accessed(SystemTime::now())));
}
