//! Names of providers' environments.

use std::str::FromStr;

use super::accelerator::Accelerator;
use crate::environment::error::EnvironmentError;
use crate::environment::name::provider_environment_name;

/// The prefix of the names of engines' environments.
const ENGINE: &str = "engine-";

/// Which providers and models share an environment with ROCm. Its packages are large and sensitive to each other's
/// versions, so some users want one environment for all, and some one for each model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RocmStrategy {
    /// One environment, `rocm`, for all providers.
    Single,
    /// One for all providers whose names begin with the same word: `phi-rocm`.
    Family,
    /// One for each model: `phi-mini-rocm-microsoft-phi-3`.
    #[default]
    Model,
}

impl FromStr for RocmStrategy {
    type Err = String;

    fn from_str(text: &str) -> Result<RocmStrategy, String> {
        match text {
            "single" => Ok(RocmStrategy::Single),
            "family" => Ok(RocmStrategy::Family),
            "model" => Ok(RocmStrategy::Model),
            other => Err(format!("\"{other}\" is none of \"single\", \"family\" and \"model\"")),
        }
    }
}

/// Splits a provider's name from the accelerator it may end with: `phi-cuda` is `phi` and CUDA.
pub(super) fn split(provider: &str) -> (&str, Option<Accelerator>) {
    let ends =
        |accelerator: Accelerator| Some((provider.strip_suffix(accelerator.word())?.strip_suffix('-')?, accelerator));
    match Accelerator::ALL.into_iter().find_map(ends) {
        Some((name, accelerator)) if !name.is_empty() => (name, Some(accelerator)),
        _ => (provider, None),
    }
}

/// The name of the environment of a provider and model: `phi-cuda`. With ROCm, the strategy decides.
pub(super) fn of_provider(
    provider: &str,
    model: Option<&str>,
    accelerator: Accelerator,
    strategy: RocmStrategy,
) -> Result<String, EnvironmentError> {
    // Check before appending anything.
    provider_environment_name(provider, None)?;
    let named = format!("{}-{accelerator}", split(provider).0);
    if accelerator != Accelerator::Rocm {
        return provider_environment_name(&named, None);
    }
    match strategy {
        RocmStrategy::Single => Ok("rocm".into()),
        RocmStrategy::Family => {
            let family = provider.split('-').next().unwrap_or(provider);
            provider_environment_name(&format!("{family}-rocm"), None)
        }
        RocmStrategy::Model => provider_environment_name(&named, model),
    }
}

/// The name of an engine's environment.
pub(super) fn of_engine(engine: &str) -> Result<String, EnvironmentError> {
    provider_environment_name(engine, None)?;
    provider_environment_name(&format!("{ENGINE}{engine}"), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_as_the_accelerator_and_the_strategy_say() {
        use Accelerator::{Cpu, Cuda, Rocm};
        use RocmStrategy::{Family, Model, Single};
        let model = Some("microsoft/Phi-3.5 mini:q4");
        for (provider, model, accelerator, strategy, expected) in [
            ("phi-mini", None, Cpu, Model, "phi-mini-cpu"),
            ("phi-mini", model, Cuda, Model, "phi-mini-cuda"),
            ("phi-mini-cuda", None, Cuda, Model, "phi-mini-cuda"),
            ("phi-mini", model, Rocm, Single, "rocm"),
            ("phi-mini", model, Rocm, Family, "phi-rocm"),
            ("phi-mini", None, Rocm, Model, "phi-mini-rocm"),
            ("phi-mini", model, Rocm, Model, "phi-mini-rocm-microsoft-phi-3.5-mini-q4"),
            ("phi-rocm", Some("../../x"), Rocm, Model, "phi-rocm-x"),
        ] {
            assert_eq!(of_provider(provider, model, accelerator, strategy).unwrap(), expected);
        }
        for provider in ["../x", "", "-cpu", "a/b"] {
            assert!(of_provider(provider, None, Cpu, Model).is_err(), "{provider}");
            assert!(of_engine(provider).is_err(), "{provider}");
        }
        assert_eq!(of_engine("llamacpp").unwrap(), "engine-llamacpp");
        assert_eq!(split("phi-cuda"), ("phi", Some(Cuda)));
        assert_eq!(split("cuda"), ("cuda", None));
        assert_eq!(split("barracuda"), ("barracuda", None));
    }
}
