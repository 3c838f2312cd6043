//! Code that says when it runs, and goes on when it is told to.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A place where a call waits, so that a test can do something while it is under way, however long that takes.
pub struct Gate {
    folder: tempfile::TempDir,
}

impl Gate {
    pub fn new() -> Gate {
        Gate { folder: tempfile::tempdir().expect("a folder") }
    }

    /// Code that says that it runs, waits until it may go on, and then does this.
    pub fn before(&self, code: &str) -> String {
        let (begun, open) = (self.file("begun"), self.file("open"));
        format!(
            "import os, time\nopen({begun:?}, 'w').close()\nwhile not os.path.exists({open:?}): time.sleep(0.002)\n{code}"
        )
    }

    /// Returns when the code runs.
    pub fn begun(&self) {
        let began = Instant::now();
        while !self.file("begun").exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "the code does not run");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets it go on.
    pub fn open(&self) {
        std::fs::write(self.file("open"), "").expect("a file");
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
