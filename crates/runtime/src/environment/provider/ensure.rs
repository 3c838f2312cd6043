//! The environment of a provider or an engine, with all that it needs.

use std::collections::BTreeMap;

use super::registry::Registry;
use super::requirements::{self, Owner, ProviderRequirements};
use super::{Accelerator, detect_accelerator};
use crate::environment::package::Journal;
use crate::environment::record::EnvironmentRecord;
use crate::environment::{Environment, EnvironmentError, Requirements, VenvManager, layout};
use crate::interpreter::{Interpreter, PythonRuntimeManager, VersionRequest, query};
use crate::platform::{FileLock, error_chain};

impl VenvManager {
    /// The environment of a provider, or of one of its models, with the packages that `providers.toml` asks for.
    ///
    /// It is named after the provider and what this machine computes with, `huggingface-cuda`; a provider that ends so
    /// already names that itself. With ROCm models have environments of their own, unless `rocm-environments` says
    /// otherwise. Where there is an environment of the provider's bare name and none of the other, it is that.
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
        self.ensure_for(Owner::Provider(provider, model))
    }

    /// The environment of an engine, with the packages that `providers.toml` asks for: the same as of a provider, but its
    /// name does not tell what it computes with.
    pub fn ensure_engine_environment(&self, engine: &str) -> Result<Environment, EnvironmentError> {
        self.ensure_for(Owner::Engine(engine))
    }

    /// What the environment of a provider, or of one of its models, is called on this machine.
    pub fn name_for_provider(&self, provider: &str, model: Option<&str>) -> Result<String, EnvironmentError> {
        Ok(self.needs(Owner::Provider(provider, model))?.name)
    }

    /// What a provider needs on this machine.
    pub(in crate::environment) fn provider_needs(
        &self,
        provider: &str,
        model: Option<&str>,
    ) -> Result<ProviderRequirements, EnvironmentError> {
        self.needs(Owner::Provider(provider, model))
    }

    /// What is needed here, of an environment whose name is that of one which is there where it can be.
    pub(super) fn needs(&self, owner: Owner<'_>) -> Result<ProviderRequirements, EnvironmentError> {
        let declared = requirements::load(self.home(), self.providers_file())?;
        let mut needs = declared.needs(owner, self.accelerator())?;
        if let Owner::Provider(provider, _) = owner {
            let folder = self.home().environments()?;
            if !folder.join(&needs.name).is_dir() && folder.join(provider).is_dir() {
                needs.name = provider.to_owned();
            }
        }
        Ok(needs)
    }

    pub(super) fn accelerator(&self) -> Accelerator {
        detect_accelerator(self.home()).accelerator
    }

    fn ensure_for(&self, owner: Owner<'_>) -> Result<Environment, EnvironmentError> {
        let needs = self.needs(owner)?;
        if let Some(ready) = self.ready(owner, &needs) {
            return Ok(ready);
        }
        let name = needs.name.clone();
        let lock = FileLock::acquire(self.home().environments()?.join(format!(".packages-{name}")))?;
        // Whoever held the lock can have done it all.
        if let Some(ready) = self.ready(owner, &needs) {
            return Ok(ready);
        }
        let environment = self.sound(owner, &needs)?;
        let building = self.clone().with_other_packages(|settings| settings.variables = needs.variables.clone());
        building
            .install_holding(&lock, &environment, &needs.packages, true)
            .map_err(|source| EnvironmentError::Packages { name, source })?;
        let missing = building.install_optional(&lock, &environment, &needs.optional);
        Registry::read(&environment.path).write(&environment, owner, &needs, missing)?;
        Ok(environment)
    }

    /// Installs what can be installed of these; gives what cannot, and why.
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
                tracing::warn!("{text}, which is optional, could not be installed in {}: {reason}", environment.name);
                missing.insert(text.clone(), reason);
            }
        }
        missing
    }

    /// The environment when nothing is left to do. Nothing is run.
    fn ready(&self, owner: Owner<'_>, needs: &ProviderRequirements) -> Option<Environment> {
        let environment = self.open(&needs.name).ok()?;
        let is_ready = Registry::read(&environment.path).is_ready(&environment, owner, needs)
            && Journal::read(&environment).is_none()
            // Through the link, to the runtime's own executable.
            && environment.python.exists()
            && environment.path.join("pyvenv.cfg").exists();
        is_ready.then_some(environment)
    }

    /// The environment, made when it is not there and made anew when its Python is gone or does not run. Its packages are
    /// locked.
    fn sound(&self, owner: Owner<'_>, needs: &ProviderRequirements) -> Result<Environment, EnvironmentError> {
        let name = needs.name.as_str();
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
        let interpreter = self.interpreter_for(needs)?;
        if let Some(Err(reason)) = found {
            tracing::warn!("the environment {name} is made anew: {reason}");
            self.remove(name)?;
        }
        let mut record = EnvironmentRecord::new(name, &interpreter);
        record.provider = Some(owner.name().to_owned());
        record.model = owner.model().map(str::to_owned);
        self.make(record, &interpreter)
    }

    fn runs(&self, environment: &Environment) -> Result<(), String> {
        let Some(record) = &environment.record else { return Err("it has no record".into()) };
        let base = query(self.home(), &record.interpreter).map_err(|error| error_chain(&error))?;
        if base.version.series() != record.python.series() {
            return Err(format!("its Python was {} and is {}", record.python, base.version));
        }
        layout::verify(&environment.path, &base.version, Some(&base.prefix)).map_err(|error| error_chain(&error))
    }

    fn interpreter_for(&self, needs: &ProviderRequirements) -> Result<Interpreter, EnvironmentError> {
        let runtimes = PythonRuntimeManager::new(self.home().clone());
        let missing = || EnvironmentError::NoRuntime { name: needs.name.clone(), request: needs.python.clone() };
        runtimes.interpreter(needs.python.as_ref())?.ok_or_else(missing)
    }
}
