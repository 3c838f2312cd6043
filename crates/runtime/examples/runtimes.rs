//! Runtimes: what there is, what can be had, and installing one with its progress shown.
//!
//! `cargo run -p beep-python-runtime --example runtimes [3.12]`

use beep_python_runtime::interpreter::{Platform, Progress, PythonRuntimeManager, RuntimeError, Source};
use beep_python_runtime::platform::Home;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let runtimes = PythonRuntimeManager::new(Home::from_env()?);
    for runtime in runtimes.list()? {
        println!("installed: {} at {}", runtime.id, runtime.path.display());
    }
    for python in runtimes.discover()? {
        println!("on this machine: {} at {}", python.version, python.path.display());
    }
    for entry in runtimes.catalogue().await?.newest_for_platform(&Platform::host()) {
        println!("to download: {}", entry.name);
    }
    let Some(version) = std::env::args().nth(1) else { return Ok(()) };
    let installed = runtimes.install(&version.parse()?, &Source::Default, &mut show).await?;
    println!("{} is at {}", installed.runtime.id, installed.runtime.path.display());
    Ok(())
}

fn show(progress: Progress) {
    match progress {
        Progress::Downloading { received, total: Some(total) } => eprint!("\r{received} of {total} bytes"),
        other => eprintln!("\r{other:?}"),
    }
}
