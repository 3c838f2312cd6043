//! How packages are installed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::options::InstallOptions;
use crate::platform::parse_duration;

/// How packages are installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageSettings {
    /// Which uv to use, if any.
    pub uv: UvChoice,
    /// The timeout of one run of the tool, after which it is killed.
    pub timeout: Duration,
    /// How long to wait while another process changes the packages of the same environment.
    pub lock_timeout: Duration,
    /// Environment variables for the tool and the builds it runs.
    pub variables: BTreeMap<String, String>,
    /// A folder that is the only source of packages.
    pub only_from: Option<PathBuf>,
    /// What the user wants otherwise this time.
    pub options: InstallOptions,
}

/// Which uv to use. Without uv, pip installs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UvChoice {
    /// The one on PATH, else the home's own, which is installed on first use.
    Any,
    /// This one; fail if it cannot be used.
    At(PathBuf),
    /// None: use pip.
    Never,
}

impl PackageSettings {
    /// Reads `BEEP_PYTHON_UV`: the path of uv, or `never` for pip; and `BEEP_PYTHON_LOCK_TIMEOUT`, a duration. The
    /// timeouts are one hour, since some builds take long.
    pub fn from_env() -> PackageSettings {
        let uv = match std::env::var_os("BEEP_PYTHON_UV").filter(|path| !path.is_empty()) {
            Some(word) if word == "never" => UvChoice::Never,
            Some(path) => UvChoice::At(path.into()),
            None => UvChoice::Any,
        };
        let timeout = Duration::from_secs(3600);
        let lock_timeout = lock_timeout_in_env().ok().flatten().unwrap_or(timeout);
        PackageSettings {
            uv,
            timeout,
            lock_timeout,
            variables: BTreeMap::new(),
            only_from: None,
            options: InstallOptions::default(),
        }
    }
}

/// What `BEEP_PYTHON_LOCK_TIMEOUT` says; an error where that is no duration.
pub fn lock_timeout_in_env() -> Result<Option<Duration>, String> {
    let said = std::env::var("BEEP_PYTHON_LOCK_TIMEOUT").ok().filter(|said| !said.trim().is_empty());
    said.map(|said| parse_duration(&said)).transpose().map_err(|wrong| format!("BEEP_PYTHON_LOCK_TIMEOUT: {wrong}"))
}
