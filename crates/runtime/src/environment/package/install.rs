//! Installing required packages that are missing.

use std::process::Command;
use std::time::Duration;

use super::aside::Aside;
use super::check::{CheckDepth, CheckResult, check};
use super::damage::{Comparing, Damaged, damaged};
use super::error::PackageError;
use super::files::Contents;
use super::installed::{Package, installed, normal, replaced, stamped};
use super::journal::{Journal, lock};
use super::requirement::Requirements;
use super::scratch::Scratch;
use super::tool::{Tool, Work};
use crate::environment::environment::Environment;
use crate::environment::manager::VenvManager;
use crate::platform::{FileLock, error_chain, run_tool};

/// Newer uvs wait while another one works with the cache.
const CLEAN_TIMEOUT: Duration = Duration::from_secs(60);

/// The outcome of an installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// The requested packages, as installed. One requested by path or URL is listed only if this call installed it.
    pub packages: Vec<Package>,
    /// The packages that were installed or replaced, dependencies included; empty when everything was installed
    /// already.
    pub changed: Vec<Package>,
    /// The former versions of those that were replaced.
    pub replaced: Vec<Package>,
    /// The tool that installed them, `uv` or `pip`; `None` when no tool was run.
    pub tool: Option<&'static str>,
    /// Damaged or lost packages that could not be had again, and stay as they are. The next call tries again.
    pub owed: Vec<OwedPackage>,
    /// What the user should know: that pip installed in the place of uv, for example.
    pub notices: Vec<String>,
}

/// A damaged or lost package that could not be installed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedPackage {
    /// The package.
    pub package: Package,
    /// Why it could not be had.
    pub reason: String,
}

impl Installed {
    /// An error where packages are owed.
    pub(in crate::environment) fn complete(self) -> Result<Installed, PackageError> {
        match self.owed.first() {
            None => Ok(self),
            Some(OwedPackage { package, reason }) => {
                let package = format!("{} {}", package.name, package.version);
                Err(PackageError::Unavailable { package, reason: reason.clone() })
            }
        }
    }
}

impl VenvManager {
    /// Installs packages into an environment. Satisfied requirements are left alone; when all are satisfied, no tool is
    /// run, unless what a folder or a branch holds may have changed. A failure changes nothing.
    ///
    /// Waits for other calls, of any process, that change the same environment.
    pub fn install(&self, environment: &Environment, wanted: &Requirements) -> Result<Installed, PackageError> {
        let options = &self.package_settings().options;
        if Journal::read(environment).is_none()
            && !options.needs_tool()
            && let CheckResult::Satisfied(packages) = check(environment, wanted, options.depth())
        {
            return Ok(Installed { packages, ..Installed::default() });
        }
        let lock = lock(self, environment)?;
        self.install_holding(&lock, environment, wanted, false)
    }

    /// Whether the requirements, and those of the packages that satisfy them, are satisfied. Checks files and runs
    /// nothing. False when that cannot be checked, as for a path.
    pub fn satisfied(&self, environment: &Environment, wanted: &Requirements) -> bool {
        Journal::read(environment).is_none()
            && matches!(
                check(environment, wanted, CheckDepth::Transitive),
                CheckResult::Satisfied(_) | CheckResult::Movable(_)
            )
    }

    /// The installed packages, by name.
    pub fn packages(&self, environment: &Environment) -> Vec<Package> {
        installed(&environment.site_packages)
    }

    /// Installs packages; the caller holds the lock on the environment's packages. With `mend`, and always after an
    /// interrupted installation, it also repairs damaged packages. Those that cannot be had stay as they are.
    pub(in crate::environment) fn install_holding(
        &self,
        lock: &FileLock,
        environment: &Environment,
        wanted: &Requirements,
        mend: bool,
    ) -> Result<Installed, PackageError> {
        let scratch = Scratch::begin(&environment.path)?;
        let comparing = if mend { Comparing::Hashes } else { Comparing::Sizes };
        let change = Change { manager: self, lock, environment, wanted, scratch: &scratch, comparing };
        change.run(mend)
    }

    /// Installs what a repair could not: without uv's cache, whose files are linked into environments, so that what damages one in
    /// place damages it for all. Once a package is there again, the cache forgets it: before that it may be the only one to have it.
    pub(in crate::environment) fn mend_without_cache(
        &self,
        lock: &FileLock,
        environment: &Environment,
        broken: &[Package],
    ) -> Result<Option<Installed>, PackageError> {
        let Ok(Tool::Uv(uv)) = Tool::find(self.home(), self.package_settings(), environment) else { return Ok(None) };
        let no_cache = ("UV_NO_CACHE".to_owned(), "1".to_owned());
        let without_cache = self.clone().with_other_packages(|settings| settings.variables.extend([no_cache]));
        let done = without_cache.install_holding(lock, environment, &Requirements::default(), true)?;
        let still: Vec<Package> =
            damaged(&environment.site_packages, Comparing::Hashes).into_iter().map(|damaged| damaged.package).collect();
        let is_mended = |package: &&Package| {
            let same = |other: &Package| is_same(other, package);
            !still.iter().any(same) && !done.owed.iter().any(|owed| same(&owed.package))
        };
        let mended: Vec<String> = broken.iter().filter(is_mended).map(|package| normal(&package.name)).collect();
        if !mended.is_empty() {
            let mut command = Command::new(uv);
            command.args(["cache", "clean", "--quiet"]).args(mended);
            command.envs(self.package_settings().caches.iter().map(|(name, folder)| (name, folder)));
            command.envs(&self.package_settings().variables);
            if let Err(error) = run_tool(Some(lock), &mut command, CLEAN_TIMEOUT, &mut |_| ()) {
                tracing::warn!("{}", error_chain(&error));
            }
        }
        Ok(Some(done))
    }
}

/// A change of an environment's packages.
struct Change<'a> {
    manager: &'a VenvManager,
    lock: &'a FileLock,
    environment: &'a Environment,
    wanted: &'a Requirements,
    scratch: &'a Scratch,
    comparing: Comparing,
}

impl Change<'_> {
    fn run(&self, mend: bool) -> Result<Installed, PackageError> {
        let environment = self.environment;
        let site_packages = &environment.site_packages;
        Aside::recover(environment);
        let journal = Journal::read(environment);
        let damaged = match mend || journal.is_some() {
            true => damaged(site_packages, self.comparing),
            false => Vec::new(),
        };
        let is_damaged = |package: &Package| damaged.iter().any(|damaged| is_same(&damaged.package, package));
        let before: Vec<_> = stamped(site_packages).into_iter().filter(|(package, _)| !is_damaged(package)).collect();
        let whole: Vec<Package> = before.iter().map(|(package, _)| package.clone()).collect();
        let journal = journal.unwrap_or_else(|| {
            let damaged = damaged.iter().map(|damaged| damaged.package.clone());
            Journal::of(environment, whole.iter().cloned().chain(damaged))
        });
        let lost: Vec<&Package> = journal
            .packages
            .iter()
            .filter(|package| !whole.iter().any(|whole| is_same(whole, package)) && !self.replaces(package))
            .collect();
        for damaged in &damaged {
            let Damaged { package, damage, .. } = damaged;
            tracing::warn!("{} in {} is damaged: {damage}", package.name, environment.path.display());
        }

        journal.open(environment)?;
        let mut owed = Vec::new();
        let tool = match self.install_all(&journal, &lost, &damaged) {
            Ok(tool) => tool,
            Err(error) if lost.is_empty() => {
                // Otherwise the tool had begun to replace packages.
                if installed(site_packages) == whole && self::damaged(site_packages, self.comparing).is_empty() {
                    Journal::close(environment)?;
                }
                return Err(error);
            }
            Err(error) => {
                let tool = self.install_each(&journal, &lost, &damaged, error, &mut owed)?;
                let there = installed(site_packages);
                let broken = self::damaged(site_packages, self.comparing);
                let is_whole = |owed: &OwedPackage| {
                    let same = |package: &Package| is_same(package, &owed.package);
                    there.iter().any(same) && !broken.iter().any(|damaged| same(&damaged.package))
                };
                owed.retain(|owed| !is_whole(owed));
                tool
            }
        };
        let is_owed = |package: &Package| owed.iter().any(|owed| is_same(&owed.package, package));
        let new = stamped(site_packages).into_iter().filter(|one| !before.contains(one) && !is_owed(&one.0));
        let changed: Vec<Package> = new.map(|(package, _)| package).collect();
        let name = tool.as_ref().map(Tool::name);
        let packages = match check(environment, self.wanted, CheckDepth::Direct) {
            CheckResult::Satisfied(packages) | CheckResult::Movable(packages) => packages,
            CheckResult::Unknown => changed.clone(),
            CheckResult::Unsatisfied(requirement) => {
                let (tool, path) = (name.unwrap_or("the tool"), environment.path.clone());
                return Err(PackageError::StillMissing { tool, requirement, path });
            }
        };
        if owed.is_empty() {
            Journal::close(environment)?;
        }
        let names: Vec<String> =
            changed.iter().map(|package| format!("{}=={}", package.name, package.version)).collect();
        if let Some(tool) = name {
            tracing::info!(environment = environment.name, tool, packages = names.join(" "), "packages installed");
        }
        let notices = tool.as_ref().and_then(Tool::notice).into_iter().collect();
        let replaced = replaced(&whole, &changed);
        Ok(Installed { packages, changed, replaced, tool: name, owed, notices })
    }

    /// Whether the requirements ask for another version of a package, or for another source.
    fn replaces(&self, package: &Package) -> bool {
        let all = self.wanted.all().unwrap_or_default();
        let requirements = all.iter().filter_map(|wanted| wanted.requirement.as_ref());
        let mut same = requirements.filter(|required| required.name.as_ref() == normal(&package.name));
        same.any(|required| !super::check::accepts(required, &package.version))
    }

    /// Installs what is wanted and what is lost at once; `None` when nothing is left to do.
    fn install_all(
        &self,
        journal: &Journal,
        lost: &[&Package],
        damaged: &[Damaged],
    ) -> Result<Option<Tool>, PackageError> {
        let mut all = self.wanted.clone();
        lost.iter().for_each(|package| all.push_exact(package, journal.origin(package)));
        let aside = Aside::take(self.environment, damaged.iter())?;
        let options = &self.manager.package_settings().options;
        if !options.needs_tool()
            && let CheckResult::Satisfied(_) = check(self.environment, &all, options.depth())
        {
            return Ok(None);
        }
        self.attempt(aside, &all, &[]).map(Some)
    }

    /// Installs what is lost one by one, and what is wanted by itself.
    fn install_each(
        &self,
        journal: &Journal,
        lost: &[&Package],
        damaged: &[Damaged],
        error: PackageError,
        owed: &mut Vec<OwedPackage>,
    ) -> Result<Option<Tool>, PackageError> {
        let mut last = None;
        let mut error = Some(error);
        for package in lost {
            let mut exact = Requirements::default();
            exact.push_exact(package, journal.origin(package));
            let of_package = |damaged: &&Damaged| is_same(&damaged.package, package);
            let alone = lost.len() == 1 && self.wanted.is_empty();
            let done = match error.take_if(|_| alone) {
                Some(error) => Err(error),
                None => Aside::take(self.environment, damaged.iter().filter(of_package))
                    .map_err(PackageError::from)
                    .and_then(|aside| self.attempt(aside, &exact, &["--no-deps"])),
            };
            match done {
                Ok(tool) => last = Some(tool),
                Err(error) => {
                    tracing::warn!("{} cannot be had again: {}", package.name, error_chain(&error));
                    owed.push(OwedPackage { package: (*package).clone(), reason: error_chain(&error) });
                }
            }
        }
        if self.wanted.is_empty() {
            return Ok(last);
        }
        let names: Vec<String> = self.wanted.names();
        let is_wanted = |damaged: &&Damaged| names.contains(&normal(&damaged.package.name)) && damaged.folder.exists();
        let still: Vec<&Damaged> = damaged.iter().filter(is_wanted).collect();
        let broken = self::damaged(&self.environment.site_packages, self.comparing);
        let is_broken = |damaged: &&Damaged| broken.iter().any(|broken| broken.folder == damaged.folder);
        let aside = Aside::take(self.environment, still.into_iter().filter(is_broken))?;
        let options = &self.manager.package_settings().options;
        match check(self.environment, self.wanted, options.depth()) {
            CheckResult::Satisfied(_) if !options.needs_tool() => Ok(last),
            _ => self.attempt(aside, self.wanted, &[]).map(Some),
        }
    }

    /// Runs the tool. After a failure everything is as before.
    fn attempt(&self, aside: Aside<'_>, wanted: &Requirements, options: &[&'static str]) -> Result<Tool, PackageError> {
        let Change { manager, lock, environment, scratch, .. } = *self;
        let contents = Contents::of(environment);
        let settings = manager.package_settings();
        let work = Work { action: "install", wanted, lock, scratch, options, settings };
        let done = Tool::find(manager.home(), settings, environment)
            .and_then(|tool| tool.install(environment, &work, manager.progress()).map(|()| tool));
        if done.is_err() {
            contents.restore(environment);
        }
        drop(aside);
        done
    }
}

fn is_same(a: &Package, b: &Package) -> bool {
    normal(&a.name) == normal(&b.name)
}
