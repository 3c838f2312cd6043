//! A Python interpreter.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::RuntimeError;
use super::platform::Platform;
use super::version::Version;

/// The oldest version that workers run on.
const OLDEST: Version = Version::new(3, 9, 0);

/// A Python interpreter. For a virtual environment, the one that it was created with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The executable, with symbolic links, shims and virtual environments resolved.
    pub path: PathBuf,
    /// Its exact version.
    pub version: Version,
    /// `cpython`
    pub implementation: String,
    /// The folder it is installed in: `sys.base_prefix`.
    pub prefix: PathBuf,
    /// The folder of the standard library: `PREFIX/lib/python3.12`.
    pub stdlib: PathBuf,
    /// The platform it was built for.
    pub platform: Platform,
    /// Whether it is a build without the global interpreter lock.
    pub free_threaded: bool,
    /// 64 or 32.
    pub pointer_bits: u8,
}

impl Interpreter {
    /// `python3.12`, or `python3.13t` for a free-threaded build: the name of its executable and of its library folder.
    pub fn name(&self) -> String {
        let suffix = if self.free_threaded { "t" } else { "" };
        format!("python{}{suffix}", self.version.series())
    }

    /// Fails unless it is CPython 3.9 or newer.
    pub fn check_supported(&self) -> Result<(), RuntimeError> {
        if self.implementation != "cpython" {
            return Err(RuntimeError::NotCPython {
                path: self.path.clone(),
                implementation: self.implementation.clone(),
            });
        }
        if (self.version.major, self.version.minor) < (OLDEST.major, OLDEST.minor) {
            return Err(RuntimeError::TooOld { path: self.path.clone(), version: self.version });
        }
        Ok(())
    }
}
