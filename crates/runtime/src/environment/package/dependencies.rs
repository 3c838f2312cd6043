//! What the installed packages require of each other.

use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::{ExtraName, Requirement, VerbatimUrl};

use super::check::markers;
use super::installed::{Metadata, Package, by_name, normal, read};
use super::pep508;
use crate::environment::environment::Environment;
use crate::environment::manager::VenvManager;

/// An installed package, and what it requires on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageDependencies {
    /// The package.
    pub package: Package,
    /// Its requirements, with those of the extras that other installed packages ask for.
    pub requires: Vec<Dependency>,
}

/// A requirement of an installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The requirement: `six>=1.16`.
    pub requirement: String,
    /// The normalized name of the required package.
    pub name: String,
    /// The package that is installed under this name; `None` when it is missing.
    pub installed: Option<Package>,
}

impl VenvManager {
    /// The installed packages by name, each with what it requires.
    pub fn dependencies(&self, environment: &Environment) -> Vec<PackageDependencies> {
        let Some(markers) = markers(environment) else { return Vec::new() };
        let found = by_name(&environment.site_packages);
        let all: BTreeMap<String, Metadata> =
            found.into_iter().filter_map(|(name, folder)| Some((name, read(&folder.join("METADATA"))?))).collect();
        let mut extras: BTreeMap<String, BTreeSet<ExtraName>> = BTreeMap::new();
        loop {
            let packages: Vec<PackageDependencies> = all
                .iter()
                .map(|(name, metadata)| {
                    let wanted: Vec<ExtraName> = extras.get(name).into_iter().flatten().cloned().collect();
                    let required = metadata.requires.iter().filter_map(|text| pep508::parse(text).ok());
                    let required = required.filter(|required| required.evaluate_markers(&markers, &wanted));
                    PackageDependencies {
                        package: metadata.package.clone(),
                        requires: required.map(|required| dependency(&required, &all)).collect(),
                    }
                })
                .collect();
            // An extra can require further ones.
            let before = extras.clone();
            let texts = packages.iter().flat_map(|package| &package.requires).map(|required| &required.requirement);
            for required in texts.filter_map(|text| pep508::parse(text).ok()) {
                extras.entry(normal(required.name.as_ref())).or_default().extend(required.extras);
            }
            if extras == before {
                return packages;
            }
        }
    }
}

fn dependency(required: &Requirement<VerbatimUrl>, all: &BTreeMap<String, Metadata>) -> Dependency {
    let name = normal(required.name.as_ref());
    let installed = all.get(&name).map(|metadata| metadata.package.clone());
    // Its condition holds here.
    let plain = required.to_string();
    let requirement = plain.split(" ; ").next().unwrap_or_default().trim().to_owned();
    Dependency { requirement, name, installed }
}
