//! Logs. They go to standard error, so that standard output has nothing but results; a server's go to its log file.

use std::io::{self, Write, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::environment_variables::LOG;

/// What a server logs where `BEEP_PYTHON_LOG` is not set. Other commands log nothing then.
pub(crate) const SERVER_DEFAULT: &str = "info";

/// Whether the user asked for logs.
pub(crate) fn is_requested() -> bool {
    std::env::var_os(LOG).is_some_and(|value| !value.is_empty())
}

/// Installs the logger with the filter of `BEEP_PYTHON_LOG`; without it with `default`, or none at all.
pub(crate) fn init(default: Option<&str>) {
    if default.is_none() && !is_requested() {
        return;
    }
    let default = default.unwrap_or("off");
    let filter = match std::env::var(LOG) {
        Ok(text) if !text.is_empty() => filter(&text).unwrap_or_else(|why| {
            let _ = writeln!(stderr(), "warning: {LOG}={text:?} is not a log filter ({why}); using `{default}`");
            EnvFilter::new(default)
        }),
        _ => EnvFilter::new(default),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        // A log that cannot be written, on a full disk say, must not end what logs: by default that panics.
        .log_internal_errors(false)
        .with_writer(|| Lines(stderr()))
        .init();
}

fn filter(text: &str) -> Result<EnvFilter, String> {
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        // Any word alone is taken for the name of a module, so that a misspelt level would silence everything.
        let is_name = word.starts_with("beep_python") || word.contains(['=', '[', ':']);
        if !is_name && word.parse::<LevelFilter>().is_err() {
            return Err(format!("`{word}` is no level: off, error, warn, info, debug or trace"));
        }
    }
    EnvFilter::try_new(text).map_err(|error| error.to_string())
}

/// Writes each event so that only its first line begins at the margin: a text of a client's with line ends cannot look like an
/// event of its own.
struct Lines<W>(W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let whole = event.strip_suffix(b"\n").unwrap_or(event);
        if !whole.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            return self.0.write_all(event).map(|()| event.len());
        }
        let mut out = Vec::with_capacity(event.len() + 64);
        for byte in whole {
            match byte {
                b'\n' => out.extend_from_slice(b"\n    "),
                b'\r' => out.extend_from_slice(b"\\r"),
                byte => out.push(*byte),
            }
        }
        out.push(b'\n');
        self.0.write_all(&out).map(|()| event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_of_an_event_begins_at_the_margin() {
        for (event, written) in [
            ("one\n", "one\n"),
            ("one\n2026-01-01 INFO forged\n", "one\n    2026-01-01 INFO forged\n"),
            ("one\r\ntwo\n", "one\\r\n    two\n"),
        ] {
            let mut lines = Lines(Vec::new());
            lines.write_all(event.as_bytes()).expect("written");
            assert_eq!(String::from_utf8_lossy(&lines.0), written);
        }
    }

    #[test]
    fn misspelt_levels_are_no_filters() {
        for text in ["debgu", "info,beep_python_server=debug,trcae"] {
            assert!(filter(text).is_err(), "{text}");
        }
        for text in [
            "debug",
            "off",
            "beep_python_runtime",
            "beep_python_runtime=trace",
            "warn,hyper=info",
            "[session{id=a1}]=debug",
        ] {
            assert!(filter(text).is_ok(), "{text}");
        }
    }
}
