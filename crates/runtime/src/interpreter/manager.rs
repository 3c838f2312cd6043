//! The runtimes of the home.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::install::{file_of, locate};
use super::{Catalogue, Interpreter, RuntimeError, SearchPaths, Version, discover, download, query};
use crate::platform::{Home, HomeError, Staging, error_chain, failed_to, replace_link};

/// The record's file name, in the runtime's folder.
pub(super) const RECORD: &str = "beep-python.json";
/// The link to the default runtime's folder.
const DEFAULT: &str = "default";

/// Installs, adopts, lists and removes the runtimes of a home.
#[derive(Clone, Debug)]
pub struct PythonRuntimeManager {
    home: Home,
    pub(super) settings: InstallSettings,
}

/// Where runtimes come from, and how long to wait for them.
#[derive(Clone, Debug)]
pub struct InstallSettings {
    /// A catalogue instead of the built-in one: a path or URL.
    pub catalogue: Option<String>,
    /// A mirror instead of the addresses in the catalogue: a folder or URL.
    pub mirror: Option<String>,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for the next bytes.
    pub idle_timeout: Duration,
    /// How often a download that fails is tried again; each time it went on in between counts anew.
    pub retries: u32,
    /// How long to wait before the first of these tries; before each further one twice as long.
    pub backoff: Duration,
    /// Where Pythons of the machine are looked for.
    pub search: SearchPaths,
}

/// A Python installation that the home knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Runtime {
    /// Its name: `cpython-3.13.1-linux-x86_64-gnu`, or `system-3.11.2` for one of the machine.
    pub id: String,
    /// Its executable.
    pub path: PathBuf,
    /// Its version: what it says when it runs, else what was recorded.
    pub version: Option<Version>,
    /// What is known of it; `None` when it does not run.
    pub interpreter: Option<Interpreter>,
    /// Where it comes from.
    pub origin: Option<RuntimeOrigin>,
    /// Whether it can be used.
    #[serde(flatten)]
    pub state: RuntimeState,
    /// Whether it is used when no other is named.
    pub is_default: bool,
}

/// Where a runtime comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RuntimeOrigin {
    /// We installed it; its files lie in the home.
    Managed {
        /// The address or archive it was taken from.
        source: String,
        /// The SHA-256 that was checked, if one was.
        sha256: Option<String>,
    },
    /// It was found on the machine, and stays where it is.
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
    /// It does not.
    Broken {
        /// Why.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    id: String,
    version: Version,
    /// Seconds since 1970.
    created: u64,
    origin: RuntimeOrigin,
}

impl InstallSettings {
    /// `BEEP_PYTHON_CATALOGUE`, `BEEP_PYTHON_INSTALL_MIRROR`, 3 s for a connection, 20 s for the next bytes, three
    /// more tries, and the usual places.
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

impl PythonRuntimeManager {
    /// The manager of this home's runtimes, set up by the environment variables.
    pub fn new(home: Home) -> PythonRuntimeManager {
        PythonRuntimeManager::with_settings(home, InstallSettings::from_env())
    }

    /// The manager of this home's runtimes.
    pub fn with_settings(home: Home, settings: InstallSettings) -> PythonRuntimeManager {
        PythonRuntimeManager { home, settings }
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// What can be downloaded: the built-in catalogue, or the one of the settings.
    pub async fn catalogue(&self) -> Result<Catalogue, RuntimeError> {
        let Some(location) = &self.settings.catalogue else { return Ok(Catalogue::builtin()) };
        let unreachable = |source: RuntimeError| RuntimeError::CatalogueUnreachable {
            location: location.clone(),
            source: Box::new(source),
        };
        let url = locate(location).map_err(unreachable)?;
        let json = match file_of(&url) {
            Some(path) => {
                fs::read(&path).map_err(failed_to("read", &path)).map_err(|error| unreachable(error.into()))?
            }
            None => download::read_small(&url, self.retry_policy()).await.map_err(unreachable)?,
        };
        Catalogue::parse(&json, location)
    }

    /// Every CPython from 3.9 up on the machine, the newest first.
    pub fn discover(&self) -> Result<Vec<Interpreter>, RuntimeError> {
        discover(&self.home, &self.settings.search)
    }

    /// Every runtime of the home, by id; also those that are broken.
    pub fn list(&self) -> Result<Vec<Runtime>, RuntimeError> {
        let default = self.default_id()?;
        let folder = self.folder()?;
        Ok(self.ids()?.into_iter().map(|id| self.inspect(&folder.join(&id), id, default.as_deref())).collect())
    }

    /// The runtime of this id.
    pub fn get(&self, id: &str) -> Result<Runtime, RuntimeError> {
        let known = self.ids()?;
        if !known.iter().any(|known| known == id) {
            return Err(RuntimeError::UnknownRuntime { id: id.to_owned(), known });
        }
        Ok(self.inspect(&self.folder()?.join(id), id.to_owned(), self.default_id()?.as_deref()))
    }

    /// The runtime that is used when no other is named.
    pub fn default_runtime(&self) -> Result<Option<Runtime>, RuntimeError> {
        self.default_id()?.map(|id| self.get(&id)).transpose()
    }

    /// Makes a Python of the machine a runtime of the home, or finds that it is one; the first one becomes the default.
    pub fn adopt(&self, interpreter: &Interpreter) -> Result<Runtime, RuntimeError> {
        interpreter.check_supported()?;
        let folder = self.folder()?;
        let origin = RuntimeOrigin::Adopted { path: interpreter.path.clone() };
        let here = |runtime: &Runtime| runtime.interpreter.as_ref().is_some_and(|i| i.path == interpreter.path);
        let id = match self.list()?.into_iter().find(here) {
            Some(runtime) => runtime.id,
            None => self.record_adopted(&folder, interpreter, &origin)?,
        };
        if self.default_id()?.is_none() {
            self.set_default(&id)?;
        }
        self.get(&id)
    }

    /// Makes the runtime of this id the one that is used when no other is named.
    pub fn set_default(&self, id: &str) -> Result<(), RuntimeError> {
        self.get(id)?;
        Ok(replace_link(self.folder()?.join(DEFAULT), id)?)
    }

    /// Removes the runtime of this id: an installed one with its files, of an adopted one only the record.
    ///
    /// Environments that were made with an installed one do not run afterwards. When it was the default, there is none.
    pub fn remove(&self, id: &str) -> Result<(), RuntimeError> {
        self.get(id)?;
        let folder = self.folder()?;
        let staging = Staging::begin(&folder, id)?;
        if !staging.final_path().is_dir() {
            return Ok(());
        }
        if self.default_id()?.as_deref() == Some(id) {
            let link = folder.join(DEFAULT);
            fs::remove_file(&link).map_err(failed_to("remove", &link))?;
        }
        Ok(staging.remove()?)
    }

    /// The id that the default link names, when there is such a runtime.
    pub(super) fn default_id(&self) -> Result<Option<String>, RuntimeError> {
        let folder = self.folder()?;
        let target = fs::read_link(folder.join(DEFAULT)).ok().and_then(|target| target.to_str().map(str::to_owned));
        Ok(target.filter(|id| !id.contains('/') && folder.join(id).is_dir()))
    }

    fn record_adopted(
        &self,
        folder: &Path,
        interpreter: &Interpreter,
        origin: &RuntimeOrigin,
    ) -> Result<String, RuntimeError> {
        let mut id = format!("system-{}", interpreter.version);
        for number in 2.. {
            let staging = Staging::begin(folder, &id)?;
            match Record::read(&staging.final_path()) {
                Ok(record) if record.origin == *origin => break,
                Ok(_) => id = format!("system-{}-{number}", interpreter.version),
                Err(_) => {
                    let new = staging.staged_path();
                    fs::create_dir(&new).map_err(failed_to("make", &new))?;
                    Record::new(&id, interpreter.version, origin.clone()).write(&new.join(RECORD))?;
                    staging.commit(&new)?;
                    break;
                }
            }
        }
        Ok(id)
    }

    fn inspect(&self, folder: &Path, id: String, default: Option<&str>) -> Runtime {
        let record = Record::read(folder);
        let path = match &record {
            Ok(Record { origin: RuntimeOrigin::Adopted { path }, .. }) => path.clone(),
            _ => folder.join("bin/python3"),
        };
        let is_default = default == Some(&id);
        let known = match &record {
            Ok(_) => query(&self.home, &path),
            Err(reason) => Err(RuntimeError::BrokenRecord { id: id.clone(), reason: reason.clone() }),
        };
        let (interpreter, state) = match known {
            Ok(interpreter) => (Some(interpreter), RuntimeState::Ready),
            Err(error) => (None, RuntimeState::Broken { reason: error_chain(&error) }),
        };
        let recorded = record.ok();
        Runtime {
            id,
            path: interpreter.as_ref().map_or(path, |i| i.path.clone()),
            version: interpreter.as_ref().map(|i| i.version).or(recorded.as_ref().map(|record| record.version)),
            origin: recorded.map(|record| record.origin),
            interpreter,
            state,
            is_default,
        }
    }

    fn ids(&self) -> Result<Vec<String>, RuntimeError> {
        let folder = self.folder()?;
        let mut ids: Vec<String> = fs::read_dir(&folder)
            .map_err(failed_to("read", &folder))?
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        ids.sort();
        Ok(ids)
    }

    fn folder(&self) -> Result<PathBuf, HomeError> {
        self.home.runtimes()
    }
}

impl Runtime {
    /// Whether we installed it.
    pub fn is_managed(&self) -> bool {
        matches!(self.origin, Some(RuntimeOrigin::Managed { .. }))
    }

    /// Its interpreter; an error when it does not run.
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

    fn read(folder: &Path) -> Result<Record, String> {
        let bytes = fs::read(folder.join(RECORD)).map_err(|error| error.to_string())?;
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }
}
