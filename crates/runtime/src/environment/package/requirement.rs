//! Requirements, in the form of PEP 508 or in files.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep508_rs::{Requirement, VerbatimUrl, VersionOrUrl, pep440_rs::Operator};
use sha2::{Digest, Sha256};

use super::error::PackageError;
use super::installed::Package;
use crate::platform::failed_to;

/// Required packages, with their versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    wanted: Vec<Wanted>,
    files: Vec<PathBuf>,
}

/// A required package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) text: String,
    /// The parsed text; `None` for a path or URL without a name, which only the tool can resolve.
    pub(super) requirement: Option<Requirement<VerbatimUrl>>,
}

impl Requirements {
    /// Parses requirements such as `six`, `numpy>=2,<3`, `uvicorn[standard]; python_version > "3.9"`, or the path or
    /// URL of a package. Rejects options of a tool.
    pub fn new(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Requirements, PackageError> {
        let wanted = texts.into_iter().map(|text| Wanted::new(text.as_ref())).collect::<Result<_, _>>()?;
        Ok(Requirements { wanted, files: Vec::new() })
    }

    /// Adds a requirements file in pip's format.
    pub fn and_file(mut self, path: impl AsRef<Path>) -> Result<Requirements, PackageError> {
        let path = path.as_ref();
        // Checked here for a short message; the tool's would be longer.
        fs::File::open(path).map_err(failed_to("read", path))?;
        self.files.push(std::path::absolute(path).map_err(failed_to("find", path))?);
        Ok(self)
    }

    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.files.is_empty()
    }

    /// Adds exactly this package: from its URL, or in its version.
    pub(super) fn push_exact(&mut self, package: &Package, origin: Option<&str>) {
        let exact = match origin {
            Some(origin) => Wanted::new(&format!("{} @ {origin}", package.name)),
            None => Wanted::new(&format!("{}=={}", package.name, package.version)),
        };
        self.wanted.extend(exact.ok());
    }

    pub(in crate::environment) fn texts(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().map(|wanted| wanted.text.as_str())
    }

    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// All requirements, those of the files included; `None` when a file has lines that only the tool understands.
    pub(super) fn all(&self) -> Option<Vec<Wanted>> {
        let mut all = self.wanted.clone();
        for file in &self.files {
            let text = fs::read_to_string(file).ok()?.replace("\\\r\n", " ").replace("\\\n", " ");
            let lines = text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                all.push(Wanted::new(line).ok()?);
            }
        }
        Some(all)
    }

    /// Identifies this list of requirements.
    pub(in crate::environment) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for text in self.texts() {
            hash.update(text.as_bytes());
            hash.update(b"\n");
        }
        hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Wanted {
    /// Whether only one version or build satisfies it.
    pub(super) fn is_exact(&self) -> bool {
        let Some(requirement) = &self.requirement else { return true };
        match &requirement.version_or_url {
            Some(VersionOrUrl::VersionSpecifier(specifiers)) => {
                specifiers.iter().any(|one| matches!(one.operator(), Operator::Equal | Operator::ExactEqual))
            }
            Some(VersionOrUrl::Url(_)) => true,
            None => false,
        }
    }

    fn new(text: &str) -> Result<Wanted, PackageError> {
        let text = text.trim();
        let wrong = |reason: &str| {
            Err(PackageError::NotARequirement { text: text.chars().take(200).collect(), reason: reason.into() })
        };
        if text.is_empty() {
            return wrong("it is empty");
        }
        if text.starts_with('-') {
            return wrong("options are not accepted here");
        }
        if text.contains(|c: char| c.is_control()) {
            return wrong("it contains a line break or another control character");
        }
        match Requirement::from_str(text) {
            Ok(requirement) => Ok(Wanted { text: text.into(), requirement: Some(requirement) }),
            Err(_) if is_path_or_address(text) => Ok(Wanted { text: text.into(), requirement: None }),
            Err(error) => wrong(&error.message.to_string()),
        }
    }
}

/// Whether the text is a path, a URL or the file name of an archive.
fn is_path_or_address(text: &str) -> bool {
    let ends = [".whl", ".tar.gz", ".zip"].iter().any(|end| text.ends_with(end));
    let begins = ["./", "../", "/", "~/"].iter().any(|start| text.starts_with(start)) || text == ".";
    ends || begins || text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_requirement_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("  ", "empty"),
            ("--index-url=x", "options"),
            ("-r file", "options"),
            ("six\n--pre", "line break"),
            ("six==", "version"),
            ("six >", "version"),
            ("a b", "Expected"),
            ("!!", "Expected"),
        ] {
            let error = Requirements::new([text]).unwrap_err();
            assert!(matches!(&error, PackageError::NotARequirement { .. }), "{text:?}");
            assert!(error.to_string().contains(reason), "{text:?}: {error}");
        }
        for text in
            ["six", "Six>=1,<2", "a[b,c]; python_version > '3.9'", "./x.whl", "git+https://host/x", "a @ file:///x"]
        {
            Requirements::new([text]).unwrap();
        }
    }

    #[test]
    fn files_are_read_as_far_as_they_are_requirements() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requirements.txt");
        fs::write(&path, "# a comment\nsix>=1 # why\n\nidna \\\n  ==3.1\n").unwrap();
        let all = Requirements::default().and_file(&path).unwrap().all().unwrap();
        assert_eq!(all.iter().map(|wanted| wanted.text.as_str()).collect::<Vec<_>>(), ["six>=1", "idna    ==3.1"]);
        fs::write(&path, "six\n-r other.txt\n").unwrap();
        assert_eq!(Requirements::default().and_file(&path).unwrap().all(), None);
        let error = Requirements::default().and_file(folder.path().join("none")).unwrap_err();
        assert!(error.to_string().starts_with("cannot read "), "{error}");
    }
}
