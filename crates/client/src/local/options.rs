//! What a local backend is to be, and what the session core makes of that.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use beep_python_runtime::environment::{EnvironmentError, VenvManager};
use beep_python_runtime::interpreter::query;
use beep_python_runtime::platform::Home;
use beep_python_runtime::session::{Capacity, SessionLimits, SessionManagerOptions};

/// What a [`LocalBackend`](crate::LocalBackend) is to be.
///
/// ```no_run
/// # use beep_python_client::{LocalBackend, LocalOptions, LocalPython};
/// let options = LocalOptions { preload: vec!["numpy".to_owned()], ..LocalOptions::from("my-environment") };
/// let python = LocalBackend::new(options);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalOptions {
    /// The Python that code runs in.
    pub python: LocalPython,
    /// The folder in which environments are kept. `None`: `$BEEP_PYTHON_HOME`, else `~/.beep-python`.
    pub home: Option<PathBuf>,
    /// Modules that are imported once, for all sessions.
    pub preload: Vec<String>,
    /// The working directory of the code. `None`: this process's own.
    pub directory: Option<PathBuf>,
    /// How long a call may take where it does not say itself, waiting for its turn included. `None`: for ever.
    pub timeout: Option<Duration>,
}

/// A Python to run code in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LocalPython {
    /// The environment `runtime-host`, in which servers run too; made with the default runtime where it is not there.
    #[default]
    RuntimeHost,
    /// The environment of this name.
    Named(String),
    /// A virtual environment, anybody's: its folder or its Python. Or a Python without one, from 3.9 up.
    Path(PathBuf),
}

impl From<&str> for LocalOptions {
    /// In the environment that the text means: a path where it has a `/`, else a name.
    fn from(environment: &str) -> LocalOptions {
        let python = match environment {
            "" => LocalPython::RuntimeHost,
            path if path.contains('/') || path == "." => LocalPython::Path(path.into()),
            name => LocalPython::Named(name.to_owned()),
        };
        LocalOptions { python, ..LocalOptions::default() }
    }
}

impl fmt::Display for LocalPython {
    /// As an endpoint: `local:my-environment`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalPython::RuntimeHost => f.write_str("local:"),
            LocalPython::Named(name) => write!(f, "local:{name}"),
            LocalPython::Path(path) => write!(f, "local:{}", path.display()),
        }
    }
}

/// What the session core is started with. Looks at files, and may run a Python.
pub(super) fn sessions_options(options: &LocalOptions) -> Result<SessionManagerOptions, Box<dyn Error + Send + Sync>> {
    let home = match &options.home {
        Some(root) => Home::open(root)?,
        None => Home::from_env()?,
    };
    let (python, environment) = python_in(&home, &options.python)?;
    Ok(SessionManagerOptions {
        python,
        environment,
        home,
        preload: options.preload.clone(),
        directory: options.directory.clone(),
        limits: SessionLimits { deadline: options.timeout, ..SessionLimits::default() },
        capacity: Capacity::default(),
        dedicated_thread: false, // the thread is its owner's
    })
}

/// The interpreter as it is to be called, and the folder that it belongs to.
fn python_in(home: &Home, python: &LocalPython) -> Result<(PathBuf, PathBuf), EnvironmentError> {
    let environments = VenvManager::new(home.clone());
    let environment = match python {
        LocalPython::RuntimeHost => environments.default_environment()?,
        LocalPython::Named(name) => environments.open(name)?,
        LocalPython::Path(path) => match environment_around(path) {
            Some(folder) => environments.open_path(folder)?,
            None => {
                let interpreter = query(home, path)?;
                return Ok((interpreter.path, interpreter.prefix));
            }
        },
    };
    Ok((environment.python, environment.path))
}

/// The folder of the virtual environment that a path means: the path itself, or two above an executable in its `bin`.
fn environment_around(path: &Path) -> Option<&Path> {
    let folder = if path.is_dir() { path } else { path.parent()?.parent()? };
    folder.join("pyvenv.cfg").is_file().then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_means_a_name_or_a_path() {
        for (text, python, shown) in [
            ("", LocalPython::RuntimeHost, "local:"),
            ("mine", LocalPython::Named("mine".into()), "local:mine"),
            ("./mine", LocalPython::Path("./mine".into()), "local:./mine"),
            (".", LocalPython::Path(".".into()), "local:."),
            ("/usr/bin/python3", LocalPython::Path("/usr/bin/python3".into()), "local:/usr/bin/python3"),
        ] {
            let options = LocalOptions::from(text);
            assert_eq!(options.python, python, "{text}");
            assert_eq!(options.python.to_string(), shown);
        }
    }
}
