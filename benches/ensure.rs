//! How long it takes to be told that a provider's environment is ready, and to make an environment.
//!
//! `cargo bench -p beep-python-runtime --bench ensure`

use std::time::{Duration, Instant};

use beep_python_runtime::environment::VenvManager;
use beep_python_runtime::interpreter::{PythonRuntimeManager, SearchPaths, discover};
use beep_python_runtime::platform::Home;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::open(folder.path().join("home")).expect("a home");
    let found = discover(&home, &SearchPaths::from_env()).expect("looked for");
    let python = found.first().expect("this needs a CPython from 3.9 up on the machine");
    PythonRuntimeManager::new(home.clone()).adopt(python).expect("adopted");
    let text =
        "[provider.hf]\nenvironment = { A = \"1\" }\n[provider.other]\npackages = [\"numpy>=2\"]\ncuda = [\"torch\"]\n";
    std::fs::write(home.root().join("providers.toml"), text).expect("written");
    let environments = VenvManager::new(home);
    environments.ensure_provider_environment("hf", None).expect("made");
    // Its packages' folder must have been left alone for a moment to tell that nothing changed in it.
    std::thread::sleep(Duration::from_millis(50));
    environments.ensure_provider_environment("hf", None).expect("ready");

    report("ensure of a provider that is ready", 2000, || {
        environments.ensure_provider_environment("hf", None).expect("ready");
    });
    let mut number = 0;
    report("create of an environment", 200, || {
        number += 1;
        environments.create(&format!("e{number}"), python).expect("made");
    });
}

/// Prints the median and the 99th percentile in microseconds.
fn report(what: &str, times: usize, mut work: impl FnMut()) {
    let mut took: Vec<Duration> = (0..times)
        .map(|_| {
            let began = Instant::now();
            work();
            began.elapsed()
        })
        .collect();
    took.sort();
    let micros = |at: usize| took[at.min(times - 1)].as_secs_f64() * 1e6;
    println!("{what}: {:.0} µs median, {:.0} µs p99", micros(times / 2), micros(times * 99 / 100));
}
