//! The status of providers, and annotations of their environments.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep508_rs::PackageName;
use serde::{Deserialize, Serialize};

use super::accelerator::{Accelerator, Detected, detect_accelerator};
use super::registry::Registry;
use super::requirements::{self, Owner, ProviderRequirements};
use crate::environment::environment::Environment;
use crate::environment::error::EnvironmentError;
use crate::environment::manager::VenvManager;
use crate::environment::package::installed::Package;
use crate::environment::package::pep508;
use crate::environment::package::requirement::Requirements;
use crate::platform::{FileLock, mask_credentials, replace_file};

/// The status of a provider or engine on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// Its name.
    pub name: String,
    /// Whether it is an engine.
    pub engine: bool,
    /// The accelerator that its packages are built for.
    pub accelerator: Accelerator,
    /// The name of its environment.
    pub environment: String,
    /// The environment's folder; `None` when it does not exist.
    pub path: Option<PathBuf>,
    /// Whether all required packages are installed.
    pub ready: bool,
    /// Its requirements, and what is installed of them.
    pub packages: Vec<ProviderPackage>,
    /// The features marked as set up.
    pub features: Vec<String>,
}

/// A requirement of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderPackage {
    /// The requirement: `torch>=2`.
    pub requirement: String,
    /// The installed version, if any.
    pub installed: Option<String>,
    /// Whether the installed version satisfies the requirement.
    pub satisfied: bool,
    /// Whether a failure to install it is ignored.
    pub optional: bool,
    /// Why it could not be installed, if that was tried.
    pub reason: Option<String>,
}

/// Annotations of an environment, kept in its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Annotations {
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    packages: BTreeMap<String, String>,
}

impl VenvManager {
    /// The status of every provider and engine in `providers.toml`. Runs nothing.
    pub fn providers(&self) -> Result<Vec<ProviderStatus>, EnvironmentError> {
        let file = requirements::load(self.home(), self.providers_file())?;
        let providers = file.providers.keys().map(|name| Owner::Provider(name, None));
        providers.chain(file.engines.keys().map(|name| Owner::Engine(name))).map(|owner| self.inspect(owner)).collect()
    }

    /// The status of a provider, or of one of its models where those have their own environments.
    pub fn provider_status(&self, provider: &str, model: Option<&str>) -> Result<ProviderStatus, EnvironmentError> {
        self.inspect(Owner::Provider(provider, model))
    }

    /// The status of an engine.
    pub fn engine_status(&self, engine: &str) -> Result<ProviderStatus, EnvironmentError> {
        self.inspect(Owner::Engine(engine))
    }

    /// This machine's accelerator, and the evidence.
    pub fn detect_accelerator(&self) -> Detected {
        detect_accelerator(self.home())
    }

    /// The environment of a provider, if it exists. Creates and runs nothing.
    pub fn registered_environment(
        &self,
        provider: &str,
        model: Option<&str>,
    ) -> Result<Option<Environment>, EnvironmentError> {
        match self.open(&self.name_for_provider(provider, model)?) {
            Err(EnvironmentError::NotFound { .. }) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Marks a feature of a provider's environment as set up: a downloaded model, for example.
    pub fn mark_feature(&self, provider: &str, model: Option<&str>, feature: &str) -> Result<(), EnvironmentError> {
        self.annotate(provider, model, |annotations| {
            if !annotations.features.iter().any(|marked| marked == feature) {
                annotations.features.push(feature.to_owned());
            }
        })
    }

    /// Whether the feature is marked. Marks vanish with the environment.
    pub fn has_feature(&self, provider: &str, model: Option<&str>, feature: &str) -> Result<bool, EnvironmentError> {
        Ok(self.annotations(provider, model)?.features.iter().any(|marked| marked == feature))
    }

    /// Records a package that was installed into a provider's environment by other means.
    pub fn track_package(
        &self,
        provider: &str,
        model: Option<&str>,
        package: &str,
        version: &str,
    ) -> Result<(), EnvironmentError> {
        self.annotate(provider, model, |annotations| {
            annotations.packages.insert(package.to_owned(), version.to_owned());
        })
    }

    /// The packages of a provider's environment, name and version: the installed and the recorded ones.
    pub fn tracked_packages(
        &self,
        provider: &str,
        model: Option<&str>,
    ) -> Result<BTreeMap<String, String>, EnvironmentError> {
        let mut packages = self.annotations(provider, model)?.packages;
        if let Some(environment) = self.registered_environment(provider, model)? {
            packages.extend(self.packages(&environment).into_iter().map(|package| (package.name, package.version)));
        }
        Ok(packages)
    }

    fn annotations(&self, provider: &str, model: Option<&str>) -> Result<Annotations, EnvironmentError> {
        let environment = self.registered_environment(provider, model)?;
        Ok(environment.map(|environment| Annotations::read(&environment.path)).unwrap_or_default())
    }

    fn annotate(
        &self,
        provider: &str,
        model: Option<&str>,
        change: impl FnOnce(&mut Annotations),
    ) -> Result<(), EnvironmentError> {
        let environment = self.open(&self.name_for_provider(provider, model)?)?;
        let path = annotations_path(&environment.path);
        let _lock = FileLock::acquire(path.with_extension("lock"))?;
        let mut annotations = Annotations::read(&environment.path);
        change(&mut annotations);
        Ok(replace_file(&path, &serde_json::to_vec_pretty(&annotations).unwrap_or_default())?)
    }

    fn inspect(&self, owner: Owner<'_>) -> Result<ProviderStatus, EnvironmentError> {
        let requirements = self.requirements_of(owner)?;
        let environment = match self.open(&requirements.name) {
            Err(EnvironmentError::NotFound { .. } | EnvironmentError::NotAnEnvironment { .. }) => None,
            opened => Some(opened?),
        };
        let packages = self.compare(owner, &requirements, environment.as_ref());
        let ready = environment.is_some() && packages.iter().all(|package| package.satisfied || package.optional);
        let folder = environment.as_ref().map(|environment| environment.path.as_path());
        Ok(ProviderStatus {
            name: owner.name().to_owned(),
            engine: matches!(owner, Owner::Engine(_)),
            accelerator: requirements.accelerator,
            environment: requirements.name.clone(),
            features: folder.map(|folder| Annotations::read(folder).features).unwrap_or_default(),
            path: folder.map(Path::to_owned),
            ready,
            packages,
        })
    }

    fn compare(
        &self,
        owner: Owner<'_>,
        requirements: &ProviderRequirements,
        environment: Option<&Environment>,
    ) -> Vec<ProviderPackage> {
        let installed = environment.map(|environment| self.packages(environment)).unwrap_or_default();
        let missing =
            environment.map(|environment| Registry::read(&environment.path).missing(owner)).unwrap_or_default();
        let was_ready =
            environment.is_some_and(|environment| Registry::read(&environment.path).was_ready(owner, requirements));
        let required = requirements.packages.texts().map(|text| (text.to_owned(), false));
        let optional = requirements.optional.iter().map(|text| (text.clone(), true));
        let look = |(requirement, optional): (String, bool)| {
            let name = pep508::parse(&requirement).ok().map(|parsed| parsed.name);
            let is_it = |package: &&Package| name.is_some() && PackageName::from_str(&package.name).ok() == name;
            let version = installed.iter().find(is_it).map(|package| package.version.clone());
            let satisfied = environment.is_some_and(|environment| match name {
                Some(_) => Requirements::new([&requirement]).is_ok_and(|wanted| self.satisfied(environment, &wanted)),
                // A path or URL that names no package is what the tool made of it when all was installed.
                None => was_ready && !missing.contains_key(&requirement),
            });
            let reason = missing.get(&requirement).filter(|_| !satisfied).cloned();
            let requirement = mask_credentials(&requirement);
            ProviderPackage { requirement, installed: version, satisfied, optional, reason }
        };
        required.chain(optional).map(look).collect()
    }
}

impl Annotations {
    fn read(environment: &Path) -> Annotations {
        let bytes = fs::read(annotations_path(environment)).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}

fn annotations_path(environment: &Path) -> PathBuf {
    environment.join("beep-python.marks.json")
}
