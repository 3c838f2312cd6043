//! The Python builds that can be downloaded.

use serde::{Deserialize, Serialize};

use super::error::RuntimeError;
use super::platform::Platform;
use super::request::VersionRequest;
use super::version::Version;

const BUILTIN: &str = include_str!("../../data/catalogue.json");

/// The Python builds that can be downloaded: the newest build of each version, for each platform, with and without the
/// global interpreter lock.
///
/// `scripts/catalogue.py` renews the built-in catalogue; `BEEP_PYTHON_CATALOGUE` names another of the same format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// The version that is installed by default: `3.13`.
    pub default: String,
    /// The builds.
    pub releases: Vec<CatalogueEntry>,
}

/// A Python build that can be downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueEntry {
    /// `cpython-3.13.15-linux-x86_64-gnu`, with a `t` after the version for a build without the global interpreter
    /// lock. Also the id of the runtime installed from it.
    pub name: String,
    /// Its exact version.
    pub version: Version,
    /// The platform it was built for.
    pub platform: Platform,
    /// The archive's URL.
    pub url: String,
    /// The SHA-256 of the archive, in 64 hexadecimal digits.
    pub sha256: String,
    /// Whether it is a build without the global interpreter lock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub free_threaded: bool,
}

impl Catalogue {
    /// The catalogue built into this program.
    pub fn builtin() -> Catalogue {
        Catalogue::parse(BUILTIN.as_bytes(), "(built in)").expect("a test reads the built-in catalogue")
    }

    /// Parses a catalogue. Errors name its `location`.
    pub fn parse(json: &[u8], location: &str) -> Result<Catalogue, RuntimeError> {
        let invalid = |reason| RuntimeError::CatalogueInvalid { location: location.to_owned(), reason };
        let catalogue: Catalogue = serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
        catalogue.default.parse::<VersionRequest>().map_err(|error| invalid(error.to_string()))?;
        for CatalogueEntry { name, sha256, .. } in &catalogue.releases {
            if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(invalid(format!("the SHA-256 of {name:?} is not 64 hexadecimal digits")));
            }
            // The name becomes that of a folder.
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if !name.starts_with("cpython-") || name.len() > 100 || !name.chars().all(plain) {
                return Err(invalid(format!("{name:?} is not a name such as cpython-3.13.1-linux-x86_64-gnu")));
            }
        }
        Ok(catalogue)
    }

    /// The builds for a platform, the newest first; those without the global interpreter lock after those with it.
    pub fn for_platform(&self, platform: &Platform) -> Vec<&CatalogueEntry> {
        let mut entries: Vec<_> = self.releases.iter().filter(|entry| entry.platform == *platform).collect();
        entries.sort_by_key(|entry| (std::cmp::Reverse(entry.version), entry.free_threaded));
        entries
    }

    /// The newest build of each minor version for a platform, the newest first.
    pub fn newest_for_platform(&self, platform: &Platform) -> Vec<&CatalogueEntry> {
        let mut entries = self.for_platform(platform);
        entries.retain(|entry| !entry.free_threaded);
        entries.dedup_by_key(|entry| entry.version.series());
        entries
    }

    /// The best match for a platform.
    pub fn find(&self, request: &VersionRequest, platform: &Platform) -> Result<&CatalogueEntry, RuntimeError> {
        let mut entries = self.for_platform(platform);
        entries.retain(|entry| entry.free_threaded == request.is_free_threaded());
        let found = request.best(&entries, |entry| entry.version).copied();
        found.ok_or_else(|| {
            let all: Vec<Version> = entries.iter().map(|entry| entry.version).collect();
            let nearest = request.nearest(&all);
            let mut available = all;
            available.dedup_by_key(|version| version.series());
            RuntimeError::NotInCatalogue {
                request: request.clone(),
                platform: platform.to_string(),
                available,
                nearest,
            }
        })
    }

    /// The entry whose archive has this file name.
    pub(super) fn by_file_name(&self, file_name: &str) -> Option<&CatalogueEntry> {
        self.releases.iter().find(|entry| entry.file_name() == file_name)
    }
}

impl CatalogueEntry {
    /// The file name of the archive: `cpython-3.13.1+20260101-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz`.
    pub fn file_name(&self) -> String {
        self.url.rsplit('/').next().unwrap_or_default().replace("%2B", "+")
    }

    /// The archive's paths below a mirror: with the folder of its release, and without.
    pub(super) fn mirror_paths(&self) -> Vec<&str> {
        let file = self.url.rsplit('/').next().unwrap_or_default();
        match self.url.split_once("/download/") {
            Some((_, path)) if path != file => vec![path, file],
            _ => vec![file],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_one_has_every_minor_version_for_every_linux() {
        let catalogue = Catalogue::builtin();
        for platform in ["linux-x86_64-gnu", "linux-x86_64-musl", "linux-aarch64-gnu", "linux-aarch64-musl"] {
            let platform: Platform = platform.parse().unwrap();
            for minor in 9..=14 {
                let request = VersionRequest::Series(vec![3, minor]);
                let entry = catalogue.find(&request, &platform).unwrap();
                assert_eq!(entry.name, format!("cpython-{}-{platform}", entry.version));
                assert!(entry.version.pre.is_none(), "{}", entry.name);
                assert!(entry.file_name().starts_with(&format!("cpython-{}+", entry.version)), "{}", entry.url);
                assert!(entry.file_name().ends_with("-install_only_stripped.tar.gz"), "{}", entry.url);
                assert_eq!(entry.mirror_paths().len(), 2);
            }
            let default = catalogue.find(&catalogue.default.parse().unwrap(), &platform).unwrap();
            assert_eq!(default.version.series(), catalogue.default);
        }
    }

    #[test]
    fn an_unknown_version_is_told_with_what_there_is() {
        let error =
            Catalogue::builtin().find(&"3.8".parse().unwrap(), &"linux-x86_64-gnu".parse().unwrap()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("there is no Python 3.8 for linux-x86_64-gnu to download; there are 3."), "{text}");
        assert!(matches!(error, RuntimeError::NotInCatalogue { nearest: Some(nearest), .. } if nearest.minor == 9));
    }

    #[test]
    fn builds_without_the_lock_are_there_for_who_asks() {
        let catalogue = Catalogue::builtin();
        let platform = "linux-x86_64-gnu".parse().unwrap();
        for (request, free_threaded) in [("3.13", false), ("3.13t", true), (">=3.13t", true)] {
            let entry = catalogue.find(&request.parse().unwrap(), &platform).unwrap();
            assert_eq!(entry.free_threaded, free_threaded, "{}", entry.name);
            assert_eq!(entry.name.contains("t-linux"), free_threaded, "{}", entry.name);
        }
        assert!(catalogue.for_platform(&platform).len() > 4 * catalogue.newest_for_platform(&platform).len());
    }

    #[test]
    fn a_name_that_could_lead_elsewhere_is_refused() {
        for (name, sha256) in
            [("cpython-../../x", "0".repeat(64)), ("../x", "0".repeat(64)), ("cpython-3.1", "0".repeat(63))]
        {
            let json = serde_json::json!({"default": "3.13", "releases": [{
                "name": name, "version": "3.13.1", "platform": "linux-x86_64-gnu", "url": "http://x/y", "sha256": sha256,
            }]});
            let error = Catalogue::parse(json.to_string().as_bytes(), "here").unwrap_err();
            assert!(matches!(error, RuntimeError::CatalogueInvalid { .. }), "{error}");
        }
    }
}
