//! Locking what is installed, and bringing an environment to what a lock says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::install::{Journal, lock};
use super::installed::{by_name, damaged, installed, normal};
use super::pylock::Lock;
use super::remove::{Contents, remove_package};
use super::tool::{Tool, Work};
use super::{Package, PackageError, Requirements, Scratch};
use crate::environment::{Environment, VenvManager};
use crate::platform::failed_to;

/// What came of bringing an environment to a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// What was installed or replaced now.
    pub changed: Vec<Package>,
    /// What was there, and is not in the lock.
    pub removed: Vec<Package>,
    /// What did it, `uv` or `pip`.
    pub tool: &'static str,
}

impl VenvManager {
    /// The packages of an environment as a lock, in the standard format `pylock.toml` (PEP 751): each with its version,
    /// where it is from, and the hashes that it must have.
    pub fn lock_packages(&self, environment: &Environment) -> Result<String, PackageError> {
        let lock = lock(self, environment)?;
        let mut exact = Requirements::default();
        let journal = Journal::of(environment, installed(&environment.site_packages).into_iter());
        journal.each(|package, origin| exact.push_exact(package, origin));
        if exact.is_empty() {
            return Ok("lock-version = \"1.0\"\ncreated-by = \"beep-python\"\npackages = []\n".into());
        }
        let scratch = Scratch::begin(&environment.path)?;
        let list = write(scratch.path().join("packages.txt"), &exact.texts().collect::<Vec<_>>().join("\n"))?;
        let tool = Tool::find(self.home(), self.package_settings(), environment)?;
        let mut command = match &tool {
            Tool::Uv(_) => tool.command(environment, "compile"),
            Tool::Pip(_) => tool.command(environment, "install"),
        };
        let report = scratch.path().join("report.json");
        match &tool {
            Tool::Uv(_) => command.args(["--no-deps", "--no-header", "--format", "pylock.toml"]).arg(&list),
            Tool::Pip(_) => command
                .args(["--dry-run", "--ignore-installed", "--no-deps", "--report"])
                .arg(&report)
                .arg("-r")
                .arg(&list),
        };
        let settings = self.package_settings();
        let work = Work { action: "lock", wanted: &exact, lock: &lock, scratch: &scratch, settings };
        let written = tool.run(&mut command, &work, self.progress())?;
        if let Tool::Uv(_) = tool {
            return Ok(String::from_utf8_lossy(&written).into_owned());
        }
        let json = fs::read(&report).map_err(failed_to("read", &report))?;
        let report: Value = serde_json::from_slice(&json).unwrap_or_default();
        Lock::of_report(&report).map_err(|reason| PackageError::NotLocked { path: environment.path.clone(), reason })
    }

    /// Brings the packages of an environment to what a lock says: a `pylock.toml`, whatever it was made by, or a file of
    /// exact requirements. What is missing is installed, its hashes checked, and what is not in the lock is removed.
    pub fn sync_packages(&self, environment: &Environment, file: &Path) -> Result<Synced, PackageError> {
        let file = std::path::absolute(file).map_err(failed_to("find", file))?;
        let text = fs::read_to_string(&file).map_err(failed_to("read", &file))?;
        let wrong = |reason| PackageError::NotALock { path: file.clone(), reason };
        let folder = file.parent().unwrap_or(Path::new("/"));
        let lock_file = match file.extension().is_some_and(|extension| extension == "toml") {
            true => Some(Lock::parse(&text).map_err(wrong)?),
            false => None,
        };
        let wanted = match &lock_file {
            Some(_) => Requirements::default(),
            None => Requirements::default().and_file(&file)?,
        };
        // What is not there would be removed, so that a file that means something else must not be taken for a lock.
        if lock_file.is_none()
            && let Some(all) = wanted.all()
        {
            if all.is_empty() {
                return Err(wrong("it names no package".into()));
            }
            if let Some(open) = all.iter().find(|wanted| !wanted.is_exact()) {
                return Err(wrong(format!("{} is not an exact requirement, as NAME==VERSION is", open.text)));
            }
        }
        let lock = lock(self, environment)?;
        let tool = Tool::find(self.home(), self.package_settings(), environment)?;
        let scratch = Scratch::begin(&environment.path)?;
        let mut command = match &tool {
            Tool::Uv(_) => tool.command(environment, "sync"),
            Tool::Pip(_) => tool.command(environment, "install"),
        };
        let mut names = BTreeSet::new();
        match (&tool, &lock_file) {
            (Tool::Uv(_), Some(_)) => command.arg(named_as_uv_wants(&file, &text, folder, scratch.path())?),
            (Tool::Uv(_), None) => command.arg(&file),
            (Tool::Pip(_), Some(lock)) => {
                names.extend(lock.packages.iter().map(|package| normal(&package.name)));
                let list = scratch.path().join("packages.txt");
                let list = write(list, &lock.requirements(folder).map_err(wrong)?)?;
                command.args(["--no-deps", "--require-hashes", "-r"]).arg(list)
            }
            (Tool::Pip(_), None) => {
                let all =
                    wanted.all().ok_or_else(|| wrong("it says more than exact requirements: uv is needed".into()));
                let all = all?.into_iter().filter_map(|wanted| wanted.requirement);
                names.extend(all.map(|requirement| normal(requirement.name.as_ref())));
                command.args(["--no-deps", "-r"]).arg(&file)
            }
        };

        let interrupted = Journal::read(environment).is_some();
        let before = installed(&environment.site_packages);
        // From here on it is the lock that says what is to be there.
        Journal::default().open(environment)?;
        let broken = damaged(&environment.site_packages, interrupted);
        for broken in &broken {
            remove_package(environment, &broken.folder)?;
        }
        let contents = Contents::of(environment);
        let settings = self.package_settings();
        let work = Work { action: "install", wanted: &wanted, lock: &lock, scratch: &scratch, settings };
        if let Err(error) = tool.run(&mut command, &work, self.progress()) {
            contents.restore(environment);
            if broken.is_empty() && !interrupted && installed(&environment.site_packages) == before {
                Journal::close(environment)?;
            }
            return Err(error);
        }
        if let Tool::Pip(_) = tool {
            let extra = by_name(&environment.site_packages).into_iter().filter(|(name, _)| !names.contains(name));
            for (_, folder) in extra {
                remove_package(environment, &folder)?;
            }
        }
        let now = installed(&environment.site_packages);
        Journal::close(environment)?;
        let is_in = |all: &[Package], package: &Package| all.iter().any(|p| normal(&p.name) == normal(&package.name));
        Ok(Synced {
            changed: now.iter().filter(|package| !before.contains(package)).cloned().collect(),
            removed: before.iter().filter(|package| !is_in(&now, package)).cloned().collect(),
            tool: tool.name(),
        })
    }
}

/// uv takes a lock under a standard name only.
fn named_as_uv_wants(file: &Path, text: &str, folder: &Path, scratch: &Path) -> Result<PathBuf, PackageError> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let middle = name.strip_prefix("pylock.").and_then(|rest| rest.strip_suffix(".toml"));
    if name == "pylock.toml" || middle.is_some_and(|middle| !middle.is_empty() && !middle.contains('.')) {
        return Ok(file.to_owned());
    }
    // Paths in it count from its own folder.
    let mut table: toml::Table = toml::from_str(text).unwrap_or_default();
    table.iter_mut().for_each(|(_, value)| make_absolute(value, folder));
    write(scratch.join("pylock.toml"), &toml::to_string(&table).unwrap_or_default())
}

fn make_absolute(value: &mut toml::Value, folder: &Path) {
    match value {
        toml::Value::Array(items) => items.iter_mut().for_each(|item| make_absolute(item, folder)),
        toml::Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                match value.as_str() {
                    Some(path) if key == "path" => *value = folder.join(path).to_string_lossy().into_owned().into(),
                    _ => make_absolute(value, folder),
                }
            }
        }
        _ => {}
    }
}

fn write(path: PathBuf, text: &str) -> Result<PathBuf, PackageError> {
    fs::write(&path, text).map_err(failed_to("write", &path))?;
    Ok(path)
}
