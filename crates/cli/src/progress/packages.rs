//! The progress of packages: a changing line on a terminal, elsewhere a line for each long step.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beep_python_runtime::environment::{PackageProgress, PackageStage, ProgressSink};
use indicatif::{HumanBytes, ProgressBar};

use crate::color::{TEXT, paint};
use crate::context::Context;

/// Shows the progress of packages until dropped.
pub(crate) struct PackagesProgress {
    bar: Option<ProgressBar>,
    tell: Tell,
    colors: bool,
}

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// Not even warnings.
    Errors,
    /// The long steps.
    Steps,
    /// What the tool prints.
    All,
}

impl PackagesProgress {
    pub(crate) fn new(context: &Context) -> PackagesProgress {
        PackagesProgress::telling(Tell::Steps, context.printer.colors.stderr)
    }

    pub(crate) fn telling(tell: Tell, colors: bool) -> PackagesProgress {
        let wants_bar = tell == Tell::Steps && std::io::stderr().is_terminal();
        let bar = wants_bar.then(ProgressBar::new_spinner);
        if let Some(bar) = &bar {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        PackagesProgress { bar, tell, colors }
    }

    /// Receives the progress.
    pub(crate) fn sink(&self) -> ProgressSink {
        let bar = self.bar.clone();
        let say = self.line_printer();
        let warning = paint(self.colors, TEXT, "warning:");
        match self.tell {
            Tell::Errors => return ProgressSink::default().with_warnings(|_| ()),
            // The warnings are among it.
            Tell::All => return ProgressSink::new(|_| ()).with_output(move |line| say(line)).with_warnings(|_| ()),
            Tell::Steps => {}
        }
        let (said, warned) = (Mutex::new(BTreeSet::new()), Mutex::new(BTreeSet::new()));
        let sink = ProgressSink::new(move |progress| match &bar {
            Some(bar) => bar.set_message(line(progress)),
            // Once, although progress is reported for every few bytes.
            None if takes_long(progress) && said.lock().is_ok_and(|mut said| said.insert(progress.to_string())) => {
                let _ = writeln!(std::io::stderr(), "{}", line(progress));
            }
            None => {}
        });
        sink.with_warnings(move |text| {
            // Once, although several runs of the tool may warn of it.
            if warned.lock().is_ok_and(|mut warned| warned.insert(text.to_owned())) {
                say(&format!("{warning} {text}"));
            }
        })
    }

    /// Prints a line above the bar.
    fn line_printer(&self) -> Arc<dyn Fn(&str) + Send + Sync> {
        let bar = self.bar.clone();
        Arc::new(move |line| {
            let print = || drop(writeln!(std::io::stderr(), "{line}"));
            match &bar {
                Some(bar) => bar.suspend(print),
                None => print(),
            }
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
