//! Installing packages, and the environments of providers. Environment variables say where packages come from, so each
//! case runs in a process of its own. None uses a network.

mod installing;
mod providers;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use beep_python_runtime::environment::{
    Environment, EnvironmentError, PackageError, PackageSettings, Requirements, UvChoice, VenvManager,
};
use beep_python_runtime::interpreter::{Interpreter, PythonRuntimeManager, query};
use beep_python_runtime::platform::{Home, error_chain};
use support::{output, pythons};
use tempfile::TempDir;

/// The folder of one case: a home with a runtime, and an index. What the child processes need is in variables.
struct TestHome {
    folder: TempDir,
}

/// Each tool that can be had here.
fn tools() -> Vec<&'static str> {
    match uv() {
        Some(_) => vec!["pip", "uv"],
        None => {
            eprintln!("there is no uv on PATH or at BEEP_PYTHON_UV: only pip is tested");
            vec!["pip"]
        }
    }
}

fn uv() -> Option<PathBuf> {
    let named = std::env::var_os("BEEP_PYTHON_UV").map(PathBuf::from);
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join("uv"));
    let answers = |path: &PathBuf| Command::new(path).arg("--version").output().is_ok_and(|o| o.status.success());
    named.into_iter().chain(found).filter(|path| path.is_file()).find(answers)
}

/// One that brings pip with it, which some distributions leave out.
fn python() -> &'static Interpreter {
    let found = pythons().iter().find(|python| python.stdlib.join("ensurepip/_bundled").is_dir());
    found.expect("these tests need a CPython whose ensurepip is installed (python3-venv)")
}

impl TestHome {
    fn new() -> TestHome {
        let test = TestHome { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(test.index()).unwrap();
        fs::create_dir(test.temporary()).unwrap();
        let home = Home::open(test.home()).unwrap();
        PythonRuntimeManager::new(home).adopt(python()).unwrap();
        test
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("höme with spaces")
    }

    fn index(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    /// What the system's folder for temporary files would be.
    fn temporary(&self) -> PathBuf {
        self.folder.path().join("temporary")
    }

    fn environments(&self) -> PathBuf {
        self.home().join("environments")
    }

    /// Whether nothing was created; the folder itself comes with the first environment.
    fn has_no_environment(&self) -> bool {
        !self.environments().exists() || support::names(&self.environments()).is_empty()
    }

    fn providers(&self, text: &str) {
        fs::write(self.home().join("providers.toml"), text).unwrap();
    }

    /// A process that carries out `case`, with the index and the tool set.
    fn command(&self, case: &str, tool: &str) -> Command {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "the_process_of_a_case", "--nocapture"]);
        child.env("TEST_CASE", case).env("TEST_HOME", self.home());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("PIP_") || name.starts_with("UV_") {
                child.env_remove(name);
            }
        }
        child.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", self.index());
        child.env("UV_CACHE_DIR", self.folder.path().join("uv-cache")).env("UV_NO_CONFIG", "1");
        child.env("BEEP_PYTHON_ACCELERATOR", "cpu").env("TMPDIR", self.temporary());
        match tool {
            "uv" => child.env("BEEP_PYTHON_UV", uv().unwrap()),
            _ => child.env("BEEP_PYTHON_UV", "never"),
        };
        child
    }

    /// What the process of a case says.
    fn run(&self, case: &str, tool: &str) -> String {
        said(&output(&mut self.command(case, tool)))
    }
}

fn said(text: &str) -> String {
    let answer = text.lines().find_map(|line| line.split_once("ANSWER ")).unwrap_or_else(|| panic!("{text}")).1;
    serde_json::from_str(answer).unwrap()
}

/// Not a test by itself: the process that the tests start. `install NAME PKG…`, `ensure PROVIDER [THREADS]` or `admin`.
#[test]
fn the_process_of_a_case() {
    let (Ok(case), Ok(home)) = (std::env::var("TEST_CASE"), std::env::var("TEST_HOME")) else { return };
    let home = Home::open(home).unwrap();
    let manager = VenvManager::new(home);
    let words: Vec<&str> = case.split(' ').collect();
    let answer = match words[..] {
        ["install", name, ref packages @ ..] => {
            let interpreter = query(manager.home(), &python().path).unwrap();
            let (environment, _) = manager.ensure(name, &interpreter).unwrap();
            match manager.install(&environment, &Requirements::new(packages).unwrap()) {
                Ok(done) => {
                    let list = |packages: &[beep_python_runtime::environment::Package]| {
                        packages.iter().map(|p| format!("{}=={}", p.name, p.version)).collect::<Vec<_>>().join(" ")
                    };
                    format!("{}|{}|{}", list(&done.packages), list(&done.changed), done.tool.unwrap_or("none"))
                }
                Err(error) => failure(&error),
            }
        }
        ["admin"] => {
            // The oldest pips leave files behind though nobody kills them.
            let brings_pip = |python: &&Interpreter| python.stdlib.join("ensurepip/_bundled").is_dir();
            let oldest = pythons().iter().filter(brings_pip).min_by_key(|python| python.version).unwrap();
            let installed = manager.admin(oldest).unwrap().packages;
            installed.into_iter().map(|package| package.name).collect::<Vec<_>>().join(" ")
        }
        ["ensure", provider, ref threads @ ..] => {
            let threads = threads.first().map_or(1, |number| number.parse().unwrap());
            let answers: BTreeSet<String> = std::thread::scope(|scope| {
                let ensure = || match manager.ensure_provider_environment(provider, None) {
                    Ok(environment) => environment.path.to_str().unwrap().to_owned(),
                    Err(EnvironmentError::Packages { source, .. }) => failure(&source),
                    Err(error) => error.to_string(),
                };
                let each: Vec<_> = (0..threads).map(|_| scope.spawn(ensure)).collect();
                each.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            answers.into_iter().collect::<Vec<_>>().join("\n")
        }
        _ => panic!("{case}"),
    };
    println!("\nANSWER {}", serde_json::to_string(&answer).unwrap());
}

fn failure(error: &PackageError) -> String {
    match error {
        PackageError::Refused { package, source, status, stderr_tail, .. } => {
            assert!(!status.success() && !stderr_tail.is_empty());
            format!("refused {}: {}", package.as_deref().unwrap_or("?"), error_chain(source))
        }
        error => format!("{error}"),
    }
}

/// Looks from this process, where nothing is installed.
fn look(test: &TestHome, name: &str) -> (VenvManager, Environment) {
    let settings =
        PackageSettings { uv: UvChoice::Never, timeout: Duration::from_secs(60), ..PackageSettings::from_env() };
    let manager = VenvManager::with_package_settings(Home::open(test.home()).unwrap(), settings);
    let environment = manager.open(name).unwrap();
    (manager, environment)
}

fn imported(environment: &Environment, module: &str) -> String {
    let code = format!("import {module}; print({module}.version)");
    output(Command::new(&environment.python).args(["-I", "-c", &code]))
}
