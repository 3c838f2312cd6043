//! The environments of providers.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::wheels::wheel;
use crate::support::{names, output};
use crate::{TestHome, imported, look, said, tools, uv};

#[test]
fn ready_provider_runs_nothing_and_a_new_requirement_is_installed() {
    for tool in tools() {
        let test = TestHome::new();
        wheel(&test.index(), "alpha", "1.0", &["beta"]);
        wheel(&test.index(), "beta", "1.0", &[]);
        wheel(&test.index(), "gamma", "1.0", &[]);
        test.providers("[provider.hf]\npackages = [\"alpha\"]\ncpu = [\"gamma\"]\ncuda = [\"nosuch\"]\n");
        let path = test.run("ensure hf", tool);
        assert_eq!(Path::new(&path), test.environments().join("hf-cpu"));
        let (manager, environment) = look(&test, "hf-cpu");
        assert_eq!((imported(&environment, "alpha"), imported(&environment, "gamma")), ("1.0".into(), "1.0".into()));
        assert_eq!(environment.record.as_ref().unwrap().provider.as_deref(), Some("hf"));

        // From now on nothing is there that could be run or installed.
        fs::remove_dir_all(test.index()).unwrap();
        assert_eq!(test.run("ensure hf", "pip"), path);
        assert_eq!(names(&test.environments()), ["hf-cpu"]);

        // A new need is met, and what was there stays.
        wheel(&test.index(), "delta", "1.0", &[]);
        test.providers("[provider.hf]\npackages = [\"alpha\", \"delta\"]\n");
        assert_eq!(test.run("ensure hf", tool), path);
        let packages: Vec<String> = manager.packages(&environment).into_iter().map(|p| p.name).collect();
        assert_eq!(packages, ["alpha", "beta", "delta", "gamma"]);
    }
}

#[test]
fn damaged_environment_is_repaired() {
    for tool in tools() {
        let test = TestHome::new();
        wheel(&test.index(), "alpha", "1.0", &[]);
        test.providers("[provider.hf]\npackages = [\"alpha\"]\n");
        test.run("ensure hf", tool);
        let (_, environment) = look(&test, "hf-cpu");
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
            let said = test.run("ensure hf", tool);
            assert_eq!(Path::new(&said), environment.path, "{tool} {number}");
            assert_eq!(imported(&environment, "alpha"), "1.0", "{tool} {number}");
        }
        assert!(!environment.path.join("beep-python.installing.json").exists());
    }
}

#[test]
fn environment_with_lost_python_is_recreated() {
    let test = TestHome::new();
    wheel(&test.index(), "alpha", "1.0", &[]);
    test.providers("[provider.hf]\npackages = [\"alpha\"]\n");
    test.run("ensure hf", "pip");
    let (_, environment) = look(&test, "hf-cpu");
    let gone = test.folder.path().join("gone");
    fs::remove_file(environment.path.join("bin/python")).unwrap();
    symlink(&gone, environment.path.join("bin/python")).unwrap();
    test.run("ensure hf", "pip");
    assert_eq!(imported(&environment, "alpha"), "1.0");
    assert_eq!(names(&test.environments()), ["hf-cpu"]);
}

#[test]
fn concurrent_callers_install_once() {
    for tool in tools() {
        let test = TestHome::new();
        wheel(&test.index(), "alpha", "1.0", &[]);
        test.providers("[provider.hf]\npackages = [\"alpha\"]\n");
        // The tool writes a line each time it is run.
        let (log, script) = (test.folder.path().join("runs"), test.folder.path().join("uv"));
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
            let mut command = test.command("ensure hf", tool);
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
            assert_eq!(Path::new(&answers), test.environments().join("hf-cpu"), "one answer for all");
        }
        assert_eq!(names(&test.environments()), ["hf-cpu"]);
        if counted {
            assert_eq!(fs::read_to_string(&log).unwrap(), "run\n");
        }
    }
}

#[test]
fn next_call_completes_the_work_of_a_killed_one() {
    for tool in tools() {
        let test = TestHome::new();
        for number in 0..20 {
            wheel(&test.index(), &format!("p{number}"), "1.0", &[]);
        }
        let all: Vec<String> = (0..20).map(|number| format!("\"p{number}\"")).collect();
        test.providers(&format!("[provider.hf]\npackages = [{}]\n", all.join(", ")));
        test.run("ensure hf", tool);
        let (manager, environment) = look(&test, "hf-cpu");
        let path = &environment.path;
        let moments: [(&str, &dyn Fn() -> bool); 6] = [
            ("it is being made", &|| test.environments().join(".new-hf-cpu").exists() || path.exists()),
            ("it is there", &|| path.exists()),
            ("the installation begins", &|| path.join("beep-python.installing.json").exists()),
            ("a file is there", &|| (0..20).any(|n| environment.site_packages.join(format!("p{n}.py")).exists())),
            ("a package is there", &|| !manager.packages(&environment).is_empty()),
            ("it is ready", &|| path.join("beep-python.ready.json").exists()),
        ];
        // The caller alone, whose tool ends with it, or all that it started at once.
        for (number, (moment, has_come)) in moments.iter().enumerate() {
            let whole_group = number % 2 == 0;
            manager.delete("hf-cpu").unwrap();
            let mut command = test.command("ensure hf", tool);
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
            assert_eq!(Path::new(&test.run("ensure hf", tool)), environment.path);
            for number in [0, 7, 19] {
                assert_eq!(imported(&environment, &format!("p{number}")), "1.0", "{tool}, {moment}");
            }
            // Who was killed after the last change left its free lock: what is ready is answered without taking it, and
            // the next change takes it away.
            let left: Vec<_> = names(&test.environments()).into_iter().filter(|name| name != ".lock-hf-cpu").collect();
            assert_eq!(left, ["hf-cpu"]);
            let scratch = names(path).into_iter().find(|name| name.contains("scratch"));
            assert_eq!((scratch, names(&test.temporary())), (None, vec![]), "{tool}, {moment}");
        }
    }
}

#[test]
fn mistake_in_providers_toml_is_reported_with_its_line() {
    let test = TestHome::new();
    test.providers("[provider.hf]\npackages = [\"six\"]\npyhton = \"3.12\"\n");
    let said = test.run("ensure hf", "pip");
    let file = test.home().join("providers.toml");
    assert!(
        said.starts_with(&format!("{}:3: [provider.hf] takes no \"pyhton\": expected packages", file.display())),
        "{said}"
    );
    assert!(test.has_no_environment());
}

#[test]
fn unavailable_python_creates_no_environment() {
    let test = TestHome::new();
    test.providers("[provider.hf]\npython = \"3.99\"\n");
    let said = test.run("ensure hf", "pip");
    assert_eq!(said, "there is no Python runtime 3.99 to create the environment \"hf-cpu\" with");
    assert!(test.has_no_environment());
}

#[test]
fn invalid_provider_name_creates_no_environment() {
    let test = TestHome::new();
    assert_eq!(
        test.run("ensure ../hf", "pip"),
        "\"../hf\" cannot name an environment: it contains '/'; letters, digits, \".\", \"_\" and \"-\" are allowed"
    );
    assert!(test.has_no_environment());
}
