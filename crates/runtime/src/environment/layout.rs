//! The files of a virtual environment (PEP 405).

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::activation;
use super::error::EnvironmentError;
use super::record::{self, EnvironmentRecord};
use crate::interpreter::{Interpreter, Version};
use crate::platform::{FileError, failed_to, replace_file, replace_link, run_command};

/// Prints the facts that identify an environment's Python, each on a line of its own with a mark: `sitecustomize` and
/// files of packages can print too.
const VERIFY: &str =
    "import sys; print('', sys.prefix, sys.base_prefix, '%d.%d.%d' % sys.version_info[:3], sep='\\n@beep-python@')";
const MARK: &str = "@beep-python@";
/// What says, in the place of pip, how packages are installed.
const NO_PIP: &str = include_str!("../../data/pip.py");
const VERIFY_TIMEOUT: Duration = Duration::from_secs(20);

/// Builds an environment in `folder`, which must not exist. Its scripts name `final_path`, where it will be moved.
pub(super) fn build(
    folder: &Path,
    final_path: &Path,
    record: &EnvironmentRecord,
    interpreter: &Interpreter,
) -> io::Result<()> {
    fs::create_dir(folder)?;
    fs::create_dir(folder.join("bin"))?;
    fs::create_dir(folder.join("include"))?;
    let library = site_packages(folder, &interpreter.name());
    fs::create_dir_all(&library)?;
    fs::write(library.join("pip.py"), NO_PIP)?;
    if interpreter.pointer_bits == 64 {
        // Distributions that put compiled modules into lib64 find them in lib.
        symlink("lib", folder.join("lib64"))?;
    }
    for (name, target) in links(interpreter) {
        symlink(target, folder.join(name))?;
    }
    for (name, text) in files(final_path, record, interpreter)? {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// Restores the links and files of an existing environment. Packages and other files stay.
pub(super) fn repair(folder: &Path, record: &EnvironmentRecord, interpreter: &Interpreter) -> Result<(), FileError> {
    let library = site_packages(folder, &interpreter.name());
    for needed in [&folder.join("bin"), &library] {
        fs::create_dir_all(needed).map_err(failed_to("create", needed))?;
    }
    replace_file(library.join("pip.py"), NO_PIP.as_bytes())?;
    for (name, target) in links(interpreter) {
        replace_link(folder.join(name), target)?;
    }
    let files = files(folder, record, interpreter).map_err(failed_to("repair", folder))?;
    for (name, text) in files {
        replace_file(folder.join(name), text.as_bytes())?;
    }
    Ok(())
}

fn links(interpreter: &Interpreter) -> [(String, PathBuf); 3] {
    let python = || PathBuf::from("python");
    let own = format!("bin/{}", interpreter.name());
    [("bin/python".into(), interpreter.path.clone()), ("bin/python3".into(), python()), (own, python())]
}

/// The files by name. The record comes last: its presence means that all others are written.
fn files(
    final_path: &Path,
    record: &EnvironmentRecord,
    interpreter: &Interpreter,
) -> io::Result<Vec<(&'static str, String)>> {
    let mut files = vec![("pyvenv.cfg", configuration(final_path, record, interpreter)?)];
    files.extend(activation::scripts(text(final_path)?, &record.name));
    files.push((record::FILE, serde_json::to_string_pretty(record).unwrap_or_default()));
    Ok(files)
}

/// The folder of the environment's packages.
pub(super) fn site_packages(folder: &Path, python: &str) -> PathBuf {
    folder.join("lib").join(python).join("site-packages")
}

/// Finds the folder of the environment's packages by looking: also right for environments of other tools.
pub(super) fn library(path: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(path.join("lib")).ok()?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<PathBuf> = names
        .filter(|n| n.starts_with("python3"))
        .map(|name| site_packages(path, &name))
        .filter(|p| p.is_dir())
        .collect();
    found.sort();
    found.pop()
}

/// Runs the environment's Python, with its packages enabled, and verifies its paths and version.
pub(super) fn verify(folder: &Path, version: &Version, base_prefix: Option<&Path>) -> Result<(), EnvironmentError> {
    let output = run_command(environment_python(folder).args(["-I", "-c", VERIFY]), VERIFY_TIMEOUT)
        .map_err(|source| EnvironmentError::Unrunnable { path: folder.into(), source })?;
    let output = String::from_utf8_lossy(&output);
    let mut lines = output.lines().filter_map(|line| line.strip_prefix(MARK));
    let mut check = |what, expected: String, same: &dyn Fn(&str, &str) -> bool| {
        let actual = lines.next().unwrap_or_default();
        if same(actual, &expected) {
            return Ok(());
        }
        Err(EnvironmentError::NotIsolated { path: folder.into(), what, expected, actual: actual.into() })
    };
    let same_folder = |a: &str, b: &str| b.is_empty() || a == b || is_same_folder(Path::new(a), Path::new(b));
    let numbers = format!("{}.{}.{}", version.major, version.minor, version.patch);
    check("sys.prefix", folder.to_string_lossy().into(), &same_folder)?;
    check("sys.base_prefix", base_prefix.unwrap_or(Path::new("")).to_string_lossy().into(), &same_folder)?;
    check("version", numbers, &|a, b| a == b)
}

/// A command that runs the environment's Python.
pub(super) fn environment_python(folder: &Path) -> Command {
    let mut command = Command::new(folder.join("bin/python"));
    clear_python_env(&mut command);
    command
}

/// Removes the variables that would redirect a Python that the command runs.
pub(super) fn clear_python_env(command: &mut Command) {
    for variable in ["PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__"] {
        command.env_remove(variable);
    }
}

pub(super) fn is_same_folder(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn configuration(final_path: &Path, record: &EnvironmentRecord, interpreter: &Interpreter) -> io::Result<String> {
    let home = interpreter.path.parent().unwrap_or(Path::new("/"));
    let mut text = format!(
        "home = {}\nimplementation = CPython\nversion = {}\nexecutable = {}\ninclude-system-site-packages = false\n\
         command = {}{}\nbeep-python = {}\n",
        one_line(home)?,
        interpreter.version,
        one_line(&interpreter.path)?,
        record::CREATE,
        one_line(final_path)?,
        record.made_by,
    );
    // From these a lost record is recovered.
    for (key, value) in [("provider", &record.provider), ("model", &record.model)] {
        if let Some(value) = value.as_ref().filter(|value| value.trim() == *value && !value.contains(char::is_control))
        {
            text.push_str(&format!("beep-python-{key} = {value}\n"));
        }
    }
    Ok(text)
}

/// A path as a value of `pyvenv.cfg`, which has neither quotes nor escapes.
fn one_line(path: &Path) -> io::Result<&str> {
    let text = text(path)?;
    if text.contains(['\n', '\r']) || text.trim() != text {
        return Err(unusable(path, "it contains a line break, or begins or ends with a space"));
    }
    Ok(text)
}

fn text(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| unusable(path, "it is not UTF-8"))
}

fn unusable(path: &Path, reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("the path {path:?} cannot be written there: {reason}"))
}
