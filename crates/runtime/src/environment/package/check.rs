//! Checks whether requirements are satisfied, from the environment's files: runs no Python.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep440_rs::Version;
use pep508_rs::{ExtraName, MarkerEnvironment, MarkerEnvironmentBuilder, Requirement, VerbatimUrl, VersionOrUrl};

use super::installed::{self, Metadata, Package};
use super::requirement::Requirements;
use crate::environment::environment::Environment;

/// The result of a check.
pub(super) enum CheckResult {
    /// All are satisfied, by these packages.
    Satisfied(Vec<Package>),
    /// This requirement is not satisfied.
    Unsatisfied(String),
    /// Only the tool can tell.
    Unknown,
}

/// Which requirements to check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckDepth {
    /// Only the given ones.
    Direct,
    /// Also those of the packages that satisfy them.
    Transitive,
}

/// Checks whether the environment satisfies the requirements.
pub(super) fn check(environment: &Environment, requirements: &Requirements, depth: CheckDepth) -> CheckResult {
    let (Some(wanted), Some(markers)) = (requirements.all(), markers(environment)) else { return CheckResult::Unknown };
    let found = installed::by_name(&environment.site_packages);
    let mut check = Check { found, read: BTreeMap::new(), done: BTreeSet::new(), markers, depth };
    let mut packages = Vec::new();
    for wanted in &wanted {
        let Some(requirement) = &wanted.requirement else { return CheckResult::Unknown };
        if !requirement.evaluate_markers(&check.markers, &[]) {
            continue;
        }
        match check.satisfied(requirement) {
            Some(package) => packages.push(package),
            None => return CheckResult::Unsatisfied(wanted.text.clone()),
        }
    }
    packages.sort();
    packages.dedup();
    CheckResult::Satisfied(packages)
}

struct Check {
    found: BTreeMap<String, PathBuf>,
    read: BTreeMap<String, Metadata>,
    /// Packages, with the extra, whose own requirements were checked; this ends cycles.
    done: BTreeSet<(String, Option<ExtraName>)>,
    markers: MarkerEnvironment,
    depth: CheckDepth,
}

impl Check {
    /// The package that satisfies the requirement, if one does and all of its own requirements are satisfied.
    fn satisfied(&mut self, requirement: &Requirement<VerbatimUrl>) -> Option<Package> {
        let name = requirement.name.to_string();
        let folder = self.found.get(&name)?;
        if !self.read.contains_key(&name) {
            self.read.insert(name.clone(), installed::read(&folder.join("METADATA"))?);
        }
        let package = self.read.get(&name)?.package.clone();
        let fits = match &requirement.version_or_url {
            None => true,
            Some(VersionOrUrl::VersionSpecifier(wanted)) => wanted.contains(&Version::from_str(&package.version).ok()?),
            Some(VersionOrUrl::Url(wanted)) => came_from(folder, wanted),
        };
        if !fits {
            return None;
        }
        if self.depth == CheckDepth::Direct {
            return Some(package);
        }
        let extras = requirement.extras.iter().cloned().map(Some);
        for extra in extras.chain([None]) {
            if !self.done.insert((name.clone(), extra.clone())) {
                continue;
            }
            let extras = Vec::from_iter(extra);
            for text in self.read.get(&name)?.requires.clone() {
                let required = Requirement::from_str(&text).ok()?;
                if required.evaluate_markers(&self.markers, &extras) {
                    self.satisfied(&required)?;
                }
            }
        }
        Some(package)
    }
}

/// Installed packages that require one of the missing ones: `pandas requires numpy`.
pub(super) fn requirers(environment: &Environment, missing: &BTreeSet<String>) -> Vec<String> {
    let Some(markers) = markers(environment) else { return Vec::new() };
    let found = installed::by_name(&environment.site_packages);
    let all = found.values().filter_map(|folder| installed::read(&folder.join("METADATA")));
    let needs = |metadata: Metadata| {
        let required = metadata.requires.iter().filter_map(|text| Requirement::<VerbatimUrl>::from_str(text).ok());
        let required = required.filter(|required| required.evaluate_markers(&markers, &[]));
        let lost = required.map(|required| required.name.to_string()).filter(|name| missing.contains(name));
        lost.map(|name| format!("{} requires {name}", metadata.package.name)).collect::<BTreeSet<_>>()
    };
    all.flat_map(needs).collect()
}

/// Whether the package was installed from this URL.
fn came_from(folder: &Path, wanted: &VerbatimUrl) -> bool {
    let origin = fs::read(folder.join("direct_url.json")).ok();
    let origin = origin.and_then(|json| serde_json::from_slice::<serde_json::Value>(&json).ok());
    // For a URL with a hash, `direct_url.json` has the URL and, separately, the hash.
    let wanted = wanted.raw().as_str();
    let (address, hash) = wanted.split_once("#sha256=").map_or((wanted, None), |(address, hash)| (address, Some(hash)));
    origin.is_some_and(|origin| {
        let noted = &origin["archive_info"]["hashes"]["sha256"];
        let is_same = hash.is_none_or(|hash| noted.as_str().is_none_or(|noted| noted.eq_ignore_ascii_case(hash)));
        origin["url"] == wanted || (origin["url"] == address && is_same)
    })
}

/// The values that markers such as `python_version > "3.9"` are compared with.
pub(super) fn markers(environment: &Environment) -> Option<MarkerEnvironment> {
    let (series, full) = match &environment.record {
        Some(record) => (record.python.series(), record.python.to_string()),
        None => {
            let library = environment.site_packages.parent()?.file_name()?.to_str()?;
            let series = library.strip_prefix("python")?.trim_end_matches('t').to_owned();
            (series.clone(), format!("{series}.0"))
        }
    };
    let system = rustix::system::uname();
    let text = |field: &std::ffi::CStr| field.to_string_lossy().into_owned();
    MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
        implementation_name: "cpython",
        implementation_version: &full,
        os_name: "posix",
        platform_machine: &text(system.machine()),
        platform_python_implementation: "CPython",
        platform_release: &text(system.release()),
        platform_system: &text(system.sysname()),
        platform_version: &text(system.version()),
        python_full_version: &full,
        python_version: &series,
        sys_platform: std::env::consts::OS,
    })
    .ok()
}
