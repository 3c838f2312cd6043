//! The requirements of a provider or an engine on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::accelerator::Accelerator;
use super::error::ProvidersError;
use super::naming;
use super::providers_toml::{self, Provider, ProvidersFile};
use crate::environment::error::EnvironmentError;
use crate::environment::package::location::with_path_from;
use crate::environment::package::requirement::Requirements;
use crate::interpreter::VersionRequest;
use crate::platform::{Home, failed_to};

/// The file's name, in the home.
const FILE: &str = "providers.toml";

/// The owner of an environment: a provider and model, or an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner<'a> {
    Provider(&'a str, Option<&'a str>),
    Engine(&'a str),
}

/// The requirements of a provider or engine on this machine, and the name of its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::environment) struct ProviderRequirements {
    pub(in crate::environment) name: String,
    pub(super) accelerator: Accelerator,
    /// Whether a file lists it.
    pub(super) listed: bool,
    pub(in crate::environment) packages: Requirements,
    pub(super) optional: Vec<String>,
    pub(in crate::environment) python: Option<VersionRequest>,
    pub(super) variables: BTreeMap<String, String>,
}

impl<'a> Owner<'a> {
    /// Identifies the owner among those that share an environment.
    pub(super) fn key(&self) -> String {
        match self {
            Owner::Provider(provider, _) => naming::split(provider).0.to_owned(),
            Owner::Engine(engine) => format!("engine {engine}"),
        }
    }

    /// The name of the provider or engine.
    pub(super) fn name(&self) -> &'a str {
        match self {
            Owner::Provider(name, _) | Owner::Engine(name) => name,
        }
    }

    pub(super) fn model(&self) -> Option<&'a str> {
        match self {
            Owner::Provider(_, model) => *model,
            Owner::Engine(_) => None,
        }
    }
}

/// Reads the file in the home, then `more`, whose entries win. Both must be valid.
pub(super) fn load(home: &Home, more: Option<&Path>) -> Result<ProvidersFile, ProvidersError> {
    let mut file = read(&home.root().join(FILE), true)?;
    if let Some(more) = more {
        let more = read(more, false)?;
        file.providers.extend(more.providers);
        file.engines.extend(more.engines);
        file.strategy = more.strategy.or(file.strategy);
    }
    Ok(file)
}

fn read(path: &Path, may_be_missing: bool) -> Result<ProvidersFile, ProvidersError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let invalid = |(line, reason)| ProvidersError::Invalid { path: path.to_owned(), line, reason };
            let mut file = providers_toml::read(&text).map_err(invalid)?;
            let path = std::path::absolute(path).map_err(failed_to("find", path))?;
            file.count_paths_from(path.parent().unwrap_or(Path::new("/")));
            Ok(file)
        }
        Err(error) if may_be_missing && error.kind() == io::ErrorKind::NotFound => Ok(ProvidersFile::default()),
        Err(error) => Err(failed_to("read", path)(error).into()),
    }
}

impl ProvidersFile {
    /// Makes the relative paths of packages absolute: they count from the file's folder, whatever the working folder.
    fn count_paths_from(&mut self, folder: &Path) {
        for provider in self.providers.values_mut().chain(self.engines.values_mut()) {
            let variants = provider.variants.iter_mut().map(|(_, share)| share);
            for share in std::iter::once(&mut provider.always).chain(variants) {
                for text in share.packages.iter_mut().chain(&mut share.optional) {
                    if let Some(counted) = with_path_from(folder, text) {
                        *text = counted;
                    }
                }
            }
        }
    }

    /// The owner's requirements with the detected accelerator. Without an entry in the files, it requires an empty
    /// environment.
    pub(super) fn requirements(
        &self,
        owner: Owner<'_>,
        detected: Accelerator,
    ) -> Result<ProviderRequirements, EnvironmentError> {
        let strategy = self.strategy.unwrap_or_default();
        let (name, accelerator, found) = match owner {
            Owner::Provider(provider, model) => {
                let (plain, named) = naming::split(provider);
                let accelerator = named.unwrap_or(detected);
                let found = self.providers.get(provider).or_else(|| self.providers.get(plain));
                (naming::of_provider(provider, model, accelerator, strategy)?, accelerator, found)
            }
            Owner::Engine(engine) => (naming::of_engine(engine)?, detected, self.engines.get(engine)),
        };
        let nothing = Provider::default();
        let provider = found.unwrap_or(&nothing);
        let variants = provider.variants.iter().filter(|(of, _)| *of == accelerator).map(|(_, share)| share);
        let shares: Vec<_> = std::iter::once(&provider.always).chain(variants).collect();
        let packages = Requirements::new(shares.iter().flat_map(|share| &share.packages));
        Ok(ProviderRequirements {
            name,
            accelerator,
            listed: found.is_some(),
            // They were validated when the file was read.
            packages: packages.unwrap_or_default(),
            optional: shares.iter().flat_map(|share| share.optional.clone()).collect(),
            python: provider.python.clone(),
            variables: shares.iter().flat_map(|share| share.environment.clone()).collect(),
        })
    }
}

/// The file that `BEEP_PYTHON_PROVIDERS` names, read after the one in the home.
pub(in crate::environment) fn named_file() -> Option<PathBuf> {
    std::env::var_os("BEEP_PYTHON_PROVIDERS").filter(|path| !path.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::super::naming::RocmStrategy;
    use super::*;

    const TEXT: &str = "[provider.hf]\npackages = [\"a>1\", \"b\"]\noptional = [\"o\"]\ncuda = [\"c\"]\ncpu = [\"d\"]\n\
        python = \"3.12\"\nenvironment = { A = \"1\", B = \"1\" }\n\
        [provider.hf.rocm]\nenvironment = { B = \"2\" }\noptional = [\"p\"]\n[engine.e]\npackages = [\"x\"]\n";

    fn requirements(provider: &str, detected: Accelerator) -> ProviderRequirements {
        providers_toml::read(TEXT).unwrap().requirements(Owner::Provider(provider, None), detected).unwrap()
    }

    #[test]
    fn a_provider_gets_its_packages_and_those_of_the_accelerator() {
        let cuda = requirements("hf", Accelerator::Cuda);
        assert_eq!(cuda.packages, Requirements::new(["a>1", "b", "c"]).unwrap());
        assert_eq!((cuda.name.as_str(), cuda.python), ("hf-cuda", Some("3.12".parse().unwrap())));
        let rocm = requirements("hf", Accelerator::Rocm);
        assert_eq!(rocm.packages, Requirements::new(["a>1", "b"]).unwrap());
        assert_eq!((rocm.optional, rocm.variables["B"].as_str()), (vec!["o".into(), "p".into()], "2"));
        assert_eq!(requirements("hf-cpu", Accelerator::Cuda).packages, Requirements::new(["a>1", "b", "d"]).unwrap());
        let other = requirements("other", Accelerator::Cpu);
        assert!(!other.listed && other.packages.is_empty() && other.name == "other-cpu");
        let engine = providers_toml::read(TEXT).unwrap().requirements(Owner::Engine("e"), Accelerator::Cpu).unwrap();
        assert_eq!((engine.name.as_str(), engine.packages), ("engine-e", Requirements::new(["x"]).unwrap()));
    }

    #[test]
    fn a_named_file_says_instead_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path().join("home")).unwrap();
        fs::write(home.root().join(FILE), TEXT).unwrap();
        let more = folder.path().join("more.toml");
        assert!(matches!(load(&home, Some(&more)), Err(ProvidersError::File(_))));
        fs::write(&more, "rocm-environments = \"single\"\n[provider.hf]\npackages = [\"z\"]\n").unwrap();
        let file = load(&home, Some(&more)).unwrap();
        assert_eq!(file.providers["hf"].always.packages, ["z"]);
        assert_eq!((file.engines.len(), file.strategy), (1, Some(RocmStrategy::Single)));
        fs::write(&more, "\nx").unwrap();
        assert!(matches!(load(&home, Some(&more)), Err(ProvidersError::Invalid { line: 2, path, .. }) if path == more));
    }
}
