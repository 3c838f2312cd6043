//! The packages that are installed in an environment, read from its files.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Its name, as it writes it itself.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The packages in the folder `site-packages`, by name; what cannot be read is left out.
pub(super) fn installed(site_packages: &Path) -> Vec<Package> {
    let mut packages: Vec<Package> = fs::read_dir(site_packages)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.ends_with(".dist-info")))
        .filter_map(|entry| read(&entry.path().join("METADATA")))
        .collect();
    packages.sort_by_cached_key(|package| (package.name.to_lowercase(), package.version.clone()));
    packages
}

/// Name and version of a metadata file: they stand in its header, which ends with an empty line.
fn read(metadata: &Path) -> Option<Package> {
    let (mut name, mut version) = (None, None);
    let header = BufReader::new(File::open(metadata).ok()?.take(64 << 10));
    for line in header.lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(value) = line.strip_prefix("Name:") {
            name.get_or_insert(value.trim().to_owned());
        } else if let Some(value) = line.strip_prefix("Version:") {
            version.get_or_insert(value.trim().to_owned());
        }
        if name.is_some() && version.is_some() {
            break;
        }
    }
    Some(Package { name: name?, version: version? })
}
