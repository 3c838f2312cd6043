//! What commands say about an environment and its packages.

use beep_python_runtime::environment::{Environment, EnvironmentState, Package};
use serde_json::{Value, json};

/// The state in a word or two, and the reason.
pub(crate) fn describe_state(state: &EnvironmentState) -> (String, Option<String>) {
    match state {
        EnvironmentState::Healthy => ("healthy".into(), None),
        EnvironmentState::Foreign { reason } => ("not ours".into(), Some(reason.clone())),
        EnvironmentState::InterpreterGone { interpreter, reason } => {
            ("interpreter gone".into(), Some(format!("{}: {reason}", interpreter.display())))
        }
        EnvironmentState::InterpreterChanged { interpreter, was, is } => {
            let reason = format!("{} was Python {was} and is now {is}", interpreter.display());
            ("interpreter changed".into(), Some(reason))
        }
        EnvironmentState::Moved { from } => {
            ("moved".into(), Some(format!("its scripts and its activation still lead to {}", from.display())))
        }
        EnvironmentState::Unrunnable { reason } => ("does not run".into(), Some(reason.clone())),
        EnvironmentState::PackagesDamaged { reason, .. } => ("packages damaged".into(), Some(reason.clone())),
    }
}

pub(crate) fn environment_json(environment: &Environment) -> Value {
    let record = environment.record.as_ref();
    json!({
        "name": environment.name,
        "path": environment.path,
        "pythonVersion": record.map(|record| record.python.to_string()),
        "python": environment.python,
    })
}

pub(crate) fn packages_json(packages: &[Package]) -> Value {
    packages.iter().map(|package| json!({"name": package.name, "version": package.version})).collect()
}

/// The packages in one line: `numpy 2.1.0, six 1.16.0`.
pub(crate) fn package_list(packages: &[Package]) -> String {
    packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect::<Vec<_>>().join(", ")
}
