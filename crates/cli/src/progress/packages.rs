//! The progress of packages: a changing line on a terminal, elsewhere a line for each long step.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use beep_python_runtime::environment::{PackageProgress, PackageStage, ProgressSink};
use indicatif::{HumanBytes, ProgressBar};

/// Shows the progress of packages until dropped.
pub(crate) struct PackagesProgress {
    bar: Option<ProgressBar>,
}

impl PackagesProgress {
    pub(crate) fn new() -> PackagesProgress {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        if let Some(bar) = &bar {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        PackagesProgress { bar }
    }

    /// Receives the progress.
    pub(crate) fn sink(&self) -> ProgressSink {
        let bar = self.bar.clone();
        let said = Mutex::new(BTreeSet::new());
        ProgressSink::new(move |progress| match &bar {
            Some(bar) => bar.set_message(line(progress)),
            // Once, although progress is reported for every few bytes.
            None if takes_long(progress) && said.lock().is_ok_and(|mut said| said.insert(progress.to_string())) => {
                let _ = writeln!(std::io::stderr(), "{}", line(progress));
            }
            None => {}
        })
    }
}

impl Drop for PackagesProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn takes_long(progress: &PackageProgress) -> bool {
    /// A smaller download finishes before a line about it could be read.
    const LARGE: u64 = 1 << 20;
    match progress.stage {
        PackageStage::Waiting | PackageStage::Building => true,
        PackageStage::Downloading => progress.total_bytes.is_some_and(|bytes| bytes >= LARGE),
        PackageStage::Resolving | PackageStage::Installing => false,
    }
}

fn line(progress: &PackageProgress) -> String {
    match (progress.received_bytes, progress.total_bytes) {
        (Some(received), Some(total)) => format!("{progress}: {} of {}", HumanBytes(received), HumanBytes(total)),
        (None, Some(total)) => format!("{progress}, {}", HumanBytes(total)),
        _ => progress.to_string(),
    }
}
