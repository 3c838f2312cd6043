//! What an environment lacks that runs, and yet is not what it is there for.

use beep_python_runtime::environment::{EnvironmentState, EnvironmentStatus, VenvManager};
use beep_python_runtime::platform::error_chain;

/// Packages that an environment lacks.
pub(crate) struct Lack {
    /// Which, and what needs them.
    pub(crate) what: String,
    /// How to get them.
    pub(crate) mend: String,
}

/// What this environment lacks: its packages need it, or the administrative environment, or its provider. `None` for
/// one that is not healthy, and needs a repair first.
pub(crate) fn lack_of(environments: &VenvManager, status: &EnvironmentStatus) -> Option<Lack> {
    if status.state != EnvironmentState::Healthy {
        return None;
    }
    if !status.unmet.is_empty() {
        let mend = format!("beep-python venv repair {}", status.name);
        return Some(Lack { what: status.unmet.join("; "), mend });
    }
    let helpers = status.missing_helpers();
    if !helpers.is_empty() {
        return Some(Lack { what: format!("it lacks {}", helpers.join(", ")), mend: "beep-python venv admin".into() });
    }
    lack_for_provider(environments, status)
}

/// What it lacks that its provider or engine needs.
fn lack_for_provider(environments: &VenvManager, status: &EnvironmentStatus) -> Option<Lack> {
    let record = status.record.as_ref()?;
    let (provider, model) = (record.provider.as_deref()?, record.model.as_deref());
    // An engine's name may be a provider's too.
    let needed = [environments.provider_status(provider, model), environments.engine_status(provider)];
    let mut found = None;
    for needed in needed {
        match needed {
            Ok(needed) if needed.environment == status.name => found = Some(needed),
            Ok(_) => {}
            Err(error) => return Some(Lack { what: error_chain(&error), mend: "correct providers.toml".into() }),
        }
    }
    let needed = found.filter(|needed| !needed.ready)?;
    let missing = needed.packages.iter().filter(|package| !package.satisfied && !package.optional);
    let missing: Vec<_> = missing.map(|package| package.requirement.as_str()).collect();
    let (engine, model) =
        (if needed.engine { "--engine " } else { "" }, model.map_or_else(String::new, |model| format!(" {model}")));
    let what = if needed.engine { "engine" } else { "provider" };
    Some(Lack {
        what: format!("it lacks {}, which the {what} {provider} needs", missing.join(", ")),
        mend: format!("beep-python provider ensure {engine}{provider}{model}"),
    })
}
