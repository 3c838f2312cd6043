//! What to do where the machine has no more of something.

/// A hint for an error in the words of the system.
pub(super) fn full(text: &str) -> Option<String> {
    let hints = [
        (
            "No space left on device",
            "free some disk space; `beep-python cache clean` and `beep-python venv prune` help",
        ),
        ("Disk quota exceeded", "free some disk space; `beep-python cache clean` and `beep-python venv prune` help"),
        ("Too many open files", "raise the limit of open files: `ulimit -n`"),
    ];
    hints.iter().find(|(words, _)| text.contains(words)).map(|(_, hint)| (*hint).to_owned())
}
