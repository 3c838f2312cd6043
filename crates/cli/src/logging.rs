//! Logs. They go to standard error, so that standard output has nothing but results; a server's go to its log file.

use tracing_subscriber::EnvFilter;

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
        Ok(text) if !text.is_empty() => EnvFilter::try_new(&text).unwrap_or_else(|error| {
            eprintln!("warning: {LOG}={text:?} is not a log filter ({error}); using `{default}`");
            EnvFilter::new(default)
        }),
        _ => EnvFilter::new(default),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr).init();
}
