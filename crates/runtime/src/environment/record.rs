//! The record that identifies an environment created by beep-python.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::interpreter::{Interpreter, Version};
use crate::platform::{error_chain, replace_file};

/// The record's file name, in the environment's folder.
pub(super) const FILE: &str = "beep-python.json";

/// What stands before the path in the `command` of `pyvenv.cfg`.
pub(super) const CREATE: &str = "beep-python venv create ";

/// Who created an environment, and with which Python.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentRecord {
    /// The environment's name.
    pub name: String,
    /// When it was created, in seconds since 1970.
    pub created: u64,
    /// The executable of the Python it was created with.
    pub interpreter: PathBuf,
    /// That Python's version at the time.
    pub python: Version,
    /// The provider it was created for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model it was created for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The version of Beep Python Runtime that created it.
    #[serde(default)]
    pub made_by: String,
}

impl EnvironmentRecord {
    /// A record of an environment created now.
    pub(super) fn new(name: &str, interpreter: &Interpreter) -> EnvironmentRecord {
        EnvironmentRecord {
            name: name.into(),
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            interpreter: interpreter.path.clone(),
            python: interpreter.version,
            provider: None,
            model: None,
            made_by: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// Reads the record in `folder`. The error says why there is none.
    pub(super) fn read(folder: &Path) -> Result<EnvironmentRecord, String> {
        let json = fs::read(folder.join(FILE)).map_err(|error| error.to_string())?;
        serde_json::from_slice(&json).map_err(|error| error.to_string())
    }

    /// Reads the record of an environment in the home. A lost or broken record is recovered from `pyvenv.cfg`.
    pub(super) fn recover(folder: &Path) -> Result<EnvironmentRecord, String> {
        let reason = match EnvironmentRecord::read(folder) {
            Ok(record) => return Ok(record),
            Err(reason) => reason,
        };
        let record = EnvironmentRecord::from_configuration(folder).ok_or(reason)?;
        let path = folder.join(FILE);
        tracing::warn!("{} was lost, and is recovered from pyvenv.cfg", path.display());
        if let Err(error) = replace_file(&path, &serde_json::to_vec_pretty(&record).unwrap_or_default()) {
            tracing::warn!("{}", error_chain(&error));
        }
        Ok(record)
    }

    /// The record that `pyvenv.cfg` describes, if beep-python wrote it.
    fn from_configuration(folder: &Path) -> Option<EnvironmentRecord> {
        let path = folder.join("pyvenv.cfg");
        let text = fs::read_to_string(&path).ok()?;
        let value = |key: &str| value_in(&text, key);
        let made_by = value("beep-python")?;
        let created = fs::metadata(&path).ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(EnvironmentRecord {
            name: folder.file_name()?.to_str()?.to_owned(),
            created: created.as_secs(),
            interpreter: value("executable")?.into(),
            python: value("version")?.parse().ok()?,
            provider: value("beep-python-provider"),
            model: value("beep-python-model"),
            made_by,
        })
    }
}

/// The path that an environment was created at, if beep-python created it.
pub(super) fn created_at(folder: &Path) -> Option<PathBuf> {
    let path = folder.join("pyvenv.cfg");
    // The file's time of access is the environment's last use, which looking is not. Only its owner may read it so.
    let unnoticed = File::options().read(true).custom_flags(OFlags::NOATIME.bits() as i32).open(&path);
    let mut text = String::new();
    unnoticed.or_else(|_| File::open(path)).ok()?.read_to_string(&mut text).ok()?;
    Some(value_in(&text, "command")?.strip_prefix(CREATE)?.into())
}

/// The value of a key of `pyvenv.cfg`.
fn value_in(text: &str, key: &str) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
}
