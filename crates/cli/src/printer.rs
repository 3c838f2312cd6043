//! How commands print: results on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write, stderr, stdout};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, Width};
use serde_json::{Value, json};

use crate::color::{Colors, ERROR, HINT, paint};
use crate::error::causes;

/// What separates the columns of a table.
const PADDING: u16 = 2;

/// A path for JSON, which can only hold text: what is not UTF-8 is replaced.
pub(crate) fn path_json(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

pub(crate) struct Printer {
    json: bool,
    pub(crate) colors: Colors,
    write_error: OnceLock<io::Error>,
    omitted_bytes: AtomicU64,
}

impl Printer {
    pub(crate) fn new(json: bool, colors: Colors) -> Printer {
        Printer { json, colors, write_error: OnceLock::new(), omitted_bytes: AtomicU64::new(0) }
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
    pub(crate) fn raw(&self, text: impl AsRef<[u8]>) {
        if text.as_ref().is_empty() {
            return; // standard output may be held by a write that waits for its reader
        }
        self.record_write(stdout().write_all(text.as_ref()).and_then(|()| stdout().flush()));
    }

    /// Records the first failure to write the result.
    pub(crate) fn record_write(&self, written: io::Result<()>) {
        if let Err(error) = written {
            let _ = self.write_error.set(error);
        }
    }

    /// Records that bytes of the code's output did not arrive.
    pub(crate) fn record_omitted(&self, bytes: u64) {
        self.omitted_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How many were recorded since the last time.
    pub(crate) fn take_omitted(&self) -> u64 {
        self.omitted_bytes.swap(0, Ordering::Relaxed)
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

    pub(crate) fn raw_note(&self, text: impl AsRef<[u8]>) {
        let _ = stderr().write_all(text.as_ref());
    }

    /// A table: fitted to the terminal, aligned lines elsewhere.
    pub(crate) fn table(&self, header: &[&str], rows: Vec<Vec<String>>) {
        let mut table = Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        // Some terminals report a width of 0.
        if table.width() == Some(0) {
            table.set_width(80);
        }
        // Cells are broken between words only: so an id or a path can be copied whole. Where the terminal is too narrow
        // for the words, it breaks the lines itself, which it takes back for a copy.
        let longest = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column).map(String::as_str)).chain([header[column]]);
            cells.flat_map(str::split_whitespace).map(|word| word.chars().count()).max().unwrap_or(0)
        };
        let words: Vec<u16> = (0..header.len()).map(|column| longest(column) as u16 + PADDING).collect();
        let fits = table
            .width()
            .is_some_and(|width| words.iter().map(|width| usize::from(*width)).sum::<usize>() <= usize::from(width));
        table.set_content_arrangement(match stdout().is_terminal() && fits {
            true => ContentArrangement::Dynamic,
            false => ContentArrangement::Disabled,
        });
        if self.colors.stdout {
            table.enforce_styling();
            table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
        } else {
            table.set_header(header);
        }
        for (column, width) in table.column_iter_mut().zip(words) {
            column.set_padding((0, PADDING)).set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
        }
        table.add_rows(rows);
        for line in table.lines() {
            self.line(line.trim_end());
        }
    }

    /// Prints `error:`, then each cause, then the hint; with `--json`, an object that has them.
    pub(crate) fn error(&self, error: &anyhow::Error, hint: Option<&str>) {
        let (said, causes) = (error.to_string(), causes(error));
        if self.json {
            // In one line, the last one on standard error.
            return self.note(json!({"error": said, "causes": causes, "hint": hint}));
        }
        let word = |style, word| paint(self.colors.stderr, style, word);
        self.note(format_args!("{} {said}", word(ERROR, "error:")));
        for cause in causes {
            let lines = cause.replace('\n', "\n    ");
            self.note(format_args!("{} {lines}", word(ERROR, "caused by:")));
        }
        hint.iter().for_each(|hint| self.hint(hint));
    }

    /// What to do about an error.
    pub(crate) fn hint(&self, hint: &str) {
        self.note(format_args!("{} {hint}", paint(self.colors.stderr, HINT, "hint:")));
    }
}
