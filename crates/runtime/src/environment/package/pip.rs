//! Finding and running pip.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::index::configure_pip;
use crate::environment::environment::Environment;
use crate::environment::layout::environment_python;
use crate::interpreter::Interpreter;

/// Runs pip so that it sees the environment's packages only.
const RUN: &str = include_str!("../../../data/run_pip.py");

/// A pip that the environment's Python can run: its own, that of its runtime, or the one that the runtime bundles for
/// `ensurepip`.
pub(super) fn find(environment: &Environment, runtime: &Interpreter) -> Option<PathBuf> {
    let folders = [
        environment.site_packages.join("pip"),
        runtime.stdlib.join("site-packages/pip"),
        runtime.prefix.join("lib/python3/dist-packages/pip"),
    ];
    let installed = folders.into_iter().find(|folder| folder.join("__main__.py").is_file());
    let bundles = [runtime.stdlib.join("ensurepip/_bundled"), PathBuf::from("/usr/share/python-wheels")];
    installed.or_else(|| bundles.iter().find_map(|folder| bundled(folder)))
}

/// `pip install`, without packages.
pub(super) fn install(environment: &Environment, pip: &Path) -> Command {
    let mut command = command(environment, pip, "install");
    command.arg("--no-warn-script-location");
    command
}

/// A pip command, without packages.
pub(super) fn command(environment: &Environment, pip: &Path, name: &str) -> Command {
    let mut command = environment_python(&environment.path);
    command.args(["-I", "-c", RUN]).arg(pip.parent().unwrap_or(pip));
    command.args(["--no-input", "--disable-pip-version-check", "--no-color", name, "--progress-bar", "off"]);
    if version(pip) < (25, 0) {
        // Otherwise a source without pyproject.toml is built with the environment's setuptools, which it lacks. Newer
        // ones do so by themselves.
        command.arg("--use-pep517");
    }
    configure_pip(&mut command, &environment.path);
    command
}

/// Whether this pip can report received bytes line by line.
pub(super) fn reports_bytes(pip: &Path) -> bool {
    version(pip) >= (24, 1)
}

/// The version of a pip; 0.0 when unknown.
fn version(pip: &Path) -> (u32, u32) {
    let of_wheel = || pip.parent()?.file_name()?.to_str()?.strip_prefix("pip-").map(str::to_owned);
    let installed = || {
        let text = fs::read_to_string(pip.join("__init__.py")).ok()?;
        Some(text.split("__version__ = \"").nth(1)?.to_owned())
    };
    let version = of_wheel().or_else(installed).unwrap_or_default();
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

/// pip can run from its wheel.
fn bundled(folder: &Path) -> Option<PathBuf> {
    let names = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let newest = names.filter(|name| name.starts_with("pip-") && name.ends_with(".whl")).max()?;
    Some(folder.join(newest).join("pip"))
}
