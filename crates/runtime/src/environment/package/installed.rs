//! The packages installed in an environment, read from its files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Its name, in its own spelling.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The packages in the folder `site-packages`, by name. Leaves out those that cannot be read.
pub(in crate::environment) fn installed(site_packages: &Path) -> Vec<Package> {
    let mut packages: Vec<Package> =
        folders(site_packages).filter_map(|folder| Some(read(&folder.join("METADATA"))?.package)).collect();
    packages.sort_by_cached_key(|package| (package.name.to_lowercase(), package.version.clone()));
    packages
}

/// The packages, each with what changes when it is installed anew.
pub(super) fn stamped(site_packages: &Path) -> Vec<(Package, (u64, i64, i64))> {
    let stamp = |folder: &Path| fs::metadata(folder).map(|m| (m.ino(), m.mtime(), m.mtime_nsec())).unwrap_or_default();
    let each = |folder: PathBuf| Some((read(&folder.join("METADATA"))?.package, stamp(&folder)));
    let mut packages: Vec<_> = folders(site_packages).filter_map(each).collect();
    packages.sort_by_cached_key(|(package, _)| (package.name.to_lowercase(), package.version.clone()));
    packages
}

/// The `dist-info` folder of each package by normalized name (`zope-x`). Opens no file.
pub(super) fn by_name(site_packages: &Path) -> BTreeMap<String, PathBuf> {
    let named = |folder: PathBuf| {
        let name = folder.file_name()?.to_str()?.split_once('-')?.0;
        Some((normal(name), folder))
    };
    folders(site_packages).filter_map(named).collect()
}

/// Those of `before` in whose place a package of `changed` is now.
pub(super) fn replaced(before: &[Package], changed: &[Package]) -> Vec<Package> {
    let is_in = |package: &&Package| changed.iter().any(|other| normal(&other.name) == normal(&package.name));
    before.iter().filter(is_in).cloned().collect()
}

/// The normalized name (PEP 503): `Zope.X_y` is `zope-x-y`.
pub(super) fn normal(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '.' | '_' | '-' if normal.ends_with('-') => {}
            '.' | '_' | '-' => normal.push('-'),
            c => normal.push(c.to_ascii_lowercase()),
        }
    }
    normal
}

/// The metadata of a package.
pub(super) struct Metadata {
    pub(super) package: Package,
    /// Its requirements, as PEP 508 writes them.
    pub(super) requires: Vec<String>,
}

/// Reads the header of a metadata file, which ends with an empty line.
pub(super) fn read(metadata: &Path) -> Option<Metadata> {
    let (mut name, mut version, mut requires) = (None, None, Vec::new());
    let header = BufReader::new(File::open(metadata).ok()?.take(1 << 20));
    for line in header.lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(value) = line.strip_prefix("Name:") {
            name.get_or_insert(value.trim().to_owned());
        } else if let Some(value) = line.strip_prefix("Version:") {
            version.get_or_insert(value.trim().to_owned());
        } else if let Some(value) = line.strip_prefix("Requires-Dist:") {
            requires.push(value.trim().to_owned());
        }
    }
    Some(Metadata { package: Package { name: name?, version: version? }, requires })
}

/// A line of a RECORD: `path,hash,size`.
pub(super) struct Recorded {
    /// Relative to `site-packages`.
    pub(super) path: String,
    /// Empty for files that may change or be missing, such as compiled ones.
    pub(super) hash: String,
    pub(super) size: Option<u64>,
}

pub(super) fn recorded(line: &str) -> Option<Recorded> {
    let mut fields = line.rsplitn(3, ',');
    let (size, hash, path) = (fields.next()?, fields.next()?, fields.next()?);
    let path = match path.strip_prefix('"').and_then(|path| path.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => path.to_owned(),
    };
    // What is cut within a quoted path has commas too.
    let size = if size.is_empty() { None } else { Some(size.parse().ok()?) };
    Some(Recorded { path, hash: hash.into(), size })
}

pub(super) fn folders(site_packages: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(site_packages).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.ends_with(".dist-info")))
        .map(|entry| entry.path())
}
