//! What commands say about an environment and its packages.

use beep_python_runtime::environment::{Environment, EnvironmentState, Package};
use serde_json::{Value, json};

use crate::printer::path_json;

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
        "path": path_json(&environment.path),
        "pythonVersion": record.map(|record| record.python.to_string()),
        "python": path_json(&environment.python),
    })
}

pub(crate) fn packages_json(packages: &[Package]) -> Value {
    packages.iter().map(|package| json!({"name": package.name, "version": package.version})).collect()
}

/// Packages that were installed, with `was` where they replaced another version or the same.
pub(crate) fn changes_json(changed: &[Package], replaced: &[Package]) -> Value {
    let one = |package: &Package| {
        let mut json = json!({"name": package.name, "version": package.version});
        if let Some(was) = former(package, replaced) {
            json["was"] = was.version.clone().into();
        }
        json
    };
    changed.iter().map(one).collect()
}

/// Packages that were installed in one line: `numpy 2.0.0 → 2.1.0, six 1.16.0 again, idna 3.10`.
pub(crate) fn change_list(changed: &[Package], replaced: &[Package]) -> String {
    let one = |package: &Package| match former(package, replaced) {
        Some(was) if was.version == package.version => format!("{} {} again", package.name, package.version),
        Some(was) => format!("{} {} → {}", package.name, was.version, package.version),
        None => format!("{} {}", package.name, package.version),
    };
    changed.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The package that this one replaced; a new version can spell the name otherwise.
fn former<'a>(package: &Package, replaced: &'a [Package]) -> Option<&'a Package> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '.'], "-");
    replaced.iter().find(|was| plain(&was.name) == plain(&package.name))
}

/// The packages in one line: `numpy 2.1.0, six 1.16.0`.
pub(crate) fn package_list(packages: &[Package]) -> String {
    packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect::<Vec<_>>().join(", ")
}
