//! The variables of a program that runs in an environment: as where that is activated.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

use super::provider::registry::environment_variables;

/// Where programs are looked for without a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What another program set for another Python, which would break this one.
const OF_OTHERS: [&str; 4] = ["PYTHONHOME", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV_PROMPT"];

/// Sets them for an interpreter, as it stands in its environment.
pub(crate) fn set_activated_variables(command: &mut Command, python: &Path) {
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
    for other in OF_OTHERS {
        command.env_remove(other);
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
}
