//! Bringing an environment to the state of a lock.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::PackageError;
use super::installed::{Package, by_name, damaged, installed, normal, replaced, stamps};
use super::journal::{Journal, lock};
use super::lock::write;
use super::pylock::Lock;
use super::remove::{Contents, remove_package};
use super::requirement::Requirements;
use super::scratch::Scratch;
use super::tool::{Tool, Work};
use crate::environment::environment::Environment;
use crate::environment::manager::VenvManager;
use crate::platform::failed_to;

/// The outcome of bringing an environment to a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The packages that were installed or replaced.
    pub changed: Vec<Package>,
    /// The former versions of those that were replaced.
    pub replaced: Vec<Package>,
    /// The packages that were removed, since the lock does not have them.
    pub removed: Vec<Package>,
    /// The tool that did it, `uv` or `pip`.
    pub tool: &'static str,
}

impl VenvManager {
    /// Brings an environment's packages to the state of a lock: a `pylock.toml` of any tool, or a file of exact
    /// requirements. Installs missing packages, verifying their hashes, and removes those that the lock does not have.
    pub fn sync_packages(&self, environment: &Environment, file: &Path) -> Result<Synced, PackageError> {
        let source = LockSource::read(file)?;
        let lock = lock(self, environment)?;
        let tool = Tool::find(self.home(), self.package_settings(), environment)?;
        let scratch = Scratch::begin(&environment.path)?;
        let (mut command, names) = source.command(&tool, environment, &scratch)?;
        let is_uv = matches!(tool, Tool::Uv(_));
        self.package_settings().options.apply_sources(is_uv, &mut command)?;

        let interrupted = Journal::read(environment).is_some();
        let before = installed(&environment.site_packages);
        let stamps_before = stamps(&environment.site_packages);
        // From here on, the lock decides what must be installed.
        Journal::default().open(environment)?;
        let broken = damaged(&environment.site_packages, interrupted);
        for broken in &broken {
            remove_package(environment, &broken.folder)?;
        }
        let contents = Contents::of(environment);
        let settings = self.package_settings();
        let work = Work { action: "install", wanted: &source.exact, lock: &lock, scratch: &scratch, settings };
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
        let stamps = stamps(&environment.site_packages);
        let is_new = |package: &&Package| {
            let name = normal(&package.name);
            !before.contains(package) || stamps.get(&name) != stamps_before.get(&name)
        };
        let changed: Vec<Package> = now.iter().filter(is_new).cloned().collect();
        let synced = Synced {
            replaced: replaced(&before, &changed),
            changed,
            removed: before.iter().filter(|package| !is_in(&now, package)).cloned().collect(),
            tool: tool.name(),
        };
        let (changed, removed) = (synced.changed.len(), synced.removed.len());
        tracing::info!(
            environment = environment.name,
            tool = synced.tool,
            changed,
            removed,
            "packages synced to a lock"
        );
        Ok(synced)
    }
}

/// A lock file that was read and validated.
struct LockSource {
    file: PathBuf,
    text: String,
    /// The parsed `pylock.toml`; `None` for a file of exact requirements.
    pylock: Option<Lock>,
    /// The requirements of such a file; empty for a `pylock.toml`.
    exact: Requirements,
}

impl LockSource {
    fn read(file: &Path) -> Result<LockSource, PackageError> {
        let file = std::path::absolute(file).map_err(failed_to("find", file))?;
        let text = fs::read_to_string(&file).map_err(failed_to("read", &file))?;
        let invalid = |reason| PackageError::NotALock { path: file.clone(), reason };
        if file.extension().is_some_and(|extension| extension == "toml") {
            let pylock = Some(Lock::parse(&text).map_err(invalid)?);
            return Ok(LockSource { file, text, pylock, exact: Requirements::default() });
        }
        let exact = Requirements::default().and_file(&file)?;
        // Unlisted packages are removed, so a file of another kind must not pass for a lock.
        if let Some(all) = exact.all() {
            if all.is_empty() {
                return Err(invalid("it names no package".into()));
            }
            if let Some(open) = all.iter().find(|wanted| !wanted.is_exact()) {
                return Err(invalid(format!("{} is not an exact requirement, as NAME==VERSION is", open.text)));
            }
        }
        Ok(LockSource { file, text, pylock: None, exact })
    }

    /// The command that installs the lock. For pip, which removes nothing, also the normalized names that may stay.
    fn command(
        &self,
        tool: &Tool,
        environment: &Environment,
        scratch: &Scratch,
    ) -> Result<(Command, BTreeSet<String>), PackageError> {
        let invalid = |reason| PackageError::NotALock { path: self.file.clone(), reason };
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        let mut command = match tool {
            Tool::Uv(_) => tool.command(environment, "sync"),
            Tool::Pip(_) => tool.command(environment, "install"),
        };
        let mut names = BTreeSet::new();
        match (tool, &self.pylock) {
            (Tool::Uv(_), Some(_)) => {
                command.arg(named_as_uv_wants(&self.file, &self.text, folder, scratch.path())?);
            }
            (Tool::Uv(_), None) => {
                command.arg(&self.file);
            }
            (Tool::Pip(_), Some(lock)) => {
                names.extend(lock.packages.iter().map(|package| normal(&package.name)));
                let list = scratch.path().join("packages.txt");
                let list = write(list, &lock.requirements(folder).map_err(invalid)?)?;
                command.args(["--no-deps", "--require-hashes", "-r"]).arg(list);
            }
            (Tool::Pip(_), None) => {
                let all = self.exact.all();
                let all = all.ok_or_else(|| invalid("it says more than exact requirements: uv is needed".into()))?;
                let all = all.into_iter().filter_map(|wanted| wanted.requirement);
                names.extend(all.map(|requirement| normal(requirement.name.as_ref())));
                command.args(["--no-deps", "-r"]).arg(&self.file);
            }
        }
        Ok((command, names))
    }
}

/// uv accepts a lock only under a standard name.
fn named_as_uv_wants(file: &Path, text: &str, folder: &Path, scratch: &Path) -> Result<PathBuf, PackageError> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let middle = name.strip_prefix("pylock.").and_then(|rest| rest.strip_suffix(".toml"));
    if name == "pylock.toml" || middle.is_some_and(|middle| !middle.is_empty() && !middle.contains('.')) {
        return Ok(file.to_owned());
    }
    // Its relative paths count from its own folder.
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
