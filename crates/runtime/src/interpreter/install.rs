//! Installing a runtime: download the archive, unpack it beside its final path, run it, and move it there.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Url;

use super::catalogue::{Catalogue, CatalogueEntry};
use super::error::RuntimeError;
use super::interpreter::Interpreter;
use super::location::{file_of, locate};
use super::manager::PythonRuntimeManager;
use super::platform::Platform;
use super::probe::probe;
use super::progress::Progress;
use super::relocate::relocate;
use super::request::VersionRequest;
use super::runtime::{RECORD, Record, Runtime, RuntimeOrigin, RuntimeState};
use super::version::Version;
use super::{archive, download};
use crate::platform::{Staging, failed_to, mask_credentials, spawn_blocking};

/// Where to take a runtime from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The configured mirror (`BEEP_PYTHON_INSTALL_MIRROR`), else the catalogue's URLs.
    #[default]
    Default,
    /// A mirror: `https://…`, `http://…`, `file://…` or the path of a folder. It holds the archives in the layout of
    /// the original site, `20260101/cpython-….tar.gz`, or all in one folder.
    Mirror(String),
    /// An `install_only` archive on this machine.
    Archive {
        /// The archive.
        path: PathBuf,
        /// Its SHA-256, if known. The default is that of the catalogue, else of the file `PATH.sha256`. Without any,
        /// the archive is not verified, and [`Installed::checked`] is false.
        sha256: Option<String>,
    },
}

/// The outcome of an installation.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The runtime.
    pub runtime: Runtime,
    /// False when it was installed already.
    pub new: bool,
    /// Whether the archive's SHA-256 was verified. True when it was installed already.
    pub checked: bool,
}

/// An archive on this machine.
struct Fetched {
    archive: PathBuf,
    /// Remove it after unpacking.
    temporary: bool,
    promised: Option<Version>,
    sha256: Option<String>,
    origin: String,
}

impl PythonRuntimeManager {
    /// Installs the newest matching Python, unless that very build is installed. The first runtime becomes the default.
    ///
    /// Safe against other processes that do the same: one installs, the others wait for it.
    pub async fn install(
        &self,
        request: &VersionRequest,
        source: &Source,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Installed, RuntimeError> {
        let mirror = match source {
            Source::Archive { path, sha256 } => {
                return self.install_archive(Some(request), path, sha256.as_deref(), progress).await;
            }
            Source::Mirror(mirror) => Some(mirror),
            Source::Default => self.settings.mirror.as_ref(),
        };
        let catalogue = self.catalogue().await?;
        let entry = catalogue.find(request, &Platform::host())?;
        let places = places(entry, mirror.map(String::as_str))?;
        progress(Progress::Resolved { version: Some(entry.version), from: places[0].to_string() });

        let staging = self.stage(&entry.name, progress).await?;
        if let Some(runtime) = self.ready(&entry.name)? {
            return Ok(Installed { runtime, new: false, checked: true });
        }
        let fetched = self.fetch(entry, &places, progress).await?;
        progress(Progress::Unpacking);
        self.unpack_and_publish(Some(staging), fetched, None).await
    }

    /// Installs from an archive on this machine. Its Python must match `request`.
    pub(super) async fn install_archive(
        &self,
        request: Option<&VersionRequest>,
        path: &Path,
        sha256: Option<&str>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Installed, RuntimeError> {
        let path = std::path::absolute(path).map_err(failed_to("find", path))?;
        fs::metadata(&path).map_err(failed_to("read", &path))?;
        let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let catalogue = self.catalogue().await.unwrap_or_else(|_| Catalogue::builtin());
        let entry = catalogue.by_file_name(&file_name);
        let promised = entry.map(|entry| entry.version).or_else(|| version_of_file_name(&file_name));
        progress(Progress::Resolved { version: promised, from: path.display().to_string() });

        let known = sha256.map(str::to_owned).or_else(|| entry.map(|e| e.sha256.clone())).or_else(|| sidecar(&path));
        if let Some(expected) = &known {
            progress(Progress::Verifying);
            check_hash(&path, expected).await?;
        }
        progress(Progress::Unpacking);
        let origin = path.display().to_string();
        let fetched = Fetched { archive: path, temporary: false, promised, sha256: known, origin };
        self.unpack_and_publish(None, fetched, request.cloned()).await
    }

    /// Downloads the archive of the newest matching Python for `platform`, verifies it, and puts it into the folder
    /// `into`. Installs nothing. Without a request, the version is the catalogue's default.
    pub async fn fetch_archive(
        &self,
        request: Option<&VersionRequest>,
        platform: &Platform,
        into: &Path,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(CatalogueEntry, PathBuf), RuntimeError> {
        let catalogue = self.catalogue().await?;
        let entry = match request {
            Some(request) => catalogue.find(request, platform)?,
            None => catalogue.find(&catalogue.default.parse()?, platform)?,
        };
        let places = places(entry, self.settings.mirror.as_deref())?;
        progress(Progress::Resolved { version: Some(entry.version), from: places[0].to_string() });
        let _staging = self.stage(&entry.name, progress).await?;
        let fetched = self.fetch(entry, &places, progress).await?;
        let place = into.join(format!("{}-install_only.tar.gz", entry.name));
        let (from, to) = (fetched.archive.clone(), place.clone());
        spawn_blocking(move || fs::copy(&from, &to).map_err(failed_to("copy", &from))).await?;
        if fetched.temporary {
            let _ = fs::remove_file(&fetched.archive);
        }
        Ok((entry.clone(), place))
    }

    async fn fetch(
        &self,
        entry: &CatalogueEntry,
        places: &[Url],
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Fetched, RuntimeError> {
        let fetched = |archive, temporary, place: &Url| Fetched {
            archive,
            temporary,
            promised: Some(entry.version),
            sha256: Some(entry.sha256.clone()),
            origin: place.to_string(),
        };
        if let Some(files) = places.iter().map(file_of).collect::<Option<Vec<_>>>() {
            let index = files.iter().position(|file| file.is_file()).unwrap_or(0);
            progress(Progress::Verifying);
            check_hash(&files[index], &entry.sha256).await?;
            return Ok(fetched(files[index].clone(), false, &places[index]));
        }
        let downloads = self.home().cache()?.join("downloads");
        fs::create_dir_all(&downloads).map_err(failed_to("create", &downloads))?;
        // The name has the hash, since another build of the same name cannot be resumed.
        let part = downloads.join(format!("{}-{}.part", entry.name, &entry.sha256[..16]));
        let mut refused = None;
        for place in places {
            match download::download(place, &part, &entry.sha256, self.retry_policy(), progress).await {
                Ok(()) => return Ok(fetched(part, true, place)),
                Err(error @ RuntimeError::DownloadRefused { .. }) => refused = refused.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        Err(refused.expect("there is at least one place"))
    }

    /// Locks an id. Also removes what dead processes left.
    async fn stage(&self, id: &str, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Staging, RuntimeError> {
        let folder = self.home().runtimes()?;
        Staging::sweep(&folder);
        if let Some(staging) = Staging::try_begin(&folder, id)? {
            return Ok(staging);
        }
        progress(Progress::Waiting);
        let id = id.to_owned();
        Ok(spawn_blocking(move || Staging::begin(&folder, &id)).await?)
    }

    async fn unpack_and_publish(
        &self,
        staging: Option<Staging>,
        fetched: Fetched,
        request: Option<VersionRequest>,
    ) -> Result<Installed, RuntimeError> {
        let manager = self.clone();
        // One blocking task: a caller that gives up cannot interrupt it, and the lock is held to its end.
        spawn_blocking(move || {
            let staging = match staging {
                Some(staging) => staging,
                // The id is known only after unpacking; until then the work has a name of its own.
                None => Staging::begin(&manager.home().runtimes()?, "archive")?,
            };
            let installation = archive::unpack(&fetched.archive, &staging.staged_path())?;
            let interpreter = run_new(&installation, &fetched, request.as_ref())?;
            let id = id_of(&interpreter);
            relocate(&installation, &manager.home().runtimes()?.join(&id))?;
            let record = Record::new(
                &id,
                interpreter.version,
                RuntimeOrigin::Managed { source: fetched.origin.clone(), sha256: fetched.sha256.clone() },
            );
            record.write(&installation.join(RECORD))?;
            let new = manager.publish(&staging, &installation, &id)?;
            tracing::info!(runtime = id, new, from = mask_credentials(&fetched.origin), "runtime installed");
            if fetched.temporary {
                let _ = fs::remove_file(&fetched.archive);
            }
            if manager.default_id()?.is_none() {
                manager.set_default(&id)?;
            }
            Ok(Installed { runtime: manager.get(&id)?, new, checked: fetched.sha256.is_some() })
        })
        .await
    }

    /// Moves the installation to its final path. Returns false when a working one is there already.
    fn publish(&self, staging: &Staging, installation: &Path, id: &str) -> Result<bool, RuntimeError> {
        let folder = self.home().runtimes()?;
        if staging.final_path() == folder.join(id) {
            staging.commit(installation)?;
            return Ok(true);
        }
        let own = Staging::begin(&folder, id)?;
        if self.ready(id)?.is_some() {
            return Ok(false);
        }
        own.commit(installation)?;
        Ok(true)
    }

    /// The runtime of this id, if it exists and runs.
    fn ready(&self, id: &str) -> Result<Option<Runtime>, RuntimeError> {
        match self.get(id) {
            Ok(runtime) if runtime.state == RuntimeState::Ready => Ok(Some(runtime)),
            Ok(_) | Err(RuntimeError::UnknownRuntime { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// `cpython-3.13.1-linux-x86_64-gnu`
fn id_of(interpreter: &Interpreter) -> String {
    let threads = if interpreter.free_threaded { "t" } else { "" };
    format!("cpython-{}{threads}-{}", interpreter.version, interpreter.platform)
}

/// Runs the unpacked Python and compares it with the expected one.
fn run_new(
    installation: &Path,
    fetched: &Fetched,
    request: Option<&VersionRequest>,
) -> Result<Interpreter, RuntimeError> {
    let (interpreter, _) = probe(&installation.join("bin/python3"))?;
    interpreter.check_supported()?;
    let actual = interpreter.version;
    let wrong = |promised: String, actual: String| RuntimeError::WrongVersion {
        origin: fetched.origin.clone(),
        promised,
        actual,
    };
    match (fetched.promised, request) {
        (Some(promised), _) if promised != actual => Err(wrong(promised.to_string(), actual.to_string())),
        (_, Some(request)) if !request.matches(&actual) => Err(wrong(request.to_string(), actual.to_string())),
        _ => {
            // A launcher of another installation would pass for the runtime, and break when that one is removed.
            let (own, found) = (installation.canonicalize().unwrap_or_default(), &interpreter.path);
            if !found.starts_with(&own) {
                return Err(wrong("a Python of its own".into(), format!("{actual} of {}", found.display())));
            }
            Ok(interpreter)
        }
    }
}

/// The URLs to try, in this order.
fn places(entry: &CatalogueEntry, mirror: Option<&str>) -> Result<Vec<Url>, RuntimeError> {
    let invalid = |location: &str| RuntimeError::InvalidLocation { location: location.to_owned() };
    let Some(mirror) = mirror else {
        return Ok(vec![Url::parse(&entry.url).map_err(|_| invalid(&entry.url))?]);
    };
    let mut base = locate(mirror)?;
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    let join = |path: &str| base.join(path).map_err(|_| invalid(mirror));
    entry.mirror_paths().into_iter().map(join).collect()
}

/// The version in `cpython-3.13.1+20260101-….tar.gz`.
fn version_of_file_name(file_name: &str) -> Option<Version> {
    file_name.strip_prefix("cpython-")?.split(['+', '-']).next()?.parse().ok()
}

/// The hash in the file beside the archive: `HASH` or `HASH  FILE`.
fn sidecar(path: &Path) -> Option<String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    let text = fs::read_to_string(name).ok()?;
    let word = text.split_whitespace().next()?;
    (word.len() == 64).then(|| word.to_owned())
}

async fn check_hash(path: &Path, expected: &str) -> Result<(), RuntimeError> {
    let owned = path.to_owned();
    let actual = spawn_blocking(move || download::hash_file(&owned)).await?;
    if actual.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let what = path.display().to_string();
    Err(RuntimeError::WrongHash { what, expected: expected.to_ascii_lowercase(), actual })
}
