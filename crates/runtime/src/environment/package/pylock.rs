//! Lock files in the format `pylock.toml` (PEP 751): converted to pip's requirements, and from pip's report.

use std::fmt::Write;
use std::path::Path;
use std::str::FromStr;

use pep508_rs::PackageName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Table;

use super::installed::normal;
use super::location::file_url;

/// What keeps versions of sources, by its names in pip's addresses.
const VCS: [&str; 4] = ["git", "hg", "svn", "bzr"];

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

    /// The lock as two lists of pip requirements: archives with their hashes, and folders and repositories, which
    /// have none. Paths are relative to `folder`, where the lock is.
    pub(super) fn requirements(&self, folder: &Path) -> Result<(String, String), String> {
        let (mut hashed, mut others) = (String::new(), String::new());
        for package in &self.packages {
            let (text, list) = match package.source_without_hash(folder)? {
                Some(text) => (text, &mut others),
                None => (package.requirement(folder)?, &mut hashed),
            };
            // A line break would begin another requirement or an option.
            if text.contains(char::is_control) {
                return Err(format!("what is said of {:?} contains a control character", package.name));
            }
            // What is none could be an option to pip.
            if PackageName::from_str(&package.name).is_err() {
                return Err(format!("{:?} is not the name of a package", package.name));
            }
            list.push_str(&text);
            list.push('\n');
        }
        Ok((hashed, others))
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
            let mut table: Table = pairs.map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect();
            table.extend(word(&download["subdirectory"]).map(|path| ("subdirectory".to_owned(), path.into())));
            locked.vcs = Some(table);
            return Ok(locked);
        }
        if let Some(of_folder) = download["dir_info"].as_object() {
            let path = reqwest::Url::parse(&url).ok().and_then(|url| url.to_file_path().ok());
            let path = path.and_then(|path| path.into_os_string().into_string().ok());
            let path = path.ok_or_else(|| format!("{name} comes from {url}, which is no folder"))?;
            let mut table = Table::from_iter([("path".to_owned(), path.into())]);
            if of_folder.get("editable").and_then(Value::as_bool) == Some(true) {
                table.insert("editable".into(), true.into());
            }
            locked.directory = Some(table);
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
                return Err(format!("it does not say where {name} comes from"));
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
        Ok(text)
    }

    /// The requirement of a package that comes from a folder, or from a commit of a repository.
    fn source_without_hash(&self, folder: &Path) -> Result<Option<String>, String> {
        let name = &self.name;
        let word = |table: &Table, key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let at = |path: &str| File { path: Some(path.to_owned()), ..File::default() }.address(folder);
        let missing = |what: &str| format!("the source of {name} has no {what}");
        if let Some(table) = &self.directory {
            let path = word(table, "path").ok_or_else(|| missing("path"))?;
            let path = match word(table, "subdirectory") {
                Some(subdirectory) => format!("{path}/{subdirectory}"),
                None => path,
            };
            return Ok(Some(match table.get("editable").and_then(toml::Value::as_bool) {
                Some(true) => format!("-e {}", at(&path)?),
                _ => format!("{name} @ {}", at(&path)?),
            }));
        }
        let Some(table) = &self.vcs else { return Ok(None) };
        let (vcs, commit) = (word(table, "type"), word(table, "commit-id"));
        let (vcs, commit) = (vcs.ok_or_else(|| missing("type"))?, commit.ok_or_else(|| missing("commit-id"))?);
        if !VCS.contains(&vcs.as_str()) {
            return Err(format!("the source of {name} is of {vcs:?}, and {} are known", VCS.join(", ")));
        }
        let url = match (word(table, "url"), word(table, "path")) {
            (Some(url), _) => url,
            (None, Some(path)) => at(&path)?,
            (None, None) => return Err(missing("url")),
        };
        let subdirectory = word(table, "subdirectory").map(|path| format!("#subdirectory={path}")).unwrap_or_default();
        // pip accepts no name before a repository of this machine, since its URL has no host.
        let named = if url.starts_with("file:") { String::new() } else { format!("{name} @ ") };
        Ok(Some(format!("{named}{vcs}+{url}@{commit}{subdirectory}")))
    }
}

impl File {
    fn address(&self, folder: &Path) -> Result<String, String> {
        match (&self.url, &self.path) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(path)) => {
                file_url(&folder.join(path)).ok_or_else(|| format!("the path {path:?} cannot be written as an address"))
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
            lock.requirements(Path::new("/l")).unwrap().0,
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
    fn no_package_of_a_lock_is_an_option_to_pip() {
        let lock = |package: &str| Lock::parse(&format!("lock-version = \"1.0\"\n[[packages]]\n{package}")).unwrap();
        for (package, said) in [
            (
                "name = \"--index-url=http://evil\"\narchive = { url = \"u\", hashes = { sha256 = \"b\" } }\n",
                "is not the name",
            ),
            ("name = \"-r\"\ndirectory = { path = \"a\" }\n", "is not the name"),
            (
                "name = \"a\"\nvcs = { type = \"-r x #\", url = \"file:///a\", commit-id = \"1\" }\n",
                "git, hg, svn, bzr are known",
            ),
        ] {
            let reason = lock(package).requirements(Path::new("/")).unwrap_err();
            assert!(reason.contains(said), "{package}: {reason}");
        }
    }

    #[test]
    fn what_pip_reports_becomes_a_lock() {
        let report = serde_json::json!({"install": [
            {"download_info": {"url": "https://x/six-1.17-py3-none-any.whl", "archive_info": {"hashes": {"sha256": "aa"}}},
             "is_direct": false, "metadata": {"name": "Six", "version": "1.17"}},
        ]});
        let text = Lock::of_report(&report).unwrap();
        let lock = Lock::parse(&text).unwrap();
        let list = "six==1.17 --hash=sha256:aa\n".to_owned();
        assert_eq!(lock.requirements(Path::new("/")).unwrap(), (list, String::new()));
    }

    #[test]
    fn folders_and_repositories_have_no_hashes() {
        let report = serde_json::json!({"install": [
            {"download_info": {"url": "file:///w/a%20b", "dir_info": {"editable": true}}, "metadata": {"name": "a", "version": "1"}},
            {"download_info": {"url": "file:///w/b", "dir_info": {}}, "metadata": {"name": "b", "version": "1"}},
            {"download_info": {"url": "https://x/c", "subdirectory": "s", "vcs_info": {"vcs": "git", "commit_id": "12"}},
             "metadata": {"name": "c", "version": "1"}},
        ]});
        let lock = Lock::parse(&Lock::of_report(&report).unwrap()).unwrap();
        let list = "-e file:///w/a%20b\nb @ file:///w/b\nc @ git+https://x/c@12#subdirectory=s\n".to_owned();
        assert_eq!(lock.requirements(Path::new("/")).unwrap(), (String::new(), list));
    }
}
