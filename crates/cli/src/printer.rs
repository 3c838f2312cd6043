//! How commands print: results on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::sync::OnceLock;

use comfy_table::{Attribute, Cell, ContentArrangement, Table};
use serde_json::Value;

use crate::color::{Colors, ERROR, HINT, paint};

pub(crate) struct Printer {
    json: bool,
    pub(crate) colors: Colors,
    write_error: OnceLock<io::Error>,
}

impl Printer {
    pub(crate) fn new(json: bool, colors: Colors) -> Printer {
        Printer { json, colors, write_error: OnceLock::new() }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A result: `json` for programs, or whatever `text` prints for people.
    pub(crate) fn result(&self, json: Value, text: impl FnOnce()) {
        if self.json { self.line(format_args!("{json:#}")) } else { text() }
    }

    /// A line of the result.
    pub(crate) fn line(&self, line: impl Display) {
        self.record_write(writeln!(stdout(), "{line}"));
    }

    /// A part of the result, without a line end.
    pub(crate) fn raw(&self, text: &str) {
        self.record_write(stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush()));
    }

    /// Records the first failure to write the result.
    pub(crate) fn record_write(&self, written: io::Result<()>) {
        if let Err(error) = written {
            let _ = self.write_error.set(error);
        }
    }

    /// Whether writing results has failed: the reader has gone away, as `head` does, or the disk is full.
    pub(crate) fn is_closed(&self) -> bool {
        self.write_error.get().is_some()
    }

    /// Why the result could not be written completely: usually a full disk. A reader that has gone away is not an error.
    pub(crate) fn write_error(self) -> Option<io::Error> {
        self.write_error.into_inner().filter(|error| error.kind() != ErrorKind::BrokenPipe)
    }

    /// Progress or a notice, not part of the result.
    pub(crate) fn note(&self, note: impl Display) {
        let _ = writeln!(stderr(), "{note}");
    }

    pub(crate) fn raw_note(&self, text: &str) {
        let _ = stderr().write_all(text.as_bytes());
    }

    /// A table: fitted to the terminal, aligned lines elsewhere.
    pub(crate) fn table(&self, header: &[&str], rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_content_arrangement(match stdout().is_terminal() {
            true => ContentArrangement::Dynamic,
            false => ContentArrangement::Disabled,
        });
        // Some terminals report a width of 0.
        if table.width() == Some(0) {
            table.set_width(80);
        }
        if self.colors.stdout {
            table.enforce_styling();
            table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        } else {
            table.set_header(header);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.add_rows(rows);
        for line in table.lines() {
            self.line(line.trim_end());
        }
    }

    /// Prints `error:`, then each cause, then the hint.
    pub(crate) fn error(&self, error: &anyhow::Error, hint: Option<&str>) {
        let mut said = error.to_string();
        let word = |style, word| paint(self.colors.stderr, style, word);
        self.note(format_args!("{} {said}", word(ERROR, "error:")));
        for cause in error.chain().skip(1) {
            // An error that only wraps another one repeats its text.
            let cause = cause.to_string();
            if cause != said {
                self.note(format_args!("{} {cause}", word(ERROR, "caused by:")));
                said = cause;
            }
        }
        hint.iter().for_each(|hint| self.hint(hint));
    }

    /// What to do about an error.
    pub(crate) fn hint(&self, hint: &str) {
        self.note(format_args!("{} {hint}", paint(self.colors.stderr, HINT, "hint:")));
    }
}
