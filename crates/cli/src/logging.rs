//! Logs. They go to standard error, so that standard output has nothing but results; a server's go to its log file.

use std::io::{Write, stderr};

use beep_python_runtime::platform::FileError;
use beep_python_server::AUDIT_TARGET;
use parking_lot::Mutex;
use tracing_subscriber::filter::{Directive, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::audit::{self, AuditSettings};
use crate::environment_variables::LOG;
use crate::log_file::LogFile;
use crate::log_writer::{LogFormat, LogWriter, State};

/// What a server logs where `BEEP_PYTHON_LOG` is not set. Other commands log nothing then.
pub(crate) const SERVER_DEFAULT: &str = "info";

static STATE: Mutex<State> = Mutex::new(State::NEW);

/// Whether the user asked for logs.
pub(crate) fn is_requested() -> bool {
    std::env::var_os(LOG).is_some_and(|value| !value.is_empty())
}

/// Installs the logger with the filter of `BEEP_PYTHON_LOG`; without it with `default`, or none at all. `file` is the one that standard
/// error goes to, where it is to be kept small.
pub(crate) fn init(
    default: Option<&str>,
    format: LogFormat,
    file: Option<LogFile>,
    audit: Option<&AuditSettings>,
) -> Result<(), FileError> {
    if default.is_none() && !is_requested() {
        return Ok(());
    }
    let default = default.unwrap_or("off");
    let filter = match std::env::var(LOG) {
        Ok(text) if !text.is_empty() => filter(&text).unwrap_or_else(|why| {
            let _ = writeln!(stderr(), "warning: {LOG}={text:?} is not a log filter ({why}); using `{default}`");
            EnvFilter::new(default)
        }),
        _ => EnvFilter::new(default),
    };
    let file: Option<&LogFile> = file.map(|file| &*Box::leak(Box::new(file)));
    let filter = filter.add_directive(no_audit());
    let logger = tracing_subscriber::fmt::layer()
        .with_target(false)
        // Where an event cannot be formatted, too, nothing else is written: by default that panics if it fails.
        .log_internal_errors(false)
        .with_writer(move || LogWriter::new(Ok(stderr()), format, &STATE).with_file(file));
    let logger = match format {
        LogFormat::Text => logger.with_filter(filter).boxed(),
        LogFormat::Json => logger.json().flatten_event(true).with_current_span(false).with_filter(filter).boxed(),
    };
    let audit = audit.map(audit::layer).transpose()?;
    tracing_subscriber::registry().with(logger).with(audit).init();
    Ok(())
}

/// The audit has a file of its own.
fn no_audit() -> Directive {
    format!("{AUDIT_TARGET}=off").parse().expect("a directive")
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

#[cfg(test)]
mod tests {
    use super::*;

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
