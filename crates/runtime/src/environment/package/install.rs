//! Installing required packages that are missing.

use super::check::{CheckDepth, CheckResult, check};
use super::error::PackageError;
use super::installed::{Package, damaged, installed, normal, replaced, stamps};
use super::journal::{Journal, lock};
use super::remove::{Contents, remove_package};
use super::requirement::Requirements;
use super::scratch::Scratch;
use super::tool::{Tool, Work};
use crate::environment::environment::Environment;
use crate::environment::manager::VenvManager;
use crate::platform::FileLock;

/// The outcome of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

impl VenvManager {
    /// Installs packages into an environment. Satisfied requirements are left alone; when all are satisfied, no tool is
    /// run. A failure changes nothing.
    ///
    /// Waits for other calls, of any process, that change the same environment.
    pub fn install(&self, environment: &Environment, wanted: &Requirements) -> Result<Installed, PackageError> {
        let options = &self.package_settings().options;
        if Journal::read(environment).is_none()
            && !options.needs_tool()
            && let CheckResult::Satisfied(packages) = check(environment, wanted, options.depth())
        {
            return Ok(Installed::nothing(packages));
        }
        let lock = lock(self, environment)?;
        self.install_holding(&lock, environment, wanted, false)
    }

    /// Whether the requirements, and those of the packages that satisfy them, are satisfied. Checks files and runs
    /// nothing. False when that cannot be checked, as for a path.
    pub fn satisfied(&self, environment: &Environment, wanted: &Requirements) -> bool {
        Journal::read(environment).is_none()
            && matches!(check(environment, wanted, CheckDepth::Transitive), CheckResult::Satisfied(_))
    }

    /// The installed packages, by name.
    pub fn packages(&self, environment: &Environment) -> Vec<Package> {
        installed(&environment.site_packages)
    }

    /// Installs packages; the caller holds the lock on the environment's packages. With `mend`, and always after an
    /// interrupted installation, it also repairs damaged packages.
    pub(in crate::environment) fn install_holding(
        &self,
        lock: &FileLock,
        environment: &Environment,
        wanted: &Requirements,
        mend: bool,
    ) -> Result<Installed, PackageError> {
        let site_packages = &environment.site_packages;
        let journal = Journal::read(environment);
        let damaged = match mend || journal.is_some() {
            true => damaged(site_packages, journal.is_some()),
            false => Vec::new(),
        };
        let is_damaged = |package: &Package| damaged.iter().any(|damaged| is_same(&damaged.package, package));
        let whole: Vec<Package> = installed(site_packages).into_iter().filter(|p| !is_damaged(p)).collect();
        let before = journal.clone().unwrap_or_else(|| {
            let damaged = damaged.iter().map(|damaged| damaged.package.clone());
            Journal::of(environment, whole.iter().cloned().chain(damaged))
        });
        let mut all = wanted.clone();
        let lost: Vec<&Package> =
            before.packages.iter().filter(|package| !whole.iter().any(|whole| is_same(whole, package))).collect();
        for package in &lost {
            all.push_exact(package, before.origins.get(&normal(&package.name)).map(String::as_str));
        }

        before.open(environment)?;
        let scratch = Scratch::begin(&environment.path)?;
        for damaged in &damaged {
            tracing::warn!("{} in {} is damaged", damaged.package.name, environment.path.display());
            remove_package(environment, &damaged.folder)?;
        }
        let options = &self.package_settings().options;
        if !options.needs_tool()
            && let CheckResult::Satisfied(packages) = check(environment, &all, options.depth())
        {
            Journal::close(environment)?;
            return Ok(Installed::nothing(packages));
        }
        let stamps_before = stamps(site_packages);
        let contents = Contents::of(environment);
        let done = Tool::find(self.home(), self.package_settings(), environment).and_then(|tool| {
            let settings = self.package_settings();
            let work = Work { action: "install", wanted: &all, lock, scratch: &scratch, settings };
            tool.install(environment, &work, self.progress())?;
            Ok(tool)
        });
        let tool = match done {
            Ok(tool) => tool.name(),
            Err(error) => {
                contents.restore(environment);
                // Otherwise the tool had begun to replace packages.
                if lost.is_empty()
                    && installed(site_packages) == whole
                    && self::damaged(site_packages, false).is_empty()
                {
                    Journal::close(environment)?;
                }
                return Err(error);
            }
        };
        let now = installed(site_packages);
        let stamps = stamps(site_packages);
        let is_new = |package: &Package| {
            let name = normal(&package.name);
            !whole.contains(package) || stamps.get(&name) != stamps_before.get(&name)
        };
        let changed: Vec<Package> = now.into_iter().filter(is_new).collect();
        let packages = match check(environment, wanted, CheckDepth::Direct) {
            CheckResult::Satisfied(packages) => packages,
            CheckResult::Unknown => changed.clone(),
            CheckResult::Unsatisfied(requirement) => {
                return Err(PackageError::StillMissing { tool, requirement, path: environment.path.clone() });
            }
        };
        Journal::close(environment)?;
        let names: Vec<String> =
            changed.iter().map(|package| format!("{}=={}", package.name, package.version)).collect();
        tracing::info!(environment = environment.name, tool, packages = names.join(" "), "packages installed");
        let replaced = replaced(&whole, &changed);
        Ok(Installed { packages, changed, replaced, tool: Some(tool) })
    }
}

impl Installed {
    /// Everything was there.
    fn nothing(packages: Vec<Package>) -> Installed {
        Installed { packages, changed: Vec::new(), replaced: Vec::new(), tool: None }
    }
}

fn is_same(a: &Package, b: &Package) -> bool {
    normal(&a.name) == normal(&b.name)
}
