//! What an environment is ready for, recorded in it, so that the next call need not check its packages.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::requirements::{Owner, ProviderRequirements};
use crate::environment::environment::Environment;
use crate::environment::error::EnvironmentError;
use crate::platform::replace_file;

/// How long a folder must be unchanged before its modification time reveals the next change.
const SETTLED: Duration = Duration::from_millis(20);
/// How long optional packages that failed to install are left before another attempt.
const RETRY_INTERVAL: Duration = Duration::from_secs(3600);

/// What an environment is ready for, by owner. With some strategies, providers share one environment.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Registry {
    #[serde(default)]
    owners: BTreeMap<String, RegistryEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RegistryEntry {
    /// Identifies the list of requirements.
    packages: String,
    /// The requested Python.
    python: Option<String>,
    optional: Vec<String>,
    variables: BTreeMap<String, String>,
    /// The last change of its packages, in nanoseconds since 1970, and the folder's inode.
    site_packages: (i64, u64),
    /// Optional packages that failed to install, and why.
    missing: BTreeMap<String, String>,
    /// When that was tried, in seconds since 1970.
    tried: u64,
}

impl Registry {
    /// The registry in an environment's folder. An unreadable one counts as empty, since it can be found out again.
    pub(super) fn read(environment: &Path) -> Registry {
        let bytes = fs::read(path(environment)).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Whether nothing has changed since the environment was ready for these requirements.
    pub(super) fn is_ready(
        &self,
        environment: &Environment,
        owner: Owner<'_>,
        requirements: &ProviderRequirements,
    ) -> bool {
        let Some(ready) = self.owners.get(&owner.key()) else { return false };
        let due = !ready.missing.is_empty() && now().as_secs().abs_diff(ready.tried) > RETRY_INTERVAL.as_secs();
        !due && RegistryEntry { missing: BTreeMap::new(), tried: 0, ..ready.clone() }
            == RegistryEntry::of(environment, requirements)
    }

    /// Whether the environment was ready for these requirements once.
    pub(super) fn was_ready(&self, owner: Owner<'_>, requirements: &ProviderRequirements) -> bool {
        let packages = requirements.packages.fingerprint();
        self.owners
            .get(&owner.key())
            .is_some_and(|ready| ready.packages == packages && ready.optional == requirements.optional)
    }

    /// Records that it is ready now, except for these optional packages.
    pub(super) fn write(
        mut self,
        environment: &Environment,
        owner: Owner<'_>,
        requirements: &ProviderRequirements,
        missing: BTreeMap<String, String>,
    ) -> Result<(), EnvironmentError> {
        let mut ready =
            RegistryEntry { missing, tried: now().as_secs(), ..RegistryEntry::of(environment, requirements) };
        // A change within the same tick of the file system's clock would be invisible, so let the next call check
        // again.
        if now().as_nanos() as i64 - ready.site_packages.0 < SETTLED.as_nanos() as i64 {
            ready.site_packages.0 = 0;
        }
        self.owners.insert(owner.key(), ready);
        Ok(replace_file(path(&environment.path), &serde_json::to_vec(&self).unwrap_or_default())?)
    }

    /// The owner's optional packages that failed to install, and why.
    pub(super) fn missing(&self, owner: Owner<'_>) -> BTreeMap<String, String> {
        self.owners.get(&owner.key()).map(|ready| ready.missing.clone()).unwrap_or_default()
    }

    /// The environment variables of all owners.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        self.owners.values().flat_map(|ready| ready.variables.clone()).collect()
    }
}

impl RegistryEntry {
    fn of(environment: &Environment, requirements: &ProviderRequirements) -> RegistryEntry {
        let metadata = fs::metadata(&environment.site_packages).ok();
        let changed = |m: fs::Metadata| (m.mtime().wrapping_mul(1_000_000_000).wrapping_add(m.mtime_nsec()), m.ino());
        RegistryEntry {
            packages: requirements.packages.fingerprint(),
            python: requirements.python.as_ref().map(ToString::to_string),
            optional: requirements.optional.clone(),
            variables: requirements.variables.clone(),
            site_packages: metadata.map(changed).unwrap_or_default(),
            missing: BTreeMap::new(),
            tried: 0,
        }
    }
}

/// The environment variables for servers and workers in this environment, from `providers.toml`.
pub(crate) fn environment_variables(environment: &Path) -> BTreeMap<String, String> {
    Registry::read(environment).variables()
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn path(environment: &Path) -> PathBuf {
    environment.join("beep-python.ready.json")
}
