//! The variables of a zygote's environment, which are those of its workers and of what they start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::environment::set_activated_variables;

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
    set_activated_variables(command, python);
    command.env_remove("PYTHONPATH"); // of another Python
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fork_cannot_change_is_told_from_what_it_can() {
        let env = ["PYTHONHASHSEED", "PYTHONPATH", "PYTHONBREAKPOINT", "PYTHON_GIL", "HOME", "PYTHONHOME"];
        let env = env.map(|name| (name.to_owned(), Some("1".to_owned()))).into();
        let startup: Vec<_> = startup_variables(&env).into_keys().collect();
        assert_eq!(startup, ["PYTHONHASHSEED", "PYTHON_GIL"]);
    }
}
