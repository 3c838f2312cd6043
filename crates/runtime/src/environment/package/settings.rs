//! How packages are installed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};

use super::options::InstallOptions;
use crate::platform::{Home, parse_duration, user_folder};

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
    /// The variables that name the tools' caches, where theirs cannot be.
    pub caches: Vec<(&'static str, PathBuf)>,
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
            caches: Vec::new(),
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

/// Caches in the home for a user without a home folder that can be written to, as in a container that runs under any user:
/// uv would take the working folder, or fail, and pip would warn.
pub(in crate::environment) fn caches(home: &Home) -> Vec<(&'static str, PathBuf)> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let usual = user_folder().filter(|folder| folder.is_absolute()).map(|folder| folder.join(".cache"));
    let lacks = |tool: &str| !usual.as_ref().is_some_and(|usual| can_be_written(&usual.join(tool)));
    if is_set("XDG_CACHE_HOME") {
        return Vec::new();
    }
    [("UV_CACHE_DIR", "uv"), ("PIP_CACHE_DIR", "pip")]
        .into_iter()
        .filter(|(name, tool)| !is_set(name) && lacks(tool))
        .map(|(name, tool)| (name, home.root().join("cache").join(tool)))
        .collect()
}

/// Whether a folder can be written to, or made.
fn can_be_written(folder: &Path) -> bool {
    let nearest = folder.ancestors().find(|folder| folder.exists());
    nearest.is_some_and(|nearest| nearest.is_dir() && access(nearest, Access::WRITE_OK | Access::EXEC_OK).is_ok())
}
