//! Querying a Python by running it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::cache::{self, InterpreterCache, Stamp};
use super::error::RuntimeError;
use super::interpreter::Interpreter;
use crate::platform::{Home, failed_to, run_command};

const SCRIPT: &str = include_str!("probe.py");
/// Generous: a cold shim on a slow disk takes a second or two.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Describes the Python at `path`: an executable, a shim, a virtual environment's, or a folder that holds one.
///
/// Runs it, unless an executable of that path, size and modification time is cached. Fails when it does not run, is not
/// CPython or is older than 3.9.
pub fn query(home: &Home, path: impl AsRef<Path>) -> Result<Interpreter, RuntimeError> {
    let path = executable(path.as_ref())?;
    let interpreter = match InterpreterCache::load(home).look_up(&path) {
        Some(cached) => {
            tracing::trace!(path = %path.display(), version = %cached.version, "interpreter known from the cache");
            cached.clone()
        }
        None => learn(home, path)?,
    };
    interpreter.check_supported()?;
    Ok(interpreter)
}

/// Does the same, and runs it whatever is cached: a library that it needs can be gone, which its executable does not
/// show.
pub fn query_anew(home: &Home, path: impl AsRef<Path>) -> Result<Interpreter, RuntimeError> {
    let path = executable(path.as_ref())?;
    let interpreter = learn(home, path.clone()).inspect_err(|_| cache::forget(home, &path))?;
    interpreter.check_supported()?;
    Ok(interpreter)
}

fn learn(home: &Home, path: PathBuf) -> Result<Interpreter, RuntimeError> {
    let (interpreter, stamp) = probe(&path)?;
    let cached = stamp.is_some();
    tracing::debug!(path = %path.display(), version = %interpreter.version, cached, "interpreter queried");
    cache::remember(home, [(path, stamp, interpreter.clone())]);
    Ok(interpreter)
}

/// Runs the Python at `path`. Also returns the stamp under which the result may be cached: that of a binary before it
/// ran. Where a script leads can depend on the working directory or the environment.
pub(super) fn probe(path: &Path) -> Result<(Interpreter, Option<Stamp>), RuntimeError> {
    let stamp = Stamp::of(path);
    let mut interpreter = run(path)?;
    // Python 3.9 and 3.10 do not report the base of an environment made of copies; its configuration does.
    for _ in 0..4 {
        match base_of_copied_environment(&interpreter.path) {
            Some(base) => interpreter = run(&base)?,
            None => break,
        }
    }
    Ok((interpreter, stamp))
}

fn run(path: &Path) -> Result<Interpreter, RuntimeError> {
    let mut command = Command::new(path);
    command.args(["-I", "-S", "-c", SCRIPT]).env_remove("PYTHONHOME").env_remove("PYTHONPATH");
    // Set by a macOS launcher, and by activation scripts. Either would falsify `sys.executable`.
    command.env_remove("__PYVENV_LAUNCHER__").env_remove("PYTHONEXECUTABLE");
    let output = run_command(&mut command, TIMEOUT)
        .map_err(|source| RuntimeError::ProbeFailed { path: path.to_owned(), source })?;
    serde_json::from_slice(&output).map_err(|source| RuntimeError::ProbeUnreadable {
        path: path.to_owned(),
        output: String::from_utf8_lossy(&output[..output.len().min(300)]).trim().to_owned(),
        source,
    })
}

fn base_of_copied_environment(executable: &Path) -> Option<PathBuf> {
    let folder = executable.parent()?;
    let configuration =
        [folder.parent()?, folder].iter().find_map(|f| fs::read_to_string(f.join("pyvenv.cfg")).ok())?;
    let home = configuration.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "home").then(|| PathBuf::from(value.trim()))
    })?;
    let names = [executable.file_name()?.to_str()?, "python3", "python"];
    names.iter().map(|name| home.join(name)).filter_map(|path| path.canonicalize().ok()).find(|path| path != executable)
}

/// The absolute path of the executable at `path`. Links are not followed: an environment's Python is recognized by the
/// path it is called by.
fn executable(path: &Path) -> Result<PathBuf, RuntimeError> {
    let path = std::path::absolute(path).map_err(failed_to("find", path))?;
    let found = if path.is_dir() {
        ["bin/python3", "bin/python"].iter().map(|name| path.join(name)).find(|path| path.is_file())
    } else {
        Some(path.clone())
    };
    let found = found.ok_or_else(|| RuntimeError::NoPythonThere { path: path.clone() })?;
    match fs::metadata(&found) {
        Ok(metadata) if metadata.permissions().mode() & 0o111 != 0 => Ok(found),
        Ok(_) => Err(RuntimeError::NotExecutable { path: found }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(RuntimeError::NoPythonThere { path: found }),
        Err(error) => Err(failed_to("read", &found)(error).into()),
    }
}
