//! Installing packages, and the environments of providers. Where packages come from is set by environment variables, so
//! each case is a process of its own; there is no network in any of them.

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use beep_python_runtime::environment::{
    Environment, EnvironmentError, PackageError, PackageSettings, Requirements, UvChoice, VenvManager,
};
use beep_python_runtime::interpreter::{Interpreter, PythonRuntimeManager, query};
use beep_python_runtime::platform::Home;
use support::wheels::wheel;
use support::{names, output, pythons};
use tempfile::TempDir;

/// The folder of one case: a home with a runtime, and an index. What the child processes need is in variables.
struct House {
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

impl House {
    fn new() -> House {
        let house = House { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(house.index()).unwrap();
        fs::create_dir(house.temporary()).unwrap();
        let home = Home::open(house.home()).unwrap();
        PythonRuntimeManager::new(home).adopt(python()).unwrap();
        house
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
        PackageError::Refused { package, reason, status, stderr_tail, .. } => {
            assert!(!status.success() && !stderr_tail.is_empty());
            format!("refused {}: {reason}", package.as_deref().unwrap_or("?"))
        }
        error => format!("{error}"),
    }
}

/// Looks from this process, where nothing is installed.
fn look(house: &House, name: &str) -> (VenvManager, Environment) {
    let settings =
        PackageSettings { uv: UvChoice::Never, timeout: Duration::from_secs(60), ..PackageSettings::from_env() };
    let manager = VenvManager::with_package_settings(Home::open(house.home()).unwrap(), settings);
    let environment = manager.open(name).unwrap();
    (manager, environment)
}

fn imported(environment: &Environment, module: &str) -> String {
    let code = format!("import {module}; print({module}.version)");
    output(Command::new(&environment.python).args(["-I", "-c", &code]))
}

#[test]
fn packages_come_with_what_they_require_and_are_installed_once() {
    for tool in tools() {
        let house = House::new();
        wheel(&house.index(), "alpha", "1.0", &["beta_x>=2", "gamma; extra == 'more'", "delta; python_version < '3'"]);
        wheel(&house.index(), "beta_x", "2.5", &["alpha"]);
        wheel(&house.index(), "gamma", "3.0", &[]);
        assert_eq!(
            house.run("install mine alpha", tool),
            format!("alpha==1.0|alpha==1.0 beta_x==2.5|{tool}"),
            "{tool}"
        );
        assert_eq!(house.run("install mine Alpha>=1 beta.x", tool), "alpha==1.0 beta_x==2.5||none");
        assert_eq!(house.run("install mine alpha[more]", tool), format!("alpha==1.0|gamma==3.0|{tool}"));
        let (manager, environment) = look(&house, "mine");
        assert_eq!(imported(&environment, "beta_x"), "2.5");
        for (text, expected) in [("alpha==1.*", true), ("alpha[more]", true), ("alpha>1", false), ("nosuch", false)] {
            assert_eq!(manager.satisfied(&environment, &Requirements::new([text]).unwrap()), expected, "{text}");
        }
        // What a package requires is part of it.
        fs::remove_dir_all(environment.site_packages.join("beta_x-2.5.dist-info")).unwrap();
        assert!(!manager.satisfied(&environment, &Requirements::new(["alpha"]).unwrap()));
        assert_eq!(names(&house.environments()), ["mine"]);
    }
}

#[test]
fn the_pip_of_a_runtime_keeps_its_temporary_files_in_the_environment() {
    let house = House::new();
    assert!(house.run("admin", "pip").contains("pip"));
    assert_eq!(names(&house.temporary()), [""; 0]);
}

#[test]
fn what_cannot_be_had_is_told_with_the_reason_and_nothing_is_changed() {
    for tool in tools() {
        let house = House::new();
        wheel(&house.index(), "alpha", "1.0", &[]);
        wheel(&house.index(), "needy", "1.0", &["nosuch>3"]);
        house.run("install mine alpha", tool);
        let (manager, environment) = look(&house, "mine");
        let before = names(&environment.path);
        for (asked, package) in [("alpha nosuch", "nosuch"), ("alpha>=2", "alpha"), ("needy", "needy")] {
            let said = house.run(&format!("install mine {asked}"), tool);
            // pip names only what it looks for; uv tells the whole chain.
            let named = said.starts_with(&format!("refused {package}: ")) || (package == "needy" && tool == "pip");
            assert!(named, "{tool} {asked}: {said}");
            assert!(said.contains("nosuch") || said.contains("alpha"), "{said}");
            let packages: Vec<String> = manager.packages(&environment).into_iter().map(|p| p.name).collect();
            assert_eq!((packages, names(&environment.path)), (vec!["alpha".to_owned()], before.clone()));
        }
    }
}

#[test]
fn a_path_is_installed_from() {
    for tool in tools() {
        let house = House::new();
        let elsewhere = house.folder.path().join("elsewhere");
        wheel(&elsewhere, "alpha", "1.0", &[]);
        let path = elsewhere.join("alpha-1.0-py3-none-any.whl");
        let said = house.run(&format!("install mine {}", path.display()), tool);
        assert_eq!(said, format!("alpha==1.0|alpha==1.0|{tool}"));
        // Though it is in no index, it is no obstacle to what follows an interruption.
        let (_, environment) = look(&house, "mine");
        fs::write(environment.path.join("beep-python.installing.json"), "{\"packages\": []}").unwrap();
        wheel(&house.index(), "beta", "1.0", &[]);
        assert_eq!(house.run("install mine beta", tool), format!("beta==1.0|beta==1.0|{tool}"));
        assert_eq!(imported(&environment, "alpha"), "1.0");
    }
}

#[test]
fn a_provider_gets_its_packages_and_is_ready_without_anything_being_run() {
    for tool in tools() {
        let house = House::new();
        wheel(&house.index(), "alpha", "1.0", &["beta"]);
        wheel(&house.index(), "beta", "1.0", &[]);
        wheel(&house.index(), "gamma", "1.0", &[]);
        house.providers("[provider.hf]\npackages = [\"alpha\"]\ncpu = [\"gamma\"]\ncuda = [\"nosuch\"]\n");
        let path = house.run("ensure hf", tool);
        assert_eq!(Path::new(&path), house.environments().join("hf-cpu"));
        let (manager, environment) = look(&house, "hf-cpu");
        assert_eq!((imported(&environment, "alpha"), imported(&environment, "gamma")), ("1.0".into(), "1.0".into()));
        assert_eq!(environment.record.as_ref().unwrap().provider.as_deref(), Some("hf"));

        // From now on nothing is there that could be run or installed.
        fs::remove_dir_all(house.index()).unwrap();
        assert_eq!(house.run("ensure hf", "pip"), path);
        assert_eq!(names(&house.environments()), ["hf-cpu"]);

        // A new need is met, and what was there stays.
        wheel(&house.index(), "delta", "1.0", &[]);
        house.providers("[provider.hf]\npackages = [\"alpha\", \"delta\"]\n");
        assert_eq!(house.run("ensure hf", tool), path);
        let packages: Vec<String> = manager.packages(&environment).into_iter().map(|p| p.name).collect();
        assert_eq!(packages, ["alpha", "beta", "delta", "gamma"]);
    }
}

#[test]
fn a_damaged_environment_is_mended() {
    for tool in tools() {
        let house = House::new();
        wheel(&house.index(), "alpha", "1.0", &[]);
        house.providers("[provider.hf]\npackages = [\"alpha\"]\n");
        house.run("ensure hf", tool);
        let (_, environment) = look(&house, "hf-cpu");
        let site = &environment.site_packages;
        let damages: [&dyn Fn(); 6] = [
            &|| fs::remove_file(site.join("alpha.py")).unwrap(),
            &|| fs::remove_file(site.join("alpha-1.0.dist-info/METADATA")).unwrap(),
            &|| fs::remove_dir_all(site.join("alpha-1.0.dist-info")).unwrap(),
            &|| fs::remove_file(environment.path.join("bin/python")).unwrap(),
            &|| fs::remove_file(environment.path.join("pyvenv.cfg")).unwrap(),
            // As a death in the middle of an installation leaves it.
            &|| {
                fs::write(environment.path.join("beep-python.installing.json"), "{\"packages\": []}").unwrap();
                // Not written over: uv links files from its cache.
                fs::remove_file(site.join("alpha.py")).unwrap();
                fs::write(site.join("alpha.py"), "vers").unwrap();
            },
        ];
        for (number, damage) in damages.iter().enumerate() {
            damage();
            // The metadata's folder is what changes without the folder of the packages.
            let touched = fs::File::open(site);
            if let Ok(folder) = touched {
                let _ = folder.set_modified(std::time::SystemTime::now());
            }
            let said = house.run("ensure hf", tool);
            assert_eq!(Path::new(&said), environment.path, "{tool} {number}");
            assert_eq!(imported(&environment, "alpha"), "1.0", "{tool} {number}");
        }
        assert!(!environment.path.join("beep-python.installing.json").exists());
    }
}

#[test]
fn an_environment_whose_python_is_gone_is_made_anew() {
    let house = House::new();
    wheel(&house.index(), "alpha", "1.0", &[]);
    house.providers("[provider.hf]\npackages = [\"alpha\"]\n");
    house.run("ensure hf", "pip");
    let (_, environment) = look(&house, "hf-cpu");
    let gone = house.folder.path().join("gone");
    fs::remove_file(environment.path.join("bin/python")).unwrap();
    symlink(&gone, environment.path.join("bin/python")).unwrap();
    house.run("ensure hf", "pip");
    assert_eq!(imported(&environment, "alpha"), "1.0");
    assert_eq!(names(&house.environments()), ["hf-cpu"]);
}

#[test]
fn thirty_two_callers_make_one_environment_and_install_once() {
    for tool in tools() {
        let house = House::new();
        wheel(&house.index(), "alpha", "1.0", &[]);
        house.providers("[provider.hf]\npackages = [\"alpha\"]\n");
        // The tool writes a line each time it is run.
        let (log, script) = (house.folder.path().join("runs"), house.folder.path().join("uv"));
        let counted = tool == "uv";
        if counted {
            let text = format!(
                "#!/bin/sh\ncase \"$*\" in *install*) echo run >> '{}';; esac\nexec '{}' \"$@\"\n",
                log.display(),
                uv().unwrap().display()
            );
            fs::write(&script, text).unwrap();
            output(Command::new("chmod").arg("+x").arg(&script));
        }
        let start = || {
            let mut command = house.command("ensure hf", tool);
            if counted {
                command.env("BEEP_PYTHON_UV", &script);
            }
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let processes: Vec<_> = (0..32).map(|_| start()).collect();
        for process in processes {
            let done = process.wait_with_output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            let answers = said(&String::from_utf8_lossy(&done.stdout));
            assert_eq!(Path::new(&answers), house.environments().join("hf-cpu"), "one answer for all");
        }
        assert_eq!(names(&house.environments()), ["hf-cpu"]);
        if counted {
            assert_eq!(fs::read_to_string(&log).unwrap(), "run\n");
        }
    }
}

#[test]
fn a_caller_killed_at_any_moment_leaves_what_the_next_one_finishes() {
    for tool in tools() {
        let house = House::new();
        for number in 0..20 {
            wheel(&house.index(), &format!("p{number}"), "1.0", &[]);
        }
        let all: Vec<String> = (0..20).map(|number| format!("\"p{number}\"")).collect();
        house.providers(&format!("[provider.hf]\npackages = [{}]\n", all.join(", ")));
        house.run("ensure hf", tool);
        let (manager, environment) = look(&house, "hf-cpu");
        let path = &environment.path;
        let moments: [(&str, &dyn Fn() -> bool); 6] = [
            ("it is being made", &|| house.environments().join(".new-hf-cpu").exists() || path.exists()),
            ("it is there", &|| path.exists()),
            ("the installation begins", &|| path.join("beep-python.installing.json").exists()),
            ("a file is there", &|| (0..20).any(|n| environment.site_packages.join(format!("p{n}.py")).exists())),
            ("a package is there", &|| !manager.packages(&environment).is_empty()),
            ("it is ready", &|| path.join("beep-python.ready.json").exists()),
        ];
        // The caller alone, whose tool then goes on by itself, or all that it started.
        for (number, (moment, has_come)) in moments.iter().enumerate() {
            let whole_group = number % 2 == 0;
            manager.delete("hf-cpu").unwrap();
            let mut command = house.command("ensure hf", tool);
            let mut process = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            while !has_come() && process.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let pid = rustix::process::Pid::from_child(&process);
            if whole_group {
                let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            }
            let _ = process.kill();
            process.wait().unwrap();
            assert_eq!(Path::new(&house.run("ensure hf", tool)), environment.path);
            for number in [0, 7, 19] {
                assert_eq!(imported(&environment, &format!("p{number}")), "1.0", "{tool}, {moment}");
            }
            // Who was killed after the last change left its free lock: what is ready is answered without taking it, and
            // the next change takes it away.
            let left: Vec<_> = names(&house.environments()).into_iter().filter(|name| name != ".lock-hf-cpu").collect();
            assert_eq!(left, ["hf-cpu"]);
            let scratch = names(path).into_iter().find(|name| name.contains("scratch"));
            assert_eq!((scratch, names(&house.temporary())), (None, vec![]), "{tool}, {moment}");
        }
    }
}

#[test]
fn mistakes_are_told_before_anything_is_made() {
    let house = House::new();
    house.providers("[provider.hf]\npackages = [\"six\"]\npyhton = \"3.12\"\n");
    let said = house.run("ensure hf", "pip");
    let file = house.home().join("providers.toml");
    assert!(
        said.starts_with(&format!("{}:3: [provider.hf] takes no \"pyhton\": expected packages", file.display())),
        "{said}"
    );
    house.providers("[provider.hf]\npython = \"3.99\"\n");
    let said = house.run("ensure hf", "pip");
    assert_eq!(said, "there is no Python runtime 3.99 to make the environment \"hf-cpu\" with");
    assert_eq!(
        house.run("ensure ../hf", "pip"),
        "\"../hf\" cannot name an environment: it contains '/'; letters, digits, \".\", \"_\" and \"-\" are allowed"
    );
    assert!(names(&house.environments()).is_empty());
}

#[test]
fn a_uv_that_is_named_and_is_none_is_an_error() {
    let house = House::new();
    let mut command = house.command("install mine alpha", "pip");
    let said = said(&output(command.env("BEEP_PYTHON_UV", "/nonexistent/uv")));
    assert!(said.starts_with("the uv at /nonexistent/uv cannot be used: cannot run"), "{said}");
}

#[test]
fn without_uv_and_an_index_that_has_it_pip_installs() {
    let house = House::new();
    wheel(&house.index(), "alpha", "1.0", &[]);
    // A file of the right name is not enough: its hash is another.
    let pinned: serde_json::Value = serde_json::from_str(include_str!("../../data/uv.json")).unwrap();
    wheel(&house.index(), "uv", pinned["version"].as_str().unwrap(), &[]);
    let mut command = house.command("install mine alpha", "pip");
    let said = said(&output(command.env_remove("BEEP_PYTHON_UV").env("PATH", "/usr/bin:/bin")));
    assert!(said == "alpha==1.0|alpha==1.0|pip" || Path::new("/usr/bin/uv").exists(), "{said}");
    let tools = house.home().join("tools");
    let left = names(&tools);
    assert!(left.len() == 1 && left[0].ends_with(".failed"), "{left:?}");
    let reason = fs::read_to_string(tools.join(&left[0])).unwrap();
    assert!(reason.to_lowercase().contains("hash"), "{reason}");
}
