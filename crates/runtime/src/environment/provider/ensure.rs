//! Ensuring the environment of a provider or an engine.

use std::collections::BTreeMap;

use super::accelerator::{Accelerator, detect_accelerator};
use super::naming::split;
use super::providers_toml::resemble;
use super::registry::Registry;
use super::requirements::{self, Owner, ProviderRequirements};
use crate::environment::environment::Environment;
use crate::environment::error::EnvironmentError;
use crate::environment::layout;
use crate::environment::manager::VenvManager;
use crate::environment::package::install::Installed;
use crate::environment::package::journal::{Journal, lock_by_name};
use crate::environment::package::requirement::Requirements;
use crate::environment::record::EnvironmentRecord;
use crate::interpreter::{Interpreter, PythonRuntimeManager, VersionRequest, query};
use crate::platform::{FileLock, error_chain, mask_credentials};

impl VenvManager {
    /// Returns the environment of a provider, or of one of its models, with the packages that `providers.toml` lists.
    ///
    /// Its name is that of the provider and the accelerator, `huggingface-cuda`; a provider whose name ends so already
    /// fixes the accelerator itself. With ROCm, models have their own environments, unless `rocm-environments` says
    /// otherwise. An existing environment of the provider's bare name is used when the other does not exist.
    ///
    /// When everything is in place, a few small files show that in well under a millisecond. Otherwise the environment
    /// is created, with the Python of `providers.toml` or the default runtime; missing packages are installed, and
    /// damaged ones are repaired. Any number of callers, in any processes, create it once and get the same answer. The
    /// next call completes the work of a killed one.
    pub fn ensure_provider_environment(
        &self,
        provider: &str,
        model: Option<&str>,
    ) -> Result<Environment, EnvironmentError> {
        self.ensure_for(Owner::Provider(provider, model))
    }

    /// Returns the environment of an engine, with the packages that `providers.toml` lists. Its name does not have the
    /// accelerator; otherwise it is as for a provider.
    pub fn ensure_engine_environment(&self, engine: &str) -> Result<Environment, EnvironmentError> {
        self.ensure_for(Owner::Engine(engine))
    }

    /// The name of the environment of a provider, or of one of its models, on this machine.
    pub fn name_for_provider(&self, provider: &str, model: Option<&str>) -> Result<String, EnvironmentError> {
        Ok(self.requirements_of(Owner::Provider(provider, model))?.name)
    }

    /// Checks that `providers.toml` has this provider or engine. Without an entry it requires nothing, which a misspelt name
    /// should not be taken for.
    pub fn check_declared(&self, name: &str, engine: bool) -> Result<(), EnvironmentError> {
        let owner = if engine { Owner::Engine(name) } else { Owner::Provider(name, None) };
        let requirements = self.requirements_of(owner)?;
        // An environment was made under this name, so it is meant.
        let made_for = |environment: Environment| {
            environment.record.is_some_and(|record| record.provider.as_deref() == Some(name))
        };
        if requirements.listed || self.open(&requirements.name).is_ok_and(made_for) {
            return Ok(());
        }
        let file = requirements::load(self.home(), self.providers_file())?;
        let names = if engine { file.engines.keys() } else { file.providers.keys() };
        let plain = split(name).0;
        let nearest = names.map(String::as_str).find(|known| resemble(known, plain)).map(str::to_owned);
        Err(EnvironmentError::Undeclared {
            kind: if engine { "engine" } else { "provider" },
            name: name.into(),
            nearest,
        })
    }

    /// The requirements of a provider on this machine.
    pub(in crate::environment) fn provider_requirements(
        &self,
        provider: &str,
        model: Option<&str>,
    ) -> Result<ProviderRequirements, EnvironmentError> {
        self.requirements_of(Owner::Provider(provider, model))
    }

    /// The requirements of an owner on this machine. The environment's name is the provider's bare name when only that
    /// exists.
    pub(super) fn requirements_of(&self, owner: Owner<'_>) -> Result<ProviderRequirements, EnvironmentError> {
        let file = requirements::load(self.home(), self.providers_file())?;
        let mut requirements = file.requirements(owner, self.accelerator())?;
        if let Owner::Provider(provider, _) = owner {
            let folder = self.home().environments()?;
            if !folder.join(&requirements.name).is_dir() && folder.join(provider).is_dir() {
                requirements.name = provider.to_owned();
            }
        }
        Ok(requirements)
    }

    pub(super) fn accelerator(&self) -> Accelerator {
        detect_accelerator(self.home()).accelerator
    }

    fn ensure_for(&self, owner: Owner<'_>) -> Result<Environment, EnvironmentError> {
        let requirements = self.requirements_of(owner)?;
        if let Some(ready) = self.ready(owner, &requirements) {
            return Ok(ready);
        }
        let name = requirements.name.clone();
        let lock = lock_by_name(self, &name)?;
        // The previous holder of the lock may have done it.
        if let Some(ready) = self.ready(owner, &requirements) {
            return Ok(ready);
        }
        let environment = self.usable_environment(owner, &requirements)?;
        let building = self.clone().with_other_packages(|settings| settings.variables = requirements.variables.clone());
        building
            .install_holding(&lock, &environment, &requirements.packages, true)
            .and_then(Installed::complete)
            .map_err(|source| EnvironmentError::Packages { name, source })?;
        let missing = building.install_optional(&lock, &environment, &requirements.optional);
        Registry::read(&environment.path).write(&environment, owner, &requirements, missing)?;
        Ok(environment)
    }

    /// Installs optional packages. Returns those that failed, with the reasons.
    fn install_optional(
        &self,
        lock: &FileLock,
        environment: &Environment,
        optional: &[String],
    ) -> BTreeMap<String, String> {
        let install = |texts: &[String]| {
            let wanted = Requirements::new(texts).map_err(|error| error_chain(&error))?;
            self.install_holding(lock, environment, &wanted, false).map_err(|error| error_chain(&error))
        };
        if optional.is_empty() || install(optional).is_ok() {
            return BTreeMap::new();
        }
        let mut missing = BTreeMap::new();
        for text in optional {
            if let Err(reason) = install(std::slice::from_ref(text)) {
                let masked = mask_credentials(text);
                tracing::warn!("cannot install the optional package {masked} in {}: {reason}", environment.name);
                missing.insert(text.clone(), reason);
            }
        }
        missing
    }

    /// The environment, if nothing is left to do. Runs nothing.
    fn ready(&self, owner: Owner<'_>, requirements: &ProviderRequirements) -> Option<Environment> {
        let environment = self.open(&requirements.name).ok()?;
        let is_ready = Registry::read(&environment.path).is_ready(&environment, owner, requirements)
            && Journal::read(&environment).is_none()
            // Follows the link, to the runtime's own executable.
            && environment.python.exists()
            && environment.path.join("pyvenv.cfg").exists();
        is_ready.then_some(environment)
    }

    /// Opens the environment. Creates it when it is missing, and recreates it when its Python is gone or does not run.
    /// The caller holds the lock on its packages.
    fn usable_environment(
        &self,
        owner: Owner<'_>,
        requirements: &ProviderRequirements,
    ) -> Result<Environment, EnvironmentError> {
        let name = requirements.name.as_str();
        let found = match self.open(name) {
            Err(EnvironmentError::NotFound { .. }) => None,
            Err(EnvironmentError::NotAnEnvironment { reason, .. }) => Some(Err(reason)),
            opened => {
                let environment = opened?;
                Some(self.verify_runs(&environment).map(|()| environment))
            }
        };
        if let Some(Ok(environment)) = found {
            let (Some(wanted), Some(record)) = (&requirements.python, &environment.record) else {
                return Ok(environment);
            };
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
        let interpreter = self.interpreter_for(requirements)?;
        if let Some(Err(reason)) = found {
            tracing::warn!("recreating the environment {name}: {reason}");
            self.remove(name)?;
        }
        let mut record = EnvironmentRecord::new(name, &interpreter);
        record.provider = Some(owner.name().to_owned());
        record.model = owner.model().map(str::to_owned);
        self.make(record, &interpreter)
    }

    fn verify_runs(&self, environment: &Environment) -> Result<(), String> {
        let Some(record) = &environment.record else { return Err("it has no record".into()) };
        let base = query(self.home(), &record.interpreter).map_err(|error| error_chain(&error))?;
        if base.version.series() != record.python.series() {
            return Err(format!("its Python was {} and is {}", record.python, base.version));
        }
        layout::verify(&environment.path, &base.version, Some(&base.prefix)).map_err(|error| error_chain(&error))
    }

    fn interpreter_for(&self, requirements: &ProviderRequirements) -> Result<Interpreter, EnvironmentError> {
        let runtimes = PythonRuntimeManager::new(self.home().clone());
        let missing =
            || EnvironmentError::NoRuntime { name: requirements.name.clone(), request: requirements.python.clone() };
        runtimes.interpreter(requirements.python.as_ref())?.ok_or_else(missing)
    }
}
