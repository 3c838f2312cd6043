//! Lock files in the format `pylock.toml` (PEP 751): converted to pip's requirements, and from pip's report.

use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Table;

use super::installed::normal;

/// The parts of a lock file that matter here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Lock {
    lock_version: String,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    pub(super) packages: Vec<Locked>,
}

/// A locked package.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Locked {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) marker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<File>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vcs: Option<Table>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<Table>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sdist: Option<File>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wheels: Vec<File>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct File {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    hashes: Table,
}

impl Lock {
    /// Parses a lock file. The error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Lock, String> {
        let lock: Lock = toml::from_str(text).map_err(|error| error.message().trim().replace('\n', "; "))?;
        match lock.lock_version.split('.').next() {
            Some("1") => Ok(lock),
            _ => Err(format!("its lock-version is {:?}, and 1.0 is understood", lock.lock_version)),
        }
    }

    /// A lock of the packages in pip's installation report.
    pub(super) fn of_report(report: &Value) -> Result<String, String> {
        let items = report["install"].as_array().ok_or("pip's report has no packages")?;
        let packages = items.iter().map(Locked::of_report).collect::<Result<Vec<_>, _>>()?;
        let lock = Lock { lock_version: "1.0".into(), created_by: "beep-python".into(), packages };
        toml::to_string(&lock).map_err(|error| error.to_string())
    }

    /// The lock as pip requirements with hashes. Paths are relative to `folder`, where the lock is.
    pub(super) fn requirements(&self, folder: &Path) -> Result<String, String> {
        let mut text = String::new();
        for package in &self.packages {
            text.push_str(&package.requirement(folder)?);
            text.push('\n');
        }
        Ok(text)
    }
}

impl Locked {
    fn of_report(item: &Value) -> Result<Locked, String> {
        let (download, metadata) = (&item["download_info"], &item["metadata"]);
        let word = |value: &Value| value.as_str().map(str::to_owned);
        let name = word(&metadata["name"]).ok_or("pip's report names no package")?;
        let mut locked = Locked { version: word(&metadata["version"]), ..Locked::default() };
        let url = word(&download["url"]).ok_or_else(|| format!("pip does not say where {name} comes from"))?;
        let sha256 = word(&download["archive_info"]["hashes"]["sha256"]);
        locked.name = normal(&name);
        if let (Some(vcs), Some(commit)) =
            (word(&download["vcs_info"]["vcs"]), word(&download["vcs_info"]["commit_id"]))
        {
            let pairs = [("type", vcs), ("url", url), ("commit-id", commit)];
            locked.vcs = Some(pairs.map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect());
            return Ok(locked);
        }
        let sha256 = sha256.ok_or_else(|| format!("{name} comes from {url}, which has no hash"))?;
        let hashes = [("sha256".to_owned(), sha256.into())].into_iter().collect();
        let is_wheel = url.split(['?', '#']).next().is_some_and(|path| path.ends_with(".whl"));
        let file = File { url: Some(url), path: None, hashes };
        match (item["is_direct"].as_bool(), is_wheel) {
            (Some(true), _) => locked.archive = Some(file),
            (_, true) => locked.wheels.push(file),
            (_, false) => locked.sdist = Some(file),
        }
        Ok(locked)
    }

    fn requirement(&self, folder: &Path) -> Result<String, String> {
        let name = &self.name;
        let files: Vec<&File> = self.wheels.iter().chain(&self.sdist).collect();
        let mut text = match (&self.archive, &self.version) {
            (Some(archive), _) => format!("{name} @ {}", archive.address(folder)?),
            (None, Some(version)) if !files.is_empty() => format!("{name}=={version}"),
            _ => {
                return Err(format!(
                    "{name} comes from a folder or a repository, which pip cannot check: uv is needed"
                ));
            }
        };
        if let Some(marker) = &self.marker {
            let _ = write!(text, " ; {marker}");
        }
        for file in files.into_iter().chain(&self.archive) {
            for (algorithm, hash) in &file.hashes {
                let hash = hash.as_str().ok_or_else(|| format!("a hash of {name} is no text"))?;
                let _ = write!(text, " --hash={algorithm}:{hash}");
            }
        }
        // A line break would begin another requirement or an option.
        if text.contains(char::is_control) {
            return Err(format!("what is said of {name:?} contains a control character"));
        }
        Ok(text)
    }
}

impl File {
    fn address(&self, folder: &Path) -> Result<String, String> {
        match (&self.url, &self.path) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(path)) => {
                let url = reqwest::Url::from_file_path(folder.join(path));
                url.map(String::from).map_err(|()| format!("the path {path:?} cannot be written as an address"))
            }
            (None, None) => Err("an archive has neither url nor path".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_told_to_pip_with_its_hashes() {
        let text = "lock-version = \"1.0\"\ncreated-by = \"uv\"\n[[packages]]\nname = \"six\"\nversion = \"1.17\"\n\
            marker = \"python_version > '3'\"\nsdist = { url = \"https://x/six.tar.gz\", hashes = { sha256 = \"aa\" } }\n\
            wheels = [{ url = \"https://x/six.whl\", hashes = { sha256 = \"bb\" } }]\n[[packages]]\nname = \"idna\"\n\
            archive = { path = \"a b/idna.whl\", hashes = { sha256 = \"cc\" } }\n";
        let lock = Lock::parse(text).unwrap();
        assert_eq!(
            lock.requirements(Path::new("/l")).unwrap(),
            "six==1.17 ; python_version > '3' --hash=sha256:bb --hash=sha256:aa\n\
             idna @ file:///l/a%20b/idna.whl --hash=sha256:cc\n"
        );
        for (text, said) in [
            ("lock-version = \"2.0\"\n", "2.0"),
            ("x", "expected"),
            ("packages = []\n", "lock-version"),
            ("lock-version = 1\n", "expected a string"),
        ] {
            let reason = Lock::parse(text).unwrap_err();
            assert!(reason.contains(said), "{text:?}: {reason}");
        }
        let evil = "lock-version = \"1.0\"\n[[packages]]\nname = \"six\\n--index-url=http://evil\"\nversion = \"1\"\n\
            wheels = [{ url = \"u\", hashes = { sha256 = \"bb\" } }]\n";
        assert!(Lock::parse(evil).unwrap().requirements(Path::new("/")).unwrap_err().contains("control character"));
    }

    #[test]
    fn what_pip_reports_becomes_a_lock() {
        let report = serde_json::json!({"install": [
            {"download_info": {"url": "https://x/six-1.17-py3-none-any.whl", "archive_info": {"hashes": {"sha256": "aa"}}},
             "is_direct": false, "metadata": {"name": "Six", "version": "1.17"}},
        ]});
        let text = Lock::of_report(&report).unwrap();
        let lock = Lock::parse(&text).unwrap();
        assert_eq!(lock.requirements(Path::new("/")).unwrap(), "six==1.17 --hash=sha256:aa\n");
    }
}
