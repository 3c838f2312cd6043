//! Checks whether requirements are satisfied, from the environment's files: runs no Python.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use pep440_rs::Version;
use pep508_rs::{ExtraName, MarkerEnvironment, MarkerEnvironmentBuilder, Requirement, VerbatimUrl, VersionOrUrl};

use super::installed::{self, Metadata, Package};
use super::origin::{Comparison, compare};
use super::pep508;
use super::requirement::Requirements;
use crate::environment::environment::Environment;
use crate::platform::mask_credentials;

/// The result of a check.
pub(super) enum CheckResult {
    /// All are satisfied, by these packages.
    Satisfied(Vec<Package>),
    /// The same, but what one of them came from, a folder or a branch, may have changed since.
    Movable(Vec<Package>),
    /// This requirement is not satisfied.
    Unsatisfied(String),
    /// Only the tool can tell.
    Unknown,
}

/// Which requirements to check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckDepth {
    /// Only the given ones, after the tool said that it installed them: where a URL was written in two ways, the tool
    /// is believed.
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
    let (mut unknown, mut movable) = (false, false);
    for wanted in &wanted {
        let Some(requirement) = &wanted.requirement else {
            unknown = true;
            continue;
        };
        if !requirement.evaluate_markers(&check.markers, &[]) {
            continue;
        }
        match check.satisfied(requirement, wanted.editable) {
            Some((package, comparison)) => {
                movable |= comparison == Comparison::Movable;
                packages.push(package);
            }
            None => return CheckResult::Unsatisfied(mask_credentials(&wanted.text)),
        }
    }
    packages.sort();
    packages.dedup();
    match (unknown, movable) {
        (true, _) => CheckResult::Unknown,
        (_, true) => CheckResult::Movable(packages),
        _ => CheckResult::Satisfied(packages),
    }
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
    fn satisfied(&mut self, requirement: &Requirement<VerbatimUrl>, editable: bool) -> Option<(Package, Comparison)> {
        let name = requirement.name.to_string();
        let folder = self.found.get(&name)?;
        if !self.read.contains_key(&name) {
            self.read.insert(name.clone(), installed::read(&folder.join("METADATA"))?);
        }
        let package = self.read.get(&name)?.package.clone();
        let trusted = self.depth == CheckDepth::Direct;
        let comparison = match &requirement.version_or_url {
            None => Comparison::Same,
            Some(VersionOrUrl::VersionSpecifier(wanted)) => match Version::from_str(&package.version) {
                Ok(version) if wanted.contains(&version) => Comparison::Same,
                // A version from before PEP 440.
                Err(_) if trusted => Comparison::Same,
                _ => Comparison::Different,
            },
            Some(VersionOrUrl::Url(_)) if trusted => Comparison::Same,
            Some(VersionOrUrl::Url(wanted)) => compare(folder, wanted.raw(), editable),
        };
        if comparison == Comparison::Different {
            return None;
        }
        if self.depth == CheckDepth::Direct {
            return Some((package, comparison));
        }
        let extras = requirement.extras.iter().cloned().map(Some);
        for extra in extras.chain([None]) {
            if !self.done.insert((name.clone(), extra.clone())) {
                continue;
            }
            let extras = Vec::from_iter(extra);
            for text in self.read.get(&name)?.requires.clone() {
                let required = pep508::parse(&text).ok()?;
                if required.evaluate_markers(&self.markers, &extras) {
                    self.satisfied(&required, false)?;
                }
            }
        }
        Some((package, comparison))
    }
}

/// Whether a requirement accepts this version. One with a URL accepts none that is known by its version only.
pub(super) fn accepts(requirement: &Requirement<VerbatimUrl>, version: &str) -> bool {
    match (&requirement.version_or_url, Version::from_str(version)) {
        (None, _) | (Some(VersionOrUrl::VersionSpecifier(_)), Err(_)) => true,
        (Some(VersionOrUrl::VersionSpecifier(wanted)), Ok(version)) => wanted.contains(&version),
        (Some(VersionOrUrl::Url(_)), _) => false,
    }
}

/// A requirement of an installed package that is not met.
pub(in crate::environment) struct Unmet {
    /// The package that requires it.
    pub(in crate::environment) package: Package,
    /// What it requires, as PEP 508 writes it.
    pub(in crate::environment) requirement: String,
    /// The version that is installed instead, if any.
    pub(in crate::environment) installed: Option<String>,
}

/// `beta 2.0 requires alpha>=3, which is not installed`
impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unmet { package: Package { name, version }, requirement, installed } = self;
        let requirement = mask_credentials(requirement.split(';').next().unwrap_or_default().trim());
        match installed {
            None => write!(f, "{name} {version} requires {requirement}, which is not installed"),
            Some(installed) => write!(f, "{name} {version} requires {requirement}, but {installed} is installed"),
        }
    }
}

/// The requirements of all installed packages that are not met, as `pip check` finds them.
pub(in crate::environment) fn unmet(environment: &Environment) -> Vec<Unmet> {
    let Some(markers) = markers(environment) else { return Vec::new() };
    let mut all: Vec<Metadata> = installed::by_name(&environment.site_packages)
        .values()
        .filter_map(|folder| installed::read(&folder.join("METADATA")))
        .collect();
    all.sort_by(|a, b| a.package.cmp(&b.package));
    let versions: BTreeMap<String, String> = all
        .iter()
        .map(|metadata| (installed::normal(&metadata.package.name), metadata.package.version.clone()))
        .collect();
    let mut unmet = Vec::new();
    for Metadata { package, requires } in all {
        for text in requires {
            let Ok(required) = pep508::parse(&text) else { continue };
            if !required.evaluate_markers(&markers, &[]) {
                continue;
            }
            let version = versions.get(required.name.as_ref());
            let is_url = matches!(required.version_or_url, Some(VersionOrUrl::Url(_)));
            let fits = |version: &String| is_url || accepts(&required, version);
            if !version.is_some_and(fits) {
                unmet.push(Unmet { package: package.clone(), requirement: text, installed: version.cloned() });
            }
        }
    }
    unmet
}

/// Installed packages that require one of the missing ones: `pandas requires numpy`.
pub(super) fn requirers(environment: &Environment, missing: &BTreeSet<String>) -> Vec<String> {
    let Some(markers) = markers(environment) else { return Vec::new() };
    let found = installed::by_name(&environment.site_packages);
    let all = found.values().filter_map(|folder| installed::read(&folder.join("METADATA")));
    let needs = |metadata: Metadata| {
        let required = metadata.requires.iter().filter_map(|text| pep508::parse(text).ok());
        let required = required.filter(|required| required.evaluate_markers(&markers, &[]));
        let lost = required.map(|required| required.name.to_string()).filter(|name| missing.contains(name));
        lost.map(|name| format!("{} requires {name}", metadata.package.name)).collect::<BTreeSet<_>>()
    };
    all.flat_map(needs).collect()
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
