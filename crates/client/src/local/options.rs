//! The options of a local backend, and what they mean to the session core.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use beep_python_runtime::environment::{EnvironmentError, VenvManager};
use beep_python_runtime::interpreter::query;
use beep_python_runtime::platform::Home;
use beep_python_runtime::session::{Capacity, SessionLimits, SessionManagerOptions};

/// How long the end of a session may take, as where a server is not told otherwise.
const DRAIN: Duration = Duration::from_secs(5);

/// The options of a [`LocalBackend`](crate::LocalBackend).
///
/// ```no_run
/// # use beep_python_client::{LocalBackend, LocalOptions};
/// let options = LocalOptions::from("my-environment").with_preload(["numpy"]);
/// let python = LocalBackend::new(options);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalOptions {
    /// The Python that code runs in.
    pub python: LocalPython,
    /// The folder that holds the environments. `None`: `$BEEP_PYTHON_HOME`, else `~/.beep-python`.
    pub home: Option<PathBuf>,
    /// Modules that are imported once, for all sessions.
    pub preload: Vec<String>,
    /// The working directory of the code. `None`: that of this process.
    pub directory: Option<PathBuf>,
    /// The deadline of calls that have none of their own, time in the queue included. `None`: no deadline.
    pub timeout: Option<Duration>,
}

/// A Python to run code in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalPython {
    /// The environment `runtime-host`, in which servers run too. If it does not exist, it is created with the default
    /// runtime.
    #[default]
    RuntimeHost,
    /// The environment of this name.
    Named(String),
    /// The folder or the Python of any virtual environment, or a Python outside of one, from 3.9 up.
    Path(PathBuf),
}

impl LocalOptions {
    /// Sets the folder that holds the environments.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> LocalOptions {
        self.home = Some(home.into());
        self
    }

    /// Sets the modules that are imported once, for all sessions.
    #[must_use]
    pub fn with_preload<M: Into<String>>(mut self, modules: impl IntoIterator<Item = M>) -> LocalOptions {
        self.preload = modules.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the working directory of the code.
    #[must_use]
    pub fn with_directory(mut self, directory: impl Into<PathBuf>) -> LocalOptions {
        self.directory = Some(directory.into());
        self
    }

    /// Sets the deadline of calls that have none of their own.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> LocalOptions {
        self.timeout = Some(timeout);
        self
    }
}

impl From<LocalPython> for LocalOptions {
    fn from(python: LocalPython) -> LocalOptions {
        LocalOptions { python, ..LocalOptions::default() }
    }
}

impl From<&str> for LocalOptions {
    /// A text with a `/` is the path of an environment or Python, any other an environment's name.
    fn from(environment: &str) -> LocalOptions {
        let python = match environment {
            "" => LocalPython::RuntimeHost,
            path if path.contains('/') || path == "." => LocalPython::Path(path.into()),
            name => LocalPython::Named(name.to_owned()),
        };
        LocalOptions::from(python)
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
pub(super) fn session_manager_options(
    options: &LocalOptions,
) -> Result<SessionManagerOptions, Box<dyn Error + Send + Sync>> {
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
        python_path: Vec::new(),
        stdin: None,
        limits: SessionLimits { deadline: options.timeout, ..SessionLimits::default() },
        capacity: Capacity::default(),
        drain: DRAIN,
        dedicated_thread: false, // the thread is its owner's
    })
}

/// The interpreter's executable, and the folder that it belongs to.
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

/// The folder of the virtual environment at a path: the path itself, or the folder of the `bin` that holds the executable.
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
