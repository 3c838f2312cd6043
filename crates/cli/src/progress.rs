//! The progress of an installation: a bar on a terminal, a line for each stage elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use beep_python_runtime::interpreter::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use crate::printer::Printer;

/// Shows progress until it is dropped.
pub(crate) struct InstallProgress<'a> {
    printer: &'a Printer,
    bar: Option<ProgressBar>,
    downloading: bool,
}

impl<'a> InstallProgress<'a> {
    pub(crate) fn new(printer: &'a Printer) -> InstallProgress<'a> {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
        if let Some(bar) = &bar {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        InstallProgress { printer, bar, downloading: false }
    }

    pub(crate) fn show(&mut self, progress: Progress) {
        let stage = match progress {
            Progress::Resolved { version: Some(version), from } => format!("taking Python {version} from {from}"),
            Progress::Resolved { version: None, from } => format!("taking Python from {from}"),
            Progress::Waiting => "waiting for another process that installs the same".to_owned(),
            Progress::Downloading { received, total } => return self.downloaded(received, total),
            Progress::Verifying => "checking its SHA-256".to_owned(),
            Progress::Unpacking => "unpacking".to_owned(),
        };
        self.downloading = false;
        match &self.bar {
            Some(bar) => bar.set_message(stage),
            None => self.printer.note(stage),
        }
    }

    fn downloaded(&mut self, received: u64, total: Option<u64>) {
        const BAR: &str = "downloading [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        const NO_TOTAL: &str = "{spinner} downloading: {bytes}, {bytes_per_sec}";
        let begins = !std::mem::replace(&mut self.downloading, true);
        let Some(bar) = &self.bar else {
            if begins {
                self.printer.note("downloading");
            }
            return;
        };
        if begins {
            let template = if total.is_some() { BAR } else { NO_TOTAL };
            bar.set_style(ProgressStyle::with_template(template).expect("a template that is right"));
        }
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(received);
    }
}

impl Drop for InstallProgress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
