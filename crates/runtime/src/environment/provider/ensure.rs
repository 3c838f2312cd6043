//! The environment of a provider, with all that it needs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Accelerator;
use super::needs::Needs;
use crate::environment::package::Journal;
use crate::environment::{Environment, EnvironmentError, VenvManager, layout, provider_environment_name, status};
use crate::interpreter::{Interpreter, PythonRuntimeManager, VersionRequest, query};
use crate::platform::{FileLock, replace_file};

/// How long a folder must have been left alone for its time of change to tell of the next change.
const SETTLED: Duration = Duration::from_millis(20);

impl VenvManager {
    /// The environment of a provider, or of one of its models, named by [`provider_environment_name`], with the packages
    /// that `providers.toml` asks for.
    ///
    /// When all is in place that is told from a few small files, in well under a millisecond. Else it is made, with the
    /// Python that `providers.toml` names or the default runtime; what is missing is installed, and what is damaged is
    /// mended. Any number of callers, in whichever processes, make it once and get the same answer. Whoever is killed in the
    /// middle leaves what the next call brings to its end.
    pub fn ensure_provider_environment(
        &self,
        provider: &str,
        model: Option<&str>,
    ) -> Result<Environment, EnvironmentError> {
        let name = provider_environment_name(provider, model)?;
        let needs = Needs::of(self.home().root(), provider, Accelerator::detect())?;
        if let Some(ready) = self.ready(&name, &needs) {
            return Ok(ready);
        }
        let lock = FileLock::acquire(self.home().environments()?.join(format!(".packages-{name}")))?;
        // Whoever held the lock can have done it all.
        if let Some(ready) = self.ready(&name, &needs) {
            return Ok(ready);
        }
        let environment = self.sound(&name, provider, model, &needs)?;
        self.install_holding(&lock, &environment, &needs.packages, true)
            .map_err(|source| EnvironmentError::Packages { name, source })?;
        Ready::of(&environment, &needs).write(&environment)?;
        Ok(environment)
    }

    /// The environment when nothing is left to do. Nothing is run.
    fn ready(&self, name: &str, needs: &Needs) -> Option<Environment> {
        let environment = self.open(name).ok()?;
        let ready = Ready::read(&environment.path)?;
        let is_ready = ready == Ready::of(&environment, needs)
            && Journal::read(&environment).is_none()
            // Through the link, to the runtime's own executable.
            && environment.python.exists()
            && environment.path.join("pyvenv.cfg").exists();
        is_ready.then_some(environment)
    }

    /// The environment, made when it is not there and made anew when its Python is gone or does not run. Its packages are
    /// locked.
    fn sound(
        &self,
        name: &str,
        provider: &str,
        model: Option<&str>,
        needs: &Needs,
    ) -> Result<Environment, EnvironmentError> {
        let found = match self.open(name) {
            Err(EnvironmentError::NotFound { .. }) => None,
            Err(EnvironmentError::NotAnEnvironment { reason, .. }) => Some(Err(reason)),
            opened => {
                let environment = opened?;
                Some(self.runs(&environment).map(|()| environment))
            }
        };
        if let Some(Ok(environment)) = found {
            let (Some(wanted), Some(record)) = (&needs.python, &environment.record) else { return Ok(environment) };
            let fits = match wanted {
                VersionRequest::Path(path) => query(self.home(), path)?.path == record.interpreter,
                wanted => wanted.matches(&record.python),
            };
            return if fits {
                Ok(environment)
            } else {
                let (name, wanted) = (name.into(), wanted.clone());
                Err(EnvironmentError::OtherPython { name, wanted, actual: record.python })
            };
        }
        let interpreter = self.interpreter_for(name, needs)?;
        if let Some(Err(reason)) = found {
            tracing::warn!("the environment {name} is made anew: {reason}");
            self.remove(name)?;
        }
        self.create_for_provider(provider, model, &interpreter)
    }

    fn runs(&self, environment: &Environment) -> Result<(), String> {
        let Some(record) = &environment.record else { return Err("it has no record".into()) };
        let base = query(self.home(), &record.interpreter).map_err(|error| status::chain(&error))?;
        if base.version.series() != record.python.series() {
            return Err(format!("its Python was {} and is {}", record.python, base.version));
        }
        layout::verify(&environment.path, &base.version, Some(&base.prefix)).map_err(|error| status::chain(&error))
    }

    fn interpreter_for(&self, name: &str, needs: &Needs) -> Result<Interpreter, EnvironmentError> {
        let runtimes = PythonRuntimeManager::new(self.home().clone());
        let missing = || EnvironmentError::NoRuntime { name: name.into(), request: needs.python.clone() };
        runtimes.interpreter(needs.python.as_ref())?.ok_or_else(missing)
    }
}

/// What an environment was ready for, kept in it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ready {
    /// The requirements.
    packages: String,
    /// The Python that was asked for.
    python: Option<String>,
    /// When its packages last changed, nanoseconds since 1970, and the folder's inode.
    site_packages: (i64, u64),
}

impl Ready {
    fn of(environment: &Environment, needs: &Needs) -> Ready {
        let metadata = fs::metadata(&environment.site_packages).ok();
        let changed = |m: fs::Metadata| (m.mtime().wrapping_mul(1_000_000_000).wrapping_add(m.mtime_nsec()), m.ino());
        Ready {
            packages: needs.packages.fingerprint(),
            python: needs.python.as_ref().map(ToString::to_string),
            site_packages: metadata.map(changed).unwrap_or_default(),
        }
    }

    fn read(environment: &Path) -> Option<Ready> {
        serde_json::from_slice(&fs::read(Ready::path(environment)).ok()?).ok()
    }

    fn write(mut self, environment: &Environment) -> Result<(), EnvironmentError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // A change within the same tick of the file system's clock would not be seen: then the next call looks again.
        if now.as_nanos() as i64 - self.site_packages.0 < SETTLED.as_nanos() as i64 {
            self.site_packages.0 = 0;
        }
        Ok(replace_file(Ready::path(&environment.path), &serde_json::to_vec(&self).unwrap_or_default())?)
    }

    fn path(environment: &Path) -> PathBuf {
        environment.join("beep-python.ready.json")
    }
}
