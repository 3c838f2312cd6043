//! What is known of a Python, learned by running it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cache::{self, InterpreterCache, Stamp};
use super::{Platform, RuntimeError, Version};
use crate::platform::{Home, failed_to, run_command};

const SCRIPT: &str = include_str!("probe.py");
/// A cold shim on a slow disk takes a second or two.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The oldest version that the workers run on.
const OLDEST: Version = Version::new(3, 9, 0);

/// What is known of a Python interpreter. Of a virtual environment's it is the one that the environment was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The executable itself: symbolic links, shims and virtual environments are resolved.
    pub path: PathBuf,
    /// Its exact version.
    pub version: Version,
    /// `cpython`
    pub implementation: String,
    /// The folder it is installed in: `sys.base_prefix`.
    pub prefix: PathBuf,
    /// The folder of the standard library: `PREFIX/lib/python3.12`.
    pub stdlib: PathBuf,
    /// What it was built for.
    pub platform: Platform,
    /// Whether it is a build without the global interpreter lock.
    pub free_threaded: bool,
    /// 64, or 32.
    pub pointer_bits: u8,
}

impl Interpreter {
    /// `python3.12`; for a free-threaded build `python3.13t`: the name of its executable and of its library folder.
    pub fn name(&self) -> String {
        let suffix = if self.free_threaded { "t" } else { "" };
        format!("python{}{suffix}", self.version.series())
    }

    /// Whether we can work with it: CPython 3.9 or newer.
    pub fn check_supported(&self) -> Result<(), RuntimeError> {
        if self.implementation != "cpython" {
            return Err(RuntimeError::NotCPython {
                path: self.path.clone(),
                implementation: self.implementation.clone(),
            });
        }
        if (self.version.major, self.version.minor) < (OLDEST.major, OLDEST.minor) {
            return Err(RuntimeError::TooOld { path: self.path.clone(), version: self.version });
        }
        Ok(())
    }
}

/// What the Python at `path` is: an executable, a shim, a virtual environment's, or a folder that holds one.
///
/// Runs it, unless an executable of that path, size and modification time was asked before. Fails when it cannot be
/// run, is not CPython or is older than 3.9.
pub fn query(home: &Home, path: impl AsRef<Path>) -> Result<Interpreter, RuntimeError> {
    let path = executable(path.as_ref())?;
    let interpreter = match InterpreterCache::load(home).look_up(&path) {
        Some(known) => known.clone(),
        None => {
            let (interpreter, stamp) = probe(&path)?;
            cache::remember(home, [(path, stamp, interpreter.clone())])?;
            interpreter
        }
    };
    interpreter.check_supported()?;
    Ok(interpreter)
}

/// Runs the Python at `path` and reads what it says; with the stamp under which that may be remembered: that of a
/// binary as it was before. What a script leads to can depend on the working directory or the environment.
pub(super) fn probe(path: &Path) -> Result<(Interpreter, Option<Stamp>), RuntimeError> {
    let stamp = Stamp::of(path);
    let mut interpreter = run(path)?;
    // Python 3.9 and 3.10 do not know what an environment made of copies was copied from; its configuration does.
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
    // Set by a macOS launcher, and by environments' activation; either would mislead `sys.executable`.
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

/// The absolute path of the executable that `path` means; links are not followed, since an environment's Python is
/// told from its base by the path it is called by.
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
