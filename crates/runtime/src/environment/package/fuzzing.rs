//! Requirements and locks, as functions of any bytes.

use std::path::Path;

use super::pylock::Lock;
use super::requirement::Requirements;

/// What pip is told has a line for each package, none of which is an option but that of a folder.
pub(crate) fn lock_file(input: &[u8]) {
    let Ok(lock) = Lock::parse(&String::from_utf8_lossy(input)) else { return };
    let Ok((hashed, others)) = lock.requirements(Path::new("/folder")) else { return };
    let is_option = |line: &&str| line.trim_start().starts_with('-') && !line.starts_with("-e ");
    assert_eq!(hashed.lines().chain(others.lines()).find(is_option), None);
}

/// A requirement that is taken is no option of a tool, and of one line.
pub(crate) fn requirements(input: &[u8]) {
    let Ok(required) = Requirements::new([String::from_utf8_lossy(input)]) else { return };
    for text in required.texts() {
        assert!(!text.trim_start().starts_with('-') && text.lines().count() == 1, "{text:?}");
    }
    let _ = (required.names(), required.fingerprint());
}
