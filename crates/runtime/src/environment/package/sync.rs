//! Bringing an environment to the state of a lock.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::aside::Aside;
use super::check::unmet;
use super::damage::{Comparing, damaged};
use super::error::PackageError;
use super::files::{Contents, remove_package};
use super::installed::{Package, by_name, installed, normal, replaced, stamped};
use super::journal::{Journal, lock};
use super::lock::write;
use super::pylock::Lock;
use super::remove::check_removable;
use super::requirement::Requirements;
use super::requirements_file::RequirementsFile;
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
    /// What the user should know: that a package requires another that the lock does not have, for example.
    pub notices: Vec<String>,
}

impl VenvManager {
    /// Brings an environment's packages to the state of a lock: a `pylock.toml` of any tool, or a file of exact
    /// requirements. Installs missing packages, verifying their hashes, and removes those that the lock does not have.
    pub fn sync_packages(&self, environment: &Environment, file: &Path) -> Result<Synced, PackageError> {
        let source = LockSource::read(file)?;
        let lock = lock(self, environment)?;
        let tool = Tool::find(self.home(), self.package_settings(), environment)?;
        let scratch = Scratch::begin(&environment.path)?;
        let (mut commands, names) = source.commands(&tool, environment, &scratch)?;
        let is_uv = matches!(tool, Tool::Uv(..));
        for command in &mut commands {
            self.package_settings().options.apply_sources(is_uv, command)?;
        }

        Aside::recover(environment);
        let interrupted = Journal::read(environment).is_some();
        let site_packages = &environment.site_packages;
        let before = installed(site_packages);
        // From here on, the lock decides what must be installed.
        Journal::default().open(environment)?;
        let broken = damaged(site_packages, Comparing::Sizes);
        let aside = Aside::take(environment, broken.iter())?;
        let whole = stamped(site_packages);
        let contents = Contents::of(environment);
        let settings = self.package_settings();
        let work =
            Work { action: "install", wanted: &source.exact, lock: &lock, scratch: &scratch, options: &[], settings };
        for mut command in commands {
            if let Err(error) = tool.run(&mut command, &work, self.progress()) {
                contents.restore(environment);
                drop(aside);
                if broken.is_empty() && !interrupted && installed(site_packages) == before {
                    Journal::close(environment)?;
                }
                return Err(error);
            }
        }
        if let Tool::Pip(..) = tool {
            let extra = by_name(site_packages).into_iter().filter(|(name, _)| !names.contains(name));
            for (_, folder) in extra {
                check_removable(self, environment, &folder)?;
                remove_package(environment, &folder)?;
            }
        }
        let changed = stamped(site_packages).into_iter().filter(|one| !whole.contains(one));
        let changed: Vec<Package> = changed.map(|(package, _)| package).collect();
        drop(aside);
        // A damaged one that the lock does not have.
        for (name, folder) in by_name(site_packages) {
            if broken.iter().any(|broken| broken.folder == folder) && !changed.iter().any(|p| normal(&p.name) == name) {
                check_removable(self, environment, &folder)?;
                remove_package(environment, &folder)?;
            }
        }
        let now = installed(&environment.site_packages);
        Journal::close(environment)?;
        let is_in = |all: &[Package], package: &Package| all.iter().any(|p| normal(&p.name) == normal(&package.name));
        let synced = Synced {
            replaced: replaced(&before, &changed),
            changed,
            removed: before.iter().filter(|package| !is_in(&now, package)).cloned().collect(),
            tool: tool.name(),
            notices: tool.notice().into_iter().chain(unmet(environment).iter().map(ToString::to_string)).collect(),
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
    source: RequirementsFile,
    /// The parsed `pylock.toml`; `None` for a file of exact requirements.
    pylock: Option<Lock>,
    /// The requirements of such a file; empty for a `pylock.toml`.
    exact: Requirements,
}

impl LockSource {
    fn read(file: &Path) -> Result<LockSource, PackageError> {
        let source = RequirementsFile::read(file)?;
        let file = std::path::absolute(file).map_err(failed_to("find", file))?;
        let invalid = |reason| PackageError::NotALock { path: file.clone(), reason };
        let text = source.text().ok_or_else(|| invalid("it is not UTF-8".into()))?;
        // What comes through a pipe has no name.
        let is_toml = match source.path() {
            Some(path) => path.extension().is_some_and(|extension| extension == "toml"),
            None => text.lines().any(|line| line.trim_start().starts_with("lock-version")),
        };
        if is_toml {
            let pylock = Some(Lock::parse(text).map_err(invalid)?);
            return Ok(LockSource { file, source, pylock, exact: Requirements::default() });
        }
        let exact = Requirements::of_file(source.clone());
        // Unlisted packages are removed, so a file of another kind must not pass for a lock.
        if let Some(all) = exact.all() {
            if all.is_empty() {
                return Err(invalid("it names no package".into()));
            }
            if let Some(open) = all.iter().find(|wanted| !wanted.is_exact()) {
                return Err(invalid(format!("{} is not an exact requirement, as NAME==VERSION is", open.text)));
            }
        }
        Ok(LockSource { file, source, pylock: None, exact })
    }

    /// The commands that install the lock. For pip, which removes nothing, also the normalized names that may stay.
    fn commands(
        &self,
        tool: &Tool,
        environment: &Environment,
        scratch: &Scratch,
    ) -> Result<(Vec<Command>, BTreeSet<String>), PackageError> {
        let invalid = |reason| PackageError::NotALock { path: self.file.clone(), reason };
        let folder = match self.source.path() {
            Some(path) => path.parent().unwrap_or(Path::new("/")).to_owned(),
            None => std::env::current_dir().map_err(failed_to("find", "."))?,
        };
        let mut names = BTreeSet::new();
        let mut commands = Vec::new();
        match (tool, &self.pylock) {
            (Tool::Uv(_), Some(_)) => {
                let mut command = tool.command(environment, "sync");
                command.arg(named_as_uv_wants(&self.source, &folder, scratch.path())?);
                commands.push(command);
            }
            (Tool::Uv(_), None) => {
                let mut command = tool.command(environment, "sync");
                command.arg(self.source.path_or_copy(scratch.path().join("exact.txt"))?);
                commands.push(command);
            }
            (Tool::Pip(..), Some(lock)) => {
                names.extend(lock.packages.iter().map(|package| normal(&package.name)));
                let (hashed, others) = lock.requirements(&folder).map_err(invalid)?;
                for (list, text, options) in
                    [("hashed.txt", hashed, &["--require-hashes"][..]), ("others.txt", others, &[])]
                {
                    if !text.is_empty() {
                        let mut command = tool.command(environment, "install");
                        let list = write(scratch.path().join(list), &text)?;
                        command.arg("--no-deps").args(options).arg("-r").arg(list);
                        commands.push(command);
                    }
                }
            }
            (Tool::Pip(..), None) => {
                let all = self.exact.all();
                let all = all.ok_or_else(|| invalid("it says more than exact requirements: uv is needed".into()))?;
                let all = all.into_iter().filter_map(|wanted| wanted.requirement);
                names.extend(all.map(|requirement| normal(requirement.name.as_ref())));
                let mut command = tool.command(environment, "install");
                command.args(["--no-deps", "-r"]).arg(self.source.path_or_copy(scratch.path().join("exact.txt"))?);
                commands.push(command);
            }
        }
        Ok((commands, names))
    }
}

/// uv accepts a lock only under a standard name.
fn named_as_uv_wants(source: &RequirementsFile, folder: &Path, scratch: &Path) -> Result<PathBuf, PackageError> {
    let name = source.path().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    let middle = name.strip_prefix("pylock.").and_then(|rest| rest.strip_suffix(".toml"));
    let is_standard = name == "pylock.toml" || middle.is_some_and(|middle| !middle.is_empty() && !middle.contains('.'));
    if let Some(path) = source.path().filter(|_| is_standard) {
        return Ok(path.to_owned());
    }
    // Its relative paths count from its own folder.
    let mut table: toml::Table = toml::from_str(source.text().unwrap_or_default()).unwrap_or_default();
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
