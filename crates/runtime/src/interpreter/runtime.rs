//! A runtime and its record on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::error::RuntimeError;
use super::interpreter::Interpreter;
use super::version::Version;
use crate::platform::failed_to;

/// The record's file name, in the runtime's folder.
pub(super) const RECORD: &str = "beep-python.json";
/// A runtime: a Python installation known to the home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Runtime {
    /// Its id: `cpython-3.13.1-linux-x86_64-gnu`, or `system-3.11.2` for an adopted one.
    pub id: String,
    /// Its executable.
    pub path: PathBuf,
    /// Its version: as it reports itself, else as recorded.
    pub version: Option<Version>,
    /// Its interpreter; `None` when it does not run.
    pub interpreter: Option<Interpreter>,
    /// Where it comes from.
    pub origin: Option<RuntimeOrigin>,
    /// Whether it can be used.
    #[serde(flatten)]
    pub state: RuntimeState,
    /// Whether it is the default runtime.
    pub is_default: bool,
}

/// Where a runtime comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RuntimeOrigin {
    /// Installed by beep-python; its files are in the home.
    Managed {
        /// The URL or archive it was installed from.
        source: String,
        /// The verified SHA-256, if one was known.
        sha256: Option<String>,
    },
    /// Found on the machine, where it stays.
    Adopted {
        /// Its executable.
        path: PathBuf,
    },
}

/// Whether a runtime can be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RuntimeState {
    /// It runs.
    Ready,
    /// It does not run.
    Broken {
        /// Why.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    id: String,
    pub(super) version: Version,
    /// Seconds since 1970.
    created: u64,
    pub(super) origin: RuntimeOrigin,
}

impl Runtime {
    /// Whether beep-python installed it.
    pub fn is_managed(&self) -> bool {
        matches!(self.origin, Some(RuntimeOrigin::Managed { .. }))
    }

    /// Its interpreter. Fails when it does not run.
    pub fn into_interpreter(self) -> Result<Interpreter, RuntimeError> {
        match (self.interpreter, self.state) {
            (Some(interpreter), _) => Ok(interpreter),
            (None, RuntimeState::Broken { reason }) => Err(RuntimeError::BrokenRuntime { id: self.id, reason }),
            (None, RuntimeState::Ready) => Err(RuntimeError::BrokenRuntime { id: self.id, reason: String::new() }),
        }
    }
}

impl Record {
    pub(super) fn new(id: &str, version: Version, origin: RuntimeOrigin) -> Record {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Record { id: id.to_owned(), version, created, origin }
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), RuntimeError> {
        let json = serde_json::to_vec_pretty(self).unwrap_or_default();
        Ok(fs::write(path, json).map_err(failed_to("write", path))?)
    }

    pub(super) fn read(folder: &Path) -> Result<Record, String> {
        let bytes = fs::read(folder.join(RECORD)).map_err(|error| error.to_string())?;
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }
}
