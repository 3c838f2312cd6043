//! Providers: the environment of one, as `providers.toml` in the home says, and what there is of what it needs.
//!
//! `cargo run -p beep-python-runtime --example providers huggingface [MODEL]`

use std::error::Error;

use beep_python_runtime::environment::VenvManager;
use beep_python_runtime::interpreter::PythonRuntimeManager;
use beep_python_runtime::platform::Home;

fn main() -> Result<(), Box<dyn Error>> {
    let home = Home::from_env()?;
    let mut arguments = std::env::args().skip(1);
    let provider = arguments.next().unwrap_or_else(|| "example".into());
    let model = arguments.next();
    let runtimes = PythonRuntimeManager::new(home.clone());
    if runtimes.default_runtime()?.is_none()
        && let Some(python) = runtimes.discover()?.first()
    {
        runtimes.adopt(python)?;
    }
    let environments = VenvManager::new(home);
    let detected = environments.detect_accelerator();
    println!("this machine computes with {}: {}", detected.accelerator, detected.reason);
    let environment = environments.ensure_provider_environment(&provider, model.as_deref())?;
    println!("{} is ready at {}", environment.name, environment.path.display());
    // From now on the answer comes from a few small files.
    let again = environments.ensure_provider_environment(&provider, model.as_deref())?;
    assert_eq!(again, environment);
    for package in environments.provider_status(&provider, model.as_deref())?.packages {
        println!("  {}: {}", package.requirement, package.installed.as_deref().unwrap_or("missing"));
    }
    Ok(())
}
