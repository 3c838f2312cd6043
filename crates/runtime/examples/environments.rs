//! Environments: one with a package in it, made, used and deleted, with the progress of packages shown.
//!
//! `cargo run -p beep-python-runtime --example environments six`

use std::error::Error;
use std::process::Command;

use beep_python_runtime::environment::{ProgressSink, Requirements, VenvManager};
use beep_python_runtime::interpreter::PythonRuntimeManager;
use beep_python_runtime::platform::Home;

fn main() -> Result<(), Box<dyn Error>> {
    let home = Home::from_env()?;
    let runtimes = PythonRuntimeManager::new(home.clone());
    // The default runtime, or whatever the machine has.
    let python = match runtimes.interpreter(None)? {
        Some(python) => python,
        None => runtimes.discover()?.into_iter().next().ok_or("there is no Python on this machine")?,
    };
    let environments = VenvManager::new(home).with_progress(ProgressSink::new(|step| eprintln!("{step}")));
    let (environment, _) = environments.ensure("example", &python)?;
    let wanted = Requirements::new(std::env::args().skip(1))?;
    if !wanted.is_empty() {
        let installed = environments.install(&environment, &wanted)?;
        println!("installed now: {:?}", installed.changed);
    }
    let hello = "import sys; print('hello from', sys.prefix)";
    let said = Command::new(&environment.python).args(["-c", hello]).output()?;
    print!("{}", String::from_utf8_lossy(&said.stdout));
    environments.delete("example")?;
    Ok(())
}
