//! What a provider has of what it needs, and what was noted of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep508_rs::{PackageName, Requirement, VerbatimUrl};
use serde::{Deserialize, Serialize};

use super::registry::Registry;
use super::requirements::{self, Owner, ProviderRequirements};
use super::{Accelerator, detect_accelerator};
use crate::environment::{Environment, EnvironmentError, Package, Requirements, VenvManager};
use crate::platform::{FileLock, replace_file};

/// What is known of a provider, or an engine, on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderStatus {
    /// Its name.
    pub name: String,
    /// Whether it is an engine.
    pub engine: bool,
    /// What its packages are built to compute with.
    pub accelerator: Accelerator,
    /// What its environment is called.
    pub environment: String,
    /// That environment's folder; `None` when it is not there yet.
    pub path: Option<PathBuf>,
    /// Whether all that it needs is installed.
    pub ready: bool,
    /// What it needs, and what there is of it.
    pub packages: Vec<ProviderPackage>,
    /// What was noted as set up in it.
    pub features: Vec<String>,
}

/// A package that a provider needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderPackage {
    /// What is needed: `torch>=2`.
    pub requirement: String,
    /// Its version, when it is installed.
    pub installed: Option<String>,
    /// Whether what is installed is what is needed.
    pub satisfied: bool,
    /// Whether it is no failure when it cannot be installed.
    pub optional: bool,
    /// Why it could not be installed, where that was tried.
    pub reason: Option<String>,
}

/// What was noted of an environment, in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Annotations {
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    packages: BTreeMap<String, String>,
}

impl VenvManager {
    /// Every provider and engine that `providers.toml` names, and what there is of each. Nothing is run.
    pub fn providers(&self) -> Result<Vec<ProviderStatus>, EnvironmentError> {
        let declared = requirements::load(self.home(), self.providers_file())?;
        let providers = declared.providers.keys().map(|name| Owner::Provider(name, None));
        providers
            .chain(declared.engines.keys().map(|name| Owner::Engine(name)))
            .map(|owner| self.inspect(owner))
            .collect()
    }

    /// What there is of what a provider needs, for one of its models where it has an environment for each.
    pub fn provider_status(&self, provider: &str, model: Option<&str>) -> Result<ProviderStatus, EnvironmentError> {
        self.inspect(Owner::Provider(provider, model))
    }

    /// What there is of what an engine needs.
    pub fn engine_status(&self, engine: &str) -> Result<ProviderStatus, EnvironmentError> {
        self.inspect(Owner::Engine(engine))
    }

    /// What this machine computes with, and what says so.
    pub fn detect_accelerator(&self) -> super::Detected {
        detect_accelerator(self.home())
    }

    /// The environment that a provider has, when it has one; nothing is made and nothing is run.
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

    /// Notes that something beside packages is set up in a provider's environment: a model that was fetched, say.
    pub fn mark_feature(&self, provider: &str, model: Option<&str>, feature: &str) -> Result<(), EnvironmentError> {
        self.mark(provider, model, |marks| {
            if !marks.features.iter().any(|marked| marked == feature) {
                marks.features.push(feature.to_owned());
            }
        })
    }

    /// Whether that was noted, and the environment is still the one that it was noted of.
    pub fn has_feature(&self, provider: &str, model: Option<&str>, feature: &str) -> Result<bool, EnvironmentError> {
        Ok(self.marks(provider, model)?.features.iter().any(|marked| marked == feature))
    }

    /// Notes that a package was put into a provider's environment by other means than ours.
    pub fn track_package(
        &self,
        provider: &str,
        model: Option<&str>,
        package: &str,
        version: &str,
    ) -> Result<(), EnvironmentError> {
        self.mark(provider, model, |marks| {
            marks.packages.insert(package.to_owned(), version.to_owned());
        })
    }

    /// The packages of a provider's environment, name and version: what is installed, and what was noted.
    pub fn tracked_packages(
        &self,
        provider: &str,
        model: Option<&str>,
    ) -> Result<BTreeMap<String, String>, EnvironmentError> {
        let mut packages = self.marks(provider, model)?.packages;
        if let Some(environment) = self.registered_environment(provider, model)? {
            packages.extend(self.packages(&environment).into_iter().map(|package| (package.name, package.version)));
        }
        Ok(packages)
    }

    fn marks(&self, provider: &str, model: Option<&str>) -> Result<Annotations, EnvironmentError> {
        let environment = self.registered_environment(provider, model)?;
        Ok(environment.map(|environment| Annotations::read(&environment.path)).unwrap_or_default())
    }

    fn mark(
        &self,
        provider: &str,
        model: Option<&str>,
        change: impl FnOnce(&mut Annotations),
    ) -> Result<(), EnvironmentError> {
        let environment = self.open(&self.name_for_provider(provider, model)?)?;
        let path = marks_path(&environment.path);
        let _lock = FileLock::acquire(path.with_extension("lock"))?;
        let mut marks = Annotations::read(&environment.path);
        change(&mut marks);
        Ok(replace_file(&path, &serde_json::to_vec_pretty(&marks).unwrap_or_default())?)
    }

    fn inspect(&self, owner: Owner<'_>) -> Result<ProviderStatus, EnvironmentError> {
        let needs = self.needs(owner)?;
        let environment = match self.open(&needs.name) {
            Err(EnvironmentError::NotFound { .. } | EnvironmentError::NotAnEnvironment { .. }) => None,
            opened => Some(opened?),
        };
        let packages = self.compare(owner, &needs, environment.as_ref());
        let ready = environment.is_some() && packages.iter().all(|package| package.satisfied || package.optional);
        let folder = environment.as_ref().map(|environment| environment.path.as_path());
        Ok(ProviderStatus {
            name: owner.name().to_owned(),
            engine: matches!(owner, Owner::Engine(_)),
            accelerator: needs.accelerator,
            environment: needs.name.clone(),
            features: folder.map(|folder| Annotations::read(folder).features).unwrap_or_default(),
            path: folder.map(Path::to_owned),
            ready,
            packages,
        })
    }

    fn compare(
        &self,
        owner: Owner<'_>,
        needs: &ProviderRequirements,
        environment: Option<&Environment>,
    ) -> Vec<ProviderPackage> {
        let installed = environment.map(|environment| self.packages(environment)).unwrap_or_default();
        let missing =
            environment.map(|environment| Registry::read(&environment.path).missing(owner)).unwrap_or_default();
        let required = needs.packages.texts().map(|text| (text.to_owned(), false));
        let optional = needs.optional.iter().map(|text| (text.clone(), true));
        let look = |(requirement, optional): (String, bool)| {
            let name = Requirement::<VerbatimUrl>::from_str(&requirement).ok().map(|parsed| parsed.name);
            let is_it = |package: &&Package| name.is_some() && PackageName::from_str(&package.name).ok() == name;
            let version = installed.iter().find(is_it).map(|package| package.version.clone());
            let satisfied = environment.is_some_and(|environment| {
                Requirements::new([&requirement]).is_ok_and(|wanted| self.satisfied(environment, &wanted))
            });
            let reason = missing.get(&requirement).filter(|_| !satisfied).cloned();
            ProviderPackage { requirement, installed: version, satisfied, optional, reason }
        };
        required.chain(optional).map(look).collect()
    }
}

impl Annotations {
    fn read(environment: &Path) -> Annotations {
        let bytes = fs::read(marks_path(environment)).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}

fn marks_path(environment: &Path) -> PathBuf {
    environment.join("beep-python.marks.json")
}
