//! The progress of installing a runtime: a bar on a terminal, a line for each stage elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use beep_python_runtime::interpreter::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::printer::Printer;

/// Shows progress until dropped.
pub(crate) struct InstallProgress<'a> {
    printer: &'a Printer,
    /// What is being installed, if it is one of several.
    label: String,
    bar: Option<ProgressBar>,
    downloading: bool,
}

impl<'a> InstallProgress<'a> {
    pub(crate) fn new(printer: &'a Printer) -> InstallProgress<'a> {
        InstallProgress::with_bar(
            printer,
            String::new(),
            std::io::stderr().is_terminal().then(ProgressBar::new_spinner),
        )
    }

    /// The progress of one of several installations.
    pub(crate) fn among(all: &MultiProgress, printer: &'a Printer, label: &str) -> InstallProgress<'a> {
        let bar = std::io::stderr().is_terminal().then(|| all.add(ProgressBar::new_spinner()));
        InstallProgress::with_bar(printer, format!("{label}: "), bar)
    }

    fn with_bar(printer: &'a Printer, label: String, bar: Option<ProgressBar>) -> InstallProgress<'a> {
        if let Some(bar) = &bar {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        InstallProgress { printer, label, bar, downloading: false }
    }

    pub(crate) fn show(&mut self, progress: Progress) {
        let stage = match progress {
            Progress::Resolved { version: Some(version), from } => format!("getting Python {version} from {from}"),
            Progress::Resolved { version: None, from } => format!("getting Python from {from}"),
            Progress::Waiting => "waiting for another process that installs the same version".to_owned(),
            Progress::Downloading { received, total } => return self.downloaded(received, total),
            // Beside no bar it would only be in the way: what fails at last is told then.
            Progress::Retrying { .. } if self.bar.is_none() => return,
            Progress::Retrying { attempt, wait, reason } => {
                format!("trying again in {:.1} s ({attempt}): {reason}", wait.as_secs_f32())
            }
            Progress::Verifying => "checking its SHA-256".to_owned(),
            Progress::Unpacking => "unpacking".to_owned(),
        };
        let label = &self.label;
        match &self.bar {
            Some(bar) => {
                if std::mem::take(&mut self.downloading) {
                    bar.set_style(ProgressStyle::default_spinner());
                }
                bar.set_message(format!("{label}{stage}"));
            }
            None => {
                self.downloading = false;
                self.printer.note(format_args!("{label}{stage}"));
            }
        }
    }

    fn downloaded(&mut self, received: u64, total: Option<u64>) {
        const BAR: &str = "{prefix}downloading [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        const NO_TOTAL: &str = "{spinner} {prefix}downloading: {bytes}, {bytes_per_sec}";
        let begins = !std::mem::replace(&mut self.downloading, true);
        let Some(bar) = &self.bar else {
            if begins {
                let size = total.map(|total| format!(" {}", indicatif::HumanBytes(total))).unwrap_or_default();
                self.printer.note(format_args!("{}downloading{size}", self.label));
            }
            return;
        };
        if begins {
            let template = if total.is_some() { BAR } else { NO_TOTAL };
            bar.set_style(ProgressStyle::with_template(template).expect("a valid template"));
            bar.set_prefix(self.label.clone());
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
