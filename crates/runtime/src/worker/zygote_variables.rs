//! The variables of a zygote's environment, which are those of its workers and of what they start.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment::environment_variables;

/// Where programs are looked for without a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Variables whose name begins so are Python's.
const PYTHON: &str = "PYTHON";

/// Those of them that count whenever they are set, and one that would break the interpreter.
const READ_LATER: [&str; 5] = ["PYTHONPATH", "PYTHONSTARTUP", "PYTHONBREAKPOINT", "PYTHONASYNCIODEBUG", "PYTHONHOME"];

/// The variables among these that Python reads at its start only, and which a worker that is forked cannot change.
pub(crate) fn startup_variables(env: &BTreeMap<String, Option<String>>) -> BTreeMap<String, Option<String>> {
    let read_at_start = |name: &str| name.starts_with(PYTHON) && !READ_LATER.contains(&name);
    env.iter().filter(|(name, _)| read_at_start(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Sets them for an interpreter, as it stands in its environment: as where that is activated. Modules are imported from
/// `python_path` first; `startup` are variables that Python reads at its start.
pub(super) fn set_variables(
    command: &mut Command,
    python: &Path,
    python_path: &[PathBuf],
    startup: &BTreeMap<String, Option<String>>,
) {
    let bin = python.parent().unwrap_or(Path::new("/"));
    let environment = bin.parent().unwrap_or(Path::new("/"));
    // The variables that `providers.toml` sets for code in this environment.
    let mut variables = environment_variables(environment);
    let path = variables.remove("PATH").map(OsString::from).or_else(|| std::env::var_os("PATH"));
    command.envs(variables).env("PATH", path_with(bin, path.as_deref()));
    match environment.join("pyvenv.cfg").exists() {
        true => command.env("VIRTUAL_ENV", environment),
        false => command.env_remove("VIRTUAL_ENV"),
    };
    // What another program set for another Python would break this one.
    for other in ["PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV_PROMPT"] {
        command.env_remove(other);
    }
    if let Ok(path) = std::env::join_paths(python_path)
        && !path.is_empty()
    {
        command.env("PYTHONPATH", path);
    }
    for (name, value) in startup {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// The folder, and then where programs are looked for now.
fn path_with(bin: &Path, path: Option<&OsStr>) -> OsString {
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    let others = std::env::split_paths(path).filter(|folder| folder != bin);
    std::env::join_paths(std::iter::once(bin.to_owned()).chain(others)).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_s_programs_come_first() {
        let with = |path: Option<&str>| path_with(Path::new("/env/bin"), path.map(OsStr::new));
        assert_eq!(with(Some("/usr/bin:/bin")), "/env/bin:/usr/bin:/bin");
        assert_eq!(with(Some("/usr/bin:/env/bin")), "/env/bin:/usr/bin");
        assert_eq!(with(None), "/env/bin:/usr/local/bin:/usr/bin:/bin");
        assert_eq!(path_with(Path::new("/a:b/bin"), Some(OsStr::new("/bin"))), "/bin");
    }

    #[test]
    fn what_a_fork_cannot_change_is_told_from_what_it_can() {
        let env = ["PYTHONHASHSEED", "PYTHONPATH", "PYTHONBREAKPOINT", "PYTHON_GIL", "HOME", "PYTHONHOME"];
        let env = env.map(|name| (name.to_owned(), Some("1".to_owned()))).into();
        let startup: Vec<_> = startup_variables(&env).into_keys().collect();
        assert_eq!(startup, ["PYTHONHASHSEED", "PYTHON_GIL"]);
    }
}
