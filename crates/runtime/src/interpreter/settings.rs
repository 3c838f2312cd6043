//! Where runtimes come from.

use std::time::Duration;

use super::discover::SearchPaths;

/// Where runtimes come from, and the timeouts of downloads.
#[derive(Clone, Debug)]
pub struct InstallSettings {
    /// A path or URL of a catalogue that replaces the built-in one.
    pub catalogue: Option<String>,
    /// A folder or URL of a mirror that replaces the catalogue's URLs.
    pub mirror: Option<String>,
    /// Timeout for a connection.
    pub connect_timeout: Duration,
    /// Timeout for the next bytes.
    pub idle_timeout: Duration,
    /// The number of retries of a download. The count starts anew whenever bytes were received.
    pub retries: u32,
    /// The delay before the first retry. It doubles with each further one.
    pub backoff: Duration,
    /// Where to search for Pythons of the machine.
    pub search: SearchPaths,
}

impl InstallSettings {
    /// `BEEP_PYTHON_CATALOGUE` and `BEEP_PYTHON_INSTALL_MIRROR`; timeouts of 3 s for a connection and 20 s for the next
    /// bytes; three retries; the usual search paths.
    pub fn from_env() -> InstallSettings {
        let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        InstallSettings {
            catalogue: set("BEEP_PYTHON_CATALOGUE"),
            mirror: set("BEEP_PYTHON_INSTALL_MIRROR"),
            connect_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(20),
            retries: 3,
            backoff: Duration::from_millis(250),
            search: SearchPaths::from_env(),
        }
    }
}
