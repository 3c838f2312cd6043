//! Making, checking and removing virtual environments.

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use beep_python_runtime::environment::{EnvironmentError, EnvironmentRecord, EnvironmentState, VenvManager};
use beep_python_runtime::interpreter::{Interpreter, query};
use beep_python_runtime::platform::Home;
use support::{home, names, one_of_each_series, output, pythons};
use tempfile::TempDir;

/// A folder whose name needs quotes everywhere.
const AWKWARD: &str = "a folder's \"häuschen\" $HOME `x` 日本";

fn manager() -> (TempDir, VenvManager) {
    let (folder, home) = home();
    (folder, VenvManager::new(home))
}

fn awkward_manager() -> (TempDir, VenvManager) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path().join(AWKWARD)).unwrap();
    (folder, VenvManager::new(home))
}

fn python() -> &'static Interpreter {
    &pythons()[0]
}

/// One that brings pip with it, which some distributions leave out.
fn python_with_pip() -> &'static Interpreter {
    let found = pythons().iter().find(|python| python.stdlib.join("ensurepip/_bundled").is_dir());
    found.expect("these tests need a CPython whose ensurepip is installed (python3-venv)")
}

/// A Python of our own that can be removed: a link that leads to the machine's.
fn own_python(folder: &Path, home: &Home) -> Interpreter {
    let mut own = query(home, &python().path).unwrap();
    own.path = folder.join(own.path.file_name().unwrap());
    symlink(&python().path, &own.path).unwrap();
    own
}

fn ask(python: &Path, expression: &str) -> String {
    output(Command::new(python).args(["-I", "-c", &format!("import sys, os, site, sysconfig; print({expression})")]))
}

fn folder_of(manager: &VenvManager) -> PathBuf {
    manager.home().environments().unwrap()
}

#[test]
fn an_environment_is_what_the_standard_module_makes() {
    for python in one_of_each_series() {
        let (folder, manager) = awkward_manager();
        let environment = manager.create("mine", python).unwrap();
        let reference = folder.path().join("reference");
        let mut venv = Command::new(&python.path);
        let made = venv.args(["-I", "-m", "venv", "--without-pip"]).arg(&reference).output().unwrap();
        assert_eq!(environment.path, folder_of(&manager).join("mine"));
        assert_eq!(environment.record.as_ref().unwrap().python, python.version);

        let facts = |environment: &Path| {
            let facts = [
                "sys.prefix",
                "sys.exec_prefix",
                "sys.base_prefix",
                "site.getsitepackages()",
                "site.ENABLE_USER_SITE",
                "sysconfig.get_paths()",
                "[p for p in sys.path if p]",
                "sys.flags.no_user_site",
                "sys.executable",
            ];
            let said = ask(&environment.join("bin/python"), &format!("[{}]", facts.join(", ")));
            said.replace(&format!("{:?}", environment.to_str().unwrap()), "HERE")
                .replace(environment.to_str().unwrap(), "HERE")
        };
        assert_eq!(ask(&environment.python, "sys.prefix"), environment.path.to_str().unwrap());
        assert_eq!(ask(&environment.python, "site.getsitepackages()[0]"), environment.site_packages.to_str().unwrap());
        if made.status.success() {
            let there = reference.canonicalize().unwrap();
            // Repr writes a path with both kinds of quotes otherwise, so that what is compared is a plain copy of ours.
            let plain = folder.path().join("plain");
            let plain_home = Home::open(&plain).unwrap();
            let ours = VenvManager::new(plain_home).create("mine", python).unwrap();
            assert_eq!(facts(&ours.path), facts(&there));
        }
        for name in ["python", "python3", &python.name()] {
            assert_eq!(query(manager.home(), environment.path.join("bin").join(name)).unwrap(), *python);
        }
        assert_eq!(fs::read_link(environment.path.join("lib64")).unwrap(), Path::new("lib"));
    }
}

#[test]
fn the_configuration_says_what_pep_405_asks() {
    let (_folder, manager) = manager();
    let environment = manager.create("mine", python()).unwrap();
    let text = fs::read_to_string(environment.path.join("pyvenv.cfg")).unwrap();
    let value = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap_or_else(|| panic!("{key}"));
        line.split_once(" = ").unwrap().1.to_owned()
    };
    assert_eq!(Path::new(&value("home")), python().path.parent().unwrap());
    assert_eq!(value("include-system-site-packages"), "false");
    assert_eq!(value("version"), python().version.to_string());
    assert_eq!(Path::new(&value("executable")), python().path);
    assert!(value("command").ends_with("mine"));
}

#[test]
fn pip_can_be_installed_and_used_in_it() {
    let (_folder, manager) = awkward_manager();
    let environment = manager.create("mine", python_with_pip()).unwrap();
    output(Command::new(&environment.python).args(["-I", "-m", "ensurepip", "--default-pip"]));
    let status = manager.status("mine").unwrap();
    assert!(status.packages.iter().any(|package| package.name == "pip"), "{status:?}");
    assert!(environment.path.join("bin/pip").exists());
    assert!(status.size_bytes.unwrap() > 1 << 20);
    let listed =
        output(Command::new(&environment.python).args(["-I", "-m", "pip", "--no-input", "list", "--format=freeze"]));
    for package in &status.packages {
        assert!(listed.contains(&format!("{}=={}", package.name, package.version)), "{listed}");
    }
}

#[test]
fn activation_works_in_every_shell_and_is_taken_back() {
    let (folder, manager) = awkward_manager();
    let environment = manager.create("mine", python()).unwrap();
    let script = folder.path().join("try.sh");
    let bin = environment.path.join("bin");
    fs::write(
        &script,
        "set -eu\n\
         before=$PATH; PYTHONHOME=/nowhere; PS1='$ '\n\
         . \"$1\"\n\
         echo \"$VIRTUAL_ENV\"; command -v python; echo \"${PYTHONHOME-unset}\"; echo \"$PS1\"\n\
         python -I -c 'import sys; print(sys.prefix)'\n\
         . \"$1\"\n\
         deactivate\n\
         test \"$before\" = \"$PATH\"; echo \"${VIRTUAL_ENV-unset} $PYTHONHOME $PS1\"\n\
         if [ \"$(command -v deactivate)\" = deactivate ]; then exit 7; fi\n",
    )
    .unwrap();
    let shells = ["sh", "bash", "dash", "zsh", "ksh", "busybox"];
    let there =
        |shell: &&str| Command::new(shell).args(["-c", "true"]).output().is_ok_and(|output| output.status.success());
    let shells: Vec<&str> = shells.into_iter().filter(|shell| there(shell)).collect();
    assert!(shells.contains(&"sh"));
    for shell in shells {
        let said = output(
            Command::new(shell).arg(&script).arg(bin.join("activate")).current_dir("/").env_remove("VIRTUAL_ENV"),
        );
        let prefix = environment.path.display();
        let expected = format!("{prefix}\n{prefix}/bin/python\nunset\n(mine) $ \n{prefix}\nunset /nowhere $");
        assert_eq!(said, expected, "{shell}");
    }
}

/// What a shell of another family is told: activate, activate again, take it back. It says what it found before and after.
const FISH: &str = r#"
function fish_prompt; printf '$ '; end
set -gx PYTHONHOME /nowhere
set -g --path before $PATH
source $argv[1]
echo $VIRTUAL_ENV; command -s python; set -q PYTHONHOME; or echo unset; fish_prompt; echo
python -I -c 'import sys; print(sys.prefix)'
source $argv[1]
deactivate
test "$before" = "$PATH"; or echo another PATH: $PATH
set -q VIRTUAL_ENV; or printf 'unset '; printf '%s ' $PYTHONHOME; fish_prompt; echo
functions -q deactivate; and exit 7
exit 0
"#;
const CSH: &str = r#"
set prompt="$ "
setenv PYTHONHOME /nowhere
set before="$PATH:q"
set script="$1:q"
source "$script:q"
echo "$VIRTUAL_ENV:q"; which python; if ( ! $?PYTHONHOME ) echo unset
echo "$prompt:q"
python -I -c 'import sys; print(sys.prefix)'
source "$script:q"
deactivate
if ( "$before:q" != "$PATH:q" ) echo "another PATH: $PATH:q"
if ( ! $?VIRTUAL_ENV ) echo "unset $PYTHONHOME $prompt:q"
if ( "`alias deactivate`" != "" ) exit 7
exit 0
"#;

#[test]
fn activation_works_in_shells_of_other_families() {
    let (folder, manager) = awkward_manager();
    let environment = manager.create("mine", python()).unwrap();
    for (shell, plain, script, name) in
        [("fish", "--no-config", FISH, "activate.fish"), ("tcsh", "-f", CSH, "activate.csh")]
    {
        if Command::new(shell).args([plain, "-c", "true"]).output().is_err() {
            // Where it is known to be there, as `.ci/run` says, it must be.
            let needed = std::env::var("BEEP_PYTHON_TEST_SHELLS").unwrap_or_default();
            assert!(!needed.split_whitespace().any(|needed| needed == shell), "there is no {shell} on PATH");
            eprintln!("SKIPPED: there is no {shell} on PATH");
            continue;
        }
        let path = folder.path().join(name);
        fs::write(&path, script).unwrap();
        let mut command = Command::new(shell);
        command.arg(plain).arg(&path).arg(environment.path.join("bin").join(name)).current_dir("/");
        // fish keeps its history and variables there.
        let said = output(command.env("HOME", folder.path()).env_remove("VIRTUAL_ENV").env_remove("XDG_CONFIG_HOME"));
        let prefix = environment.path.display();
        let expected = format!("{prefix}\n{prefix}/bin/python\nunset\n(mine) $ \n{prefix}\nunset /nowhere $");
        assert_eq!(said, expected, "{shell}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused_everywhere() {
    let (folder, manager) = manager();
    fs::create_dir(folder.path().join("precious")).unwrap();
    for name in ["", ".", "..", "../precious", "a/b", "/tmp", ".new-x", "x\n", &"x".repeat(101)] {
        let errors = [
            manager.create(name, python()).map(drop),
            manager.ensure(name, python()).map(drop),
            manager.open(name).map(drop),
            manager.status(name).map(drop),
            manager.delete(name),
        ];
        for error in errors {
            assert!(matches!(error, Err(EnvironmentError::InvalidName { .. })), "{name:?}: {error:?}");
        }
    }
    assert!(folder.path().join("precious").exists());
    assert_eq!(names(&folder_of(&manager)), [""; 0]);
}

#[test]
fn there_is_one_of_each_name() {
    let (_folder, manager) = manager();
    let (first, made) = manager.ensure("mine", python()).unwrap();
    assert!(made);
    assert_eq!(manager.ensure("mine", python()).unwrap(), (first.clone(), false));
    assert_eq!(manager.open("mine").unwrap(), first);
    let error = manager.create("mine", python()).unwrap_err();
    assert!(matches!(&error, EnvironmentError::AlreadyExists { path, .. } if *path == first.path), "{error}");
    assert!(matches!(manager.open("other").unwrap_err(), EnvironmentError::NotFound { .. }));
    assert!(matches!(manager.delete("other").unwrap_err(), EnvironmentError::NotFound { .. }));
}

#[test]
fn many_at_once_make_one() {
    let (_folder, manager) = manager();
    let made: usize = std::thread::scope(|scope| {
        let each: Vec<_> = (0..16).map(|_| scope.spawn(|| manager.ensure("mine", python()).unwrap().1)).collect();
        each.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
    });
    assert_eq!(made, 1);
    assert_eq!(names(&folder_of(&manager)), ["mine"]);
}

#[test]
fn what_is_made_for_a_provider_is_what_it_ensures() {
    let (_folder, manager) = manager();
    for provider in ["hf-cpu", "hf-rocm"] {
        let model = Some("Qwen/Qwen3-8B");
        let made = manager.create_for_provider(provider, model, python()).unwrap();
        assert_eq!(made.name, if provider == "hf-cpu" { "hf-cpu" } else { "hf-rocm-qwen-qwen3-8b" });
        let record = manager.open(&made.name).unwrap().record.unwrap();
        assert_eq!((record.provider.as_deref(), record.model.as_deref()), (Some(provider), model));
        assert_eq!(manager.ensure_provider_environment(provider, model).unwrap(), made);
        let again = manager.create_for_provider(provider, model, python()).unwrap_err();
        assert!(matches!(again, EnvironmentError::AlreadyExists { .. }), "{again}");
    }
}

#[test]
fn delete_removes_what_we_made_and_nothing_else() {
    let (folder, manager) = manager();
    let environments = folder_of(&manager);
    manager.create("mine", python()).unwrap();
    fs::create_dir(environments.join("theirs")).unwrap();
    fs::write(environments.join("theirs/file"), "").unwrap();
    // A link to a folder that looks like ours is only a link.
    let elsewhere = folder.path().join("elsewhere");
    output(Command::new("cp").arg("-a").arg(environments.join("mine")).arg(&elsewhere));
    symlink(&elsewhere, environments.join("linked")).unwrap();

    let error = manager.delete("theirs").unwrap_err();
    assert!(matches!(&error, EnvironmentError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("refusing to touch it"));
    manager.delete("mine").unwrap();
    manager.delete("linked").unwrap();
    assert_eq!(names(&environments), ["theirs"]);
    assert!(environments.join("theirs/file").exists() && elsewhere.join("pyvenv.cfg").exists());
}

#[test]
fn what_a_killed_process_left_is_not_taken_for_an_environment() {
    let (_folder, manager) = manager();
    let environments = folder_of(&manager);
    let whole = manager.create("whole", python()).unwrap();
    for left in [".new-half", ".trash-old"] {
        output(Command::new("cp").arg("-a").arg(&whole.path).arg(environments.join(left)));
    }
    let listed: Vec<String> = manager.list().unwrap().into_iter().map(|environment| environment.name).collect();
    assert_eq!(listed, ["whole"]);
    assert!(matches!(manager.open("half").unwrap_err(), EnvironmentError::NotFound { .. }));
    manager.create("half", python()).unwrap();
    assert_eq!(names(&environments), ["half", "whole"]);
}

#[test]
fn an_environment_that_does_not_run_is_not_made() {
    let (folder, manager) = manager();
    // It runs, and is not what it says it is: its prefix is another.
    let other = Interpreter { prefix: folder.path().to_owned(), ..python().clone() };
    let error = manager.create("mine", &other).unwrap_err();
    assert!(matches!(&error, EnvironmentError::NotIsolated { what: "sys.base_prefix", .. }), "{error}");
    let other = Interpreter { path: "/bin/false".into(), ..python().clone() };
    let error = manager.create("mine", &other).unwrap_err();
    assert!(matches!(error, EnvironmentError::Unrunnable { .. }), "{error}");
    let other = Interpreter { version: "3.8.1".parse().unwrap(), ..python().clone() };
    assert!(matches!(manager.create("mine", &other).unwrap_err(), EnvironmentError::Interpreter(_)));
    assert_eq!(names(&folder_of(&manager)), [""; 0]);
}

#[test]
fn the_state_of_each_is_told_whatever_is_wrong_with_the_others() {
    let (folder, manager) = manager();
    let environments = folder_of(&manager);
    let own = own_python(folder.path(), manager.home());
    for name in ["a-healthy", "c-broken", "d-changed", "e-no-record", "g-lost"] {
        manager.create(name, python()).unwrap();
    }
    manager.create("b-gone", &own).unwrap();
    fs::remove_file(&own.path).unwrap();
    fs::remove_file(environments.join("c-broken/pyvenv.cfg")).unwrap();
    let record = environments.join("d-changed/beep-python.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(record, text.replace(&format!("\"{}\"", python().version), "\"3.9.1\"")).unwrap();
    fs::write(environments.join("e-no-record/beep-python.json"), "{").unwrap();
    fs::write(environments.join("g-lost/beep-python.json"), "{").unwrap();
    fs::remove_file(environments.join("g-lost/pyvenv.cfg")).unwrap();
    fs::write(environments.join("f-file"), "").unwrap();

    let listed = manager.list().unwrap();
    let states: Vec<_> = listed.iter().map(|environment| (environment.name.as_str(), &environment.state)).collect();
    assert_eq!(states.len(), 6, "{states:?}");
    assert!(matches!(states[0], ("a-healthy", EnvironmentState::Healthy)));
    assert!(
        matches!(states[1], ("b-gone", EnvironmentState::InterpreterGone { interpreter, .. }) if *interpreter == own.path)
    );
    assert!(matches!(states[2], ("c-broken", EnvironmentState::Healthy)), "a glance runs nothing");
    assert!(
        matches!(states[3], ("d-changed", EnvironmentState::InterpreterChanged { is, .. }) if *is == python().version)
    );
    assert!(matches!(states[4], ("e-no-record", EnvironmentState::Healthy)), "it is made anew");
    assert!(matches!(states[5], ("g-lost", EnvironmentState::Foreign { .. })));
    for listed in &listed {
        let status = manager.status(&listed.name).unwrap();
        match listed.name.as_str() {
            "c-broken" => assert!(
                matches!(&status.state, EnvironmentState::Unrunnable { reason } if reason.contains("sys.prefix"))
            ),
            _ => assert_eq!(status.state, listed.state),
        }
    }
    let again = EnvironmentRecord { created: 0, ..listed[4].record.clone().unwrap() };
    let first = EnvironmentRecord { created: 0, name: again.name.clone(), ..listed[0].record.clone().unwrap() };
    assert_eq!(again, first);
    assert_eq!(serde_json::to_value(&listed[0]).unwrap()["state"], "healthy");
}

#[test]
fn packages_are_read_from_their_metadata() {
    let (_folder, manager) = manager();
    let environment = manager.create("mine", python()).unwrap();
    let dist_info = |folder: &str, metadata: &str| {
        let folder = environment.site_packages.join(folder);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("METADATA"), metadata).unwrap();
    };
    dist_info("zope_x-1.0.dist-info", "Metadata-Version: 2.1\nName: zope.x\nVersion: 1.0\n\nName: not this\n");
    dist_info("Alpha-2.0.dist-info", "Name: Alpha\r\nVersion: 2.0\r\n\r\nText\n");
    dist_info("broken-3.0.dist-info", "Metadata-Version: 2.1\n\nName: broken\nVersion: 3.0\n");
    fs::create_dir(environment.site_packages.join("empty-1.dist-info")).unwrap();
    let packages = manager.status("mine").unwrap().packages;
    let packages: Vec<String> =
        packages.into_iter().map(|package| format!("{}=={}", package.name, package.version)).collect();
    assert_eq!(packages, ["Alpha==2.0", "zope.x==1.0"]);
}

#[test]
fn anybodys_environment_can_be_opened_by_its_path() {
    let (folder, manager) = manager();
    let path = manager.create("mine", python()).unwrap().path;
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    fs::remove_file(elsewhere.join("beep-python.json")).unwrap();
    let opened = manager.open_path(&elsewhere).unwrap();
    assert_eq!((opened.name.as_str(), &opened.record), ("elsewhere", &None));
    assert!(opened.site_packages.is_dir() && opened.python.exists());
    for wrong in [folder.path().to_owned(), folder.path().join("nothing")] {
        assert!(matches!(manager.open_path(wrong).unwrap_err(), EnvironmentError::NotAnEnvironment { .. }));
    }
}

#[test]
fn everything_is_private_to_the_user() {
    let (_folder, manager) = manager();
    manager.create("mine", python()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(manager.home().root()), 0o700);
    assert_eq!(mode(&folder_of(&manager)), 0o700);
}

/// The environment `admin`, with an index of wheels that the test makes. In a process of its own for each configuration
/// of pip, since that comes from the environment variables.
#[test]
fn admin_has_pip_setuptools_and_wheel() {
    let (folder, manager) = manager();
    let index = folder.path().join("index");
    fs::create_dir(&index).unwrap();
    let home = manager.home().root().to_str().unwrap();

    // Nothing to be had: pip is there all the same, and what is missing is told with the reason.
    let (created, installed, missing) = run_admin(home, &index);
    assert!(created);
    assert!(installed.contains("pip"));
    let expected: BTreeSet<String> =
        ["setuptools", "wheel"].map(str::to_owned).into_iter().filter(|n| !installed.contains(n)).collect();
    assert_eq!(missing.keys().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(missing.values().all(|reason| reason.contains("No matching distribution found")), "{missing:?}");

    // Then one, then both; what is there is not touched.
    wheel(&folder.path().join("build"), &index, "wheel");
    let (created, installed, missing) = run_admin(home, &index);
    assert!(!created && installed.contains("wheel") && !missing.contains_key("wheel"), "{missing:?}");
    wheel(&folder.path().join("build"), &index, "setuptools");
    let (_, installed, missing) = run_admin(home, &index);
    assert!(missing.is_empty(), "{missing:?}");
    assert!(["pip", "setuptools", "wheel"].iter().all(|name| installed.contains(*name)));
    fs::remove_dir_all(&index).unwrap();
    assert!(run_admin(home, &index).2.is_empty());
    assert_eq!(names(&folder_of(&manager)), ["admin"]);
}

#[test]
fn admin_of_a_python_without_pip_says_what_is_missing() {
    let (folder, manager) = manager();
    let archive = support::archive::packed().write(folder.path());
    output(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()));
    let bare = query(manager.home(), folder.path().join("python")).unwrap();
    let outcome = manager.admin(&bare).unwrap();
    let missing: Vec<&str> = outcome.missing.iter().map(|package| package.name.as_str()).collect();
    assert_eq!((missing, outcome.packages), (vec!["pip", "setuptools", "wheel"], vec![]));
    assert!(outcome.missing[0].reason.contains("No module named ensurepip"), "{}", outcome.missing[0].reason);
}

type Admin = (bool, BTreeSet<String>, std::collections::BTreeMap<String, String>);

fn run_admin(home: &str, index: &Path) -> Admin {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "admin_process", "--nocapture"])
        .env("TEST_ADMIN_HOME", home)
        .env("TEST_ADMIN_PYTHON", &python_with_pip().path);
    child
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", index)
        .env("PIP_CONFIG_FILE", "/dev/null")
        .env_remove("PIP_INDEX_URL");
    let said = output(&mut child);
    let answer = said.lines().find_map(|line| line.split_once("ANSWER ")).unwrap_or_else(|| panic!("{said}")).1;
    serde_json::from_str(answer).unwrap()
}

/// Not a test by itself: the process that the test above starts.
#[test]
fn admin_process() {
    let (Ok(home), Ok(python)) = (std::env::var("TEST_ADMIN_HOME"), std::env::var("TEST_ADMIN_PYTHON")) else { return };
    let manager = VenvManager::new(Home::open(home).unwrap());
    let outcome = manager.admin(&query(manager.home(), python).unwrap()).unwrap();
    let answer: Admin = (
        outcome.created,
        outcome.packages.into_iter().map(|package| package.name).collect(),
        outcome.missing.into_iter().map(|package| (package.name, package.reason)).collect(),
    );
    println!("\nANSWER {}", serde_json::to_string(&answer).unwrap());
}

/// A wheel that holds nothing but its name.
fn wheel(build: &Path, index: &Path, name: &str) {
    fs::create_dir_all(build).unwrap();
    let script = "import sys, zipfile\n\
        name, path = sys.argv[1], sys.argv[2]\n\
        info = name + '-99.0.dist-info/'\n\
        with zipfile.ZipFile(path, 'w') as wheel:\n    \
            wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: ' + name + '\\nVersion: 99.0\\n')\n    \
            wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n    \
            wheel.writestr(info + 'RECORD', '')\n";
    let path = index.join(format!("{name}-99.0-py3-none-any.whl"));
    output(Command::new(&python().path).args(["-I", "-c", script, name]).arg(path));
}
