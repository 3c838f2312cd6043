//! Damaged packages: their files are not those that their list of files, `RECORD`, describes.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::installed::{Package, Recorded, folders, read, recorded};

/// A damaged package.
#[derive(Debug)]
pub(in crate::environment) struct Damaged {
    /// Its `dist-info` folder.
    pub(super) folder: PathBuf,
    /// Its name and version, from the folder's name.
    pub(in crate::environment) package: Package,
    pub(in crate::environment) damage: Damage,
}

/// What is wrong with a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::environment) enum Damage {
    FilesMissing,
    FilesChanged,
    NoRecord,
    UnreadableRecord,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Damage::FilesMissing => "files are missing",
            Damage::FilesChanged => "files differ from the RECORD",
            Damage::NoRecord => "the RECORD is missing",
            Damage::UnreadableRecord => "the RECORD is incomplete or unreadable",
        })
    }
}

/// How files are compared with `RECORD`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::environment) enum Comparing {
    /// By their sizes, which reads none of them.
    Sizes,
    /// Also by their hashes.
    Hashes,
}

/// The damaged packages. Files without a hash, such as compiled ones, may change and be missing.
pub(in crate::environment) fn damaged(site_packages: &Path, comparing: Comparing) -> Vec<Damaged> {
    let folders: Vec<PathBuf> = folders(site_packages).collect();
    let records: Vec<_> = folders.iter().map(|folder| record(folder)).collect();
    let mut suspects: Vec<(usize, Damage, &str)> = Vec::new();
    for (number, (folder, record)) in folders.iter().zip(&records).enumerate() {
        match record {
            Err(damage) => suspects.push((number, *damage, "")),
            Ok(_) if read(&folder.join("METADATA")).is_none() => suspects.push((number, Damage::FilesMissing, "")),
            Ok(files) => {
                let compared = files.iter().filter_map(|file| Some((compare(site_packages, file, comparing)?, file)));
                suspects.extend(compared.map(|(damage, file)| (number, damage, file.path.as_str())));
            }
        }
    }
    // Of a file that several packages bring, the one installed last is there.
    let is_of_another = |(number, _, path): &(usize, Damage, &str)| {
        let others = records.iter().enumerate().filter(|(other, _)| other != number);
        let files = others.filter_map(|(_, record)| record.as_ref().ok()).flatten();
        let mut same = files.filter(|file| !path.is_empty() && file.path == *path && !file.hash.is_empty());
        same.any(|file| compare(site_packages, file, comparing).is_none())
    };
    suspects.retain(|suspect| !is_of_another(suspect));
    let mut found: BTreeMap<usize, Damage> = BTreeMap::new();
    for (number, damage, _) in suspects {
        found.entry(number).and_modify(|worst| *worst = damage.min(*worst)).or_insert(damage);
    }
    let described = |(number, damage): (usize, Damage)| {
        let folder = folders[number].clone();
        let package = named(&folder)?;
        Some(Damaged { folder, package, damage })
    };
    found.into_iter().filter_map(described).collect()
}

/// What is wrong with the list of a package's files, if something is.
pub(super) fn damage_of_record(folder: &Path) -> Option<Damage> {
    record(folder).err()
}

/// The name and version of a `dist-info` folder.
pub(super) fn named(folder: &Path) -> Option<Package> {
    let (name, version) = folder.file_name()?.to_str()?.strip_suffix(".dist-info")?.split_once('-')?;
    Some(Package { name: name.into(), version: version.into() })
}

/// The list of a package's files. It lists itself, so one that does not is cut.
fn record(folder: &Path) -> Result<Vec<Recorded>, Damage> {
    let text = fs::read(folder.join("RECORD")).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Damage::NoRecord,
        _ => Damage::UnreadableRecord,
    })?;
    let text = std::str::from_utf8(&text).map_err(|_| Damage::UnreadableRecord)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let files: Vec<Recorded> = lines.map(recorded).collect::<Option<_>>().ok_or(Damage::UnreadableRecord)?;
    let own = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let own = format!("{own}/RECORD");
    let lists_itself = files.iter().any(|file| file.path == own || file.path.ends_with(&format!("/{own}")));
    if lists_itself { Ok(files) } else { Err(Damage::UnreadableRecord) }
}

/// What is wrong with a file, if something is.
fn compare(site_packages: &Path, file: &Recorded, comparing: Comparing) -> Option<Damage> {
    if file.hash.is_empty() {
        return None;
    }
    let path = site_packages.join(&file.path);
    let Ok(metadata) = fs::metadata(&path) else { return Some(Damage::FilesMissing) };
    let same = file.size.is_none_or(|size| size == metadata.len())
        && (comparing == Comparing::Sizes || has_hash(&path, &file.hash).unwrap_or(false));
    (!same).then_some(Damage::FilesChanged)
}

/// Whether a file has this hash: `sha256=…`. One of an unknown kind counts as right.
fn has_hash(path: &Path, hash: &str) -> io::Result<bool> {
    let Some((kind, expected)) = hash.split_once('=') else { return Ok(true) };
    let actual = match kind {
        "sha256" => hash_of::<Sha256>(path)?,
        "sha384" => hash_of::<Sha384>(path)?,
        "sha512" => hash_of::<Sha512>(path)?,
        _ => return Ok(true),
    };
    Ok(actual == expected.trim_end_matches('='))
}

fn hash_of<D: Digest + io::Write>(path: &Path) -> io::Result<String> {
    let mut hash = D::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(URL_SAFE_NO_PAD.encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a package with this list of files, before which nothing and after which itself is listed.
    fn make(site: &Path, name: &str, record: &str) {
        let folder = site.join(format!("{name}-1.0.dist-info"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("METADATA"), format!("Name: {name}\nVersion: 1.0\n")).unwrap();
        fs::write(folder.join("RECORD"), format!("{record}{name}-1.0.dist-info/RECORD,,\n")).unwrap();
    }

    fn found(site: &Path, comparing: Comparing) -> Vec<(String, Damage)> {
        let mut found: Vec<_> =
            damaged(site, comparing).into_iter().map(|damaged| (damaged.package.name, damaged.damage)).collect();
        found.sort();
        found
    }

    #[test]
    fn packages_are_judged_by_their_records() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path();
        fs::write(site.join("here,it is.py"), "12345").unwrap();
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest("12345"));
        make(site, "whole", &format!("\"here,it is.py\",sha256={hash},5\n__pycache__/gone.pyc,,\n"));
        make(site, "unknown", "\"here,it is.py\",newest=x,5\n");
        make(site, "size", "\"here,it is.py\",sha256=x,6\nx.py,,\n");
        make(site, "lost", "gone.py,sha256=x,5\n");
        let record = |name: &str| {
            make(site, name, "");
            site.join(format!("{name}-1.0.dist-info/RECORD"))
        };
        fs::remove_file(record("none")).unwrap();
        fs::write(record("emptied"), "").unwrap();
        fs::write(record("cut"), "cut-1.0.dist-info/RECORD,,\n\"here,it is.py\",sha256=").unwrap();
        fs::write(record("shortened"), "x.py,,\n").unwrap();
        fs::write(record("garbled"), b"\xff\xfe\0\0").unwrap();
        fs::create_dir(site.join("blank-1.0.dist-info")).unwrap();
        // The file is right for another package that brings it.
        fs::remove_dir_all(site.join("size-1.0.dist-info")).unwrap();
        make(site, "shared", "\"here,it is.py\",sha256=x,6\n");
        fs::write(site.join("own.py"), "123").unwrap();
        make(site, "size", "own.py,sha256=x,6\n");
        let expected = [
            ("blank", Damage::NoRecord),
            ("cut", Damage::UnreadableRecord),
            ("emptied", Damage::UnreadableRecord),
            ("garbled", Damage::UnreadableRecord),
            ("lost", Damage::FilesMissing),
            ("none", Damage::NoRecord),
            ("shortened", Damage::UnreadableRecord),
            ("size", Damage::FilesChanged),
        ];
        assert_eq!(found(site, Comparing::Sizes), expected.map(|(name, damage)| (name.to_owned(), damage)));
    }

    #[test]
    fn a_change_of_the_same_size_shows_in_the_hash() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path();
        fs::write(site.join("a.py"), "12345").unwrap();
        let hash = |text: &str| URL_SAFE_NO_PAD.encode(Sha256::digest(text));
        make(site, "right", &format!("a.py,sha256={}=,5\n", hash("12345")));
        fs::write(site.join("b.py"), "12345").unwrap();
        make(site, "wrong", &format!("b.py,sha256={},5\n", hash("54321")));
        assert_eq!(found(site, Comparing::Sizes), []);
        assert_eq!(found(site, Comparing::Hashes), [("wrong".to_owned(), Damage::FilesChanged)]);
    }
}
