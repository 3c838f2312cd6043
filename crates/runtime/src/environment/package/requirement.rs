//! Requirements, in the form of PEP 508 or in files.

use std::path::{Path, PathBuf};

use pep508_rs::{Requirement, VerbatimUrl, VersionOrUrl, pep440_rs::Operator};
use sha2::{Digest, Sha256};

use super::error::PackageError;
use super::installed::Package;
use super::location::{for_tools, is_path_or_address, split_extras, with_url};
use super::origin::Origin;
use super::pep508;
use super::requirements_file::RequirementsFile;
use super::scratch::Scratch;
use crate::platform::mask_credentials;

/// Required packages, with their versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    wanted: Vec<Wanted>,
    files: Vec<RequirementsFile>,
}

/// A required package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) text: String,
    /// The parsed text; `None` for a path or URL without a name, which only the tool can resolve.
    pub(super) requirement: Option<Requirement<VerbatimUrl>>,
    /// Whether it is used where it lies, and not copied.
    pub(super) editable: bool,
}

impl Requirements {
    /// Parses requirements such as `six`, `numpy>=2,<3`, `uvicorn[standard]; python_version > "3.9"`, or the path or
    /// URL of a package. Rejects options of a tool.
    pub fn new(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Requirements, PackageError> {
        let wanted = texts.into_iter().map(|text| Wanted::new(text.as_ref())).collect::<Result<_, _>>()?;
        Ok(Requirements { wanted, files: Vec::new() })
    }

    /// Adds a requirements file in pip's format, and reads it; `-` is the standard input.
    pub fn and_file(mut self, path: impl AsRef<Path>) -> Result<Requirements, PackageError> {
        self.files.push(RequirementsFile::read(path.as_ref())?);
        Ok(self)
    }

    /// The requirements of this file.
    pub(super) fn of_file(file: RequirementsFile) -> Requirements {
        Requirements { wanted: Vec::new(), files: vec![file] }
    }

    /// Adds a package that is used where it lies, so that changes of its code take effect at once: its folder, as `.`
    /// or `./folder[extra]`, or the URL of a folder or a repository.
    pub fn and_editable(mut self, text: impl AsRef<str>) -> Result<Requirements, PackageError> {
        self.wanted.push(Wanted::editable(text.as_ref())?);
        Ok(self)
    }

    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.files.is_empty()
    }

    /// Adds exactly this package: from where it came, or in its version.
    pub(super) fn push_exact(&mut self, package: &Package, origin: Option<&Origin>) {
        let exact = match origin {
            Some(origin) => Wanted::new(&format!("{} @ {}", package.name, origin.url))
                .map(|wanted| Wanted { editable: origin.editable, ..wanted }),
            None => Wanted::new(&format!("{}=={}", package.name, package.version)),
        };
        self.wanted.extend(exact.ok());
    }

    pub(in crate::environment) fn texts(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().map(|wanted| wanted.text.as_str())
    }

    /// The arguments of `pip install` and `uv pip install`. What a file cannot give again is copied to `scratch`.
    pub(super) fn arguments(&self, scratch: &Scratch) -> Result<Vec<String>, PackageError> {
        let mut arguments = Vec::new();
        for file in self.files(scratch)? {
            arguments.extend(["-r".into(), file.to_string_lossy().into_owned()]);
        }
        for wanted in self.wanted.iter().filter(|wanted| wanted.editable) {
            arguments.extend(["-e".into(), wanted.editable_text()]);
        }
        arguments.push("--".into());
        arguments.extend(self.wanted.iter().filter(|wanted| !wanted.editable).map(Wanted::tool_text));
        Ok(arguments)
    }

    /// The files for the tool.
    pub(super) fn files(&self, scratch: &Scratch) -> Result<Vec<PathBuf>, PackageError> {
        let name = |number| scratch.path().join(format!("requirements-{number}.txt"));
        self.files.iter().enumerate().map(|(number, file)| file.path_or_copy(name(number))).collect()
    }

    /// The lines of a requirements file with what is required beside the files.
    pub(super) fn lines(&self) -> String {
        let line = |wanted: &Wanted| match wanted.editable {
            true => format!("-e {}\n", wanted.editable_text()),
            false => wanted.tool_text() + "\n",
        };
        self.wanted.iter().map(line).collect()
    }

    /// All requirements, those of the files included; `None` when a file has lines that only the tool understands.
    pub(super) fn all(&self) -> Option<Vec<Wanted>> {
        let mut all = self.wanted.clone();
        for file in &self.files {
            let text = file.text()?.replace("\\\r\n", " ").replace("\\\n", " ");
            let lines = text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                all.push(Wanted::new(line).ok()?);
            }
        }
        Some(all)
    }

    /// The normalized names of the required packages, as far as they are known.
    pub(super) fn names(&self) -> Vec<String> {
        let all = self.all().unwrap_or_default();
        all.iter().filter_map(|wanted| Some(wanted.requirement.as_ref()?.name.to_string())).collect()
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
        if text.is_empty() {
            return wrong(text, "it is empty");
        }
        if text.starts_with('-') {
            return wrong(text, "options are not accepted here");
        }
        if text.contains(|c: char| c.is_control()) {
            return wrong(text, "it contains a line break or another control character");
        }
        let with_url = with_url(text);
        let text = with_url.as_deref().unwrap_or(text);
        match pep508::parse(text) {
            Ok(requirement) => Ok(Wanted { text: text.into(), requirement: Some(requirement), editable: false }),
            Err(_) if is_path_or_address(text) => Ok(Wanted { text: text.into(), requirement: None, editable: false }),
            Err(reason) => wrong(text, &reason),
        }
    }

    fn editable(text: &str) -> Result<Wanted, PackageError> {
        let text = text.trim();
        if text.contains("://") || text.contains(" @ ") {
            return Ok(Wanted { editable: true, ..Wanted::new(text)? });
        }
        if text.is_empty() || text.starts_with('-') || text.contains(|c: char| c.is_control()) {
            return wrong(text, "expected the folder of a package");
        }
        let (folder, extras) = split_extras(text);
        match Path::new(folder).canonicalize() {
            Ok(folder) if folder.is_dir() => {
                let text = format!("{}{extras}", folder.display());
                Ok(Wanted { text, requirement: None, editable: true })
            }
            Ok(_) => wrong(text, "only a folder can be editable"),
            Err(error) => wrong(text, &format!("there is no such folder ({error})")),
        }
    }

    /// The text for the tool. pip accepts no name before a repository of this machine, since its URL has no host.
    fn tool_text(&self) -> String {
        match &self.requirement {
            Some(Requirement { version_or_url: Some(VersionOrUrl::Url(url)), extras, marker, .. })
                if url.raw().scheme().ends_with("+file") && extras.is_empty() && marker.is_true() =>
            {
                url.raw().to_string()
            }
            // A marker, and extras, which pip does not take from a URL, stay as they are written.
            None if !self.text.contains("://") && !self.text.starts_with('~') && !self.text.contains(" ;") => {
                let (path, extras) = split_extras(&self.text);
                if extras.is_empty() || Path::new(&self.text).exists() {
                    for_tools(&self.text)
                } else {
                    path.to_owned() + extras
                }
            }
            _ => self.text.clone(),
        }
    }

    /// What follows `-e`. Before uv 0.5 and pip 21, a URL with a name is not accepted there.
    fn editable_text(&self) -> String {
        match &self.requirement {
            Some(Requirement { version_or_url: Some(VersionOrUrl::Url(url)), extras, .. }) if extras.is_empty() => {
                url.raw().to_string()
            }
            None if !self.text.contains("://") => {
                let (folder, extras) = split_extras(&self.text);
                for_tools(folder) + extras
            }
            _ => self.text.clone(),
        }
    }
}

fn wrong<T>(text: &str, reason: &str) -> Result<T, PackageError> {
    let text = mask_credentials(&text.chars().take(200).collect::<String>());
    Err(PackageError::NotARequirement { text, reason: mask_credentials(reason) })
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        for text in [
            "six",
            "Six>=1,<2",
            "a[b,c]; python_version > '3.9'",
            "./x.whl",
            "git+https://host/x",
            "a @ file:///x",
            "a @ /x",
            "a[b] @ ./x ; python_version > '3'",
        ] {
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
