//! What to do about errors of environments.

use std::path::Path;

use beep_python_protocol::nearest;
use beep_python_runtime::environment::EnvironmentError;

use super::home::home;
use crate::inventory;
use crate::terminal::shell_words::sh_quote;

pub(super) fn environment(error: &EnvironmentError) -> Option<String> {
    Some(match error {
        EnvironmentError::Home(error) => return home(error),
        // As uv and python name one of the folder that one is in.
        EnvironmentError::NotFound { name } if Path::new(name).join("pyvenv.cfg").is_file() => {
            format!("`./{name}` is the environment in this folder")
        }
        EnvironmentError::InvalidName { .. } => "environments are created in the home, by a name".into(),
        EnvironmentError::NotFound { name } if is_declared(name) => {
            format!("`beep-python provider ensure {name}` creates the provider's environment")
        }
        EnvironmentError::SeveralOfProvider { .. } => "name one of them".into(),
        EnvironmentError::NotFound { name } => {
            let meant = nearest_environment(name).map_or_else(String::new, |meant| format!("did you mean {meant}? "));
            format!(
                "{meant}`beep-python venv create {name}` creates it, `beep-python venv list` shows all environments"
            )
        }
        EnvironmentError::AlreadyExists { name, .. } => {
            format!("`beep-python venv status {name}` shows it, `beep-python venv delete {name}` deletes it")
        }
        EnvironmentError::NoRuntime { request: None, .. } => "run `beep-python init`".into(),
        EnvironmentError::NoRuntime { request: Some(request), .. } => {
            format!("`beep-python runtime install {request}` installs it")
        }
        EnvironmentError::OtherPython { name, .. } => {
            format!("`beep-python venv delete {name}` deletes it; it is created again when it is next needed")
        }
        EnvironmentError::Undeclared { .. } => {
            "`beep-python provider list` shows those that are declared; `provider ensure --create` makes do without"
                .into()
        }
        EnvironmentError::InUse { .. } => {
            "`beep-python status` shows the servers, `beep-python stop` stops them".into()
        }
        EnvironmentError::UseUnknown { path, .. } => {
            format!(
                "when no process uses it any more, delete its folder yourself: rm -r {}",
                sh_quote(&path.to_string_lossy())
            )
        }
        EnvironmentError::Damaged { name, .. } => format!("`beep-python venv repair {name}` repairs it"),
        EnvironmentError::NotAnEnvironment { .. } => "`beep-python venv list` shows the environments".into(),
        EnvironmentError::Unrunnable { .. } | EnvironmentError::NotIsolated { .. } => {
            "`beep-python config` shows what is wrong and how to fix it, `beep-python venv repair` repairs environments"
                .into()
        }
        _ => return None,
    })
}

/// Whether providers.toml has this provider.
fn is_declared(name: &str) -> bool {
    inventory::providers().is_ok_and(|providers| providers.iter().any(|provider| provider.name == *name))
}

/// The environment whose name is most like this one, if any is like it.
fn nearest_environment(name: &str) -> Option<String> {
    let all = inventory::environments().ok()?;
    nearest(name, &all.iter().map(|known| known.name.as_str()).collect::<Vec<_>>()).map(str::to_owned)
}
