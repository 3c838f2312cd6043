//! Which tool installs packages, and how long it may take.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Which tool installs packages, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageSettings {
    /// Which uv, if any.
    pub uv: UvChoice,
    /// How long one run of the tool may take before it is killed.
    pub timeout: Duration,
    /// Environment variables for the tool, and so for what it builds.
    pub variables: BTreeMap<String, String>,
    /// A folder that packages are taken from, and from nowhere else.
    pub only_from: Option<PathBuf>,
}

/// Which uv is used; where there is none, pip installs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UvChoice {
    /// The one on PATH, else the home's own, which is installed when it is first needed.
    Any,
    /// This one, or the work fails.
    At(PathBuf),
    /// None: pip is to be used.
    Never,
}

impl PackageSettings {
    /// `BEEP_PYTHON_UV`: the path of uv, or `never` for pip. One hour, since some packages are built for long.
    pub fn from_env() -> PackageSettings {
        let uv = match std::env::var_os("BEEP_PYTHON_UV").filter(|path| !path.is_empty()) {
            Some(word) if word == "never" => UvChoice::Never,
            Some(path) => UvChoice::At(path.into()),
            None => UvChoice::Any,
        };
        PackageSettings { uv, timeout: Duration::from_secs(3600), variables: BTreeMap::new(), only_from: None }
    }
}
