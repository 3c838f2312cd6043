//! What the tools see, where they install, and when they end.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::index::{Index, Wheel, bare, from, make, tools};
use super::project::{hanging_project, project};
use super::test_home::{CommandOutput, TestHome, port_of, signal, wait_until};

#[test]
fn packages_of_the_base_python_are_not_the_environments() {
    // Wherever pip runs from, it finds itself beside it.
    for tool in tools() {
        let index = Index::of(&["pip"]);
        index.add(Wheel { name: "needy", version: "1.0", requires: &["pip"], ..Wheel::default() });
        let home = TestHome::with_runtime();
        let done = |arguments: &[&str]| {
            let output = from(&index, &home, tool, arguments);
            assert_eq!(output.code, Some(0), "{tool} {arguments:?}: {output:?}");
            output.stdout
        };
        done(&["venv", "create", "mine"]);
        assert_eq!(done(&["venv", "install", "mine", "needy"]), "Installed into mine: needy 1.0, pip 1.0\n");
        done(&["venv", "lock", "mine", "--output", "team.toml"]);
        done(&["venv", "create", "two"]);
        assert_eq!(done(&["venv", "sync", "two", "team.toml"]), "Installed into two: needy 1.0, pip 1.0\n");
        assert_eq!(home.run(&["venv", "status", "two"]).code, Some(0));
    }
}

#[test]
fn notice_says_why_pip_installs() {
    let index = Index::of(&["alpha"]);
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    let run = |arguments: &[&str]| {
        let mut command = bare(&home, "pip", arguments);
        command.env_remove("BEEP_PYTHON_UV").env("PATH", "/usr/bin:/bin").env("PIP_INDEX_URL", index.url());
        CommandOutput::from(command.output().unwrap())
    };
    let installed = run(&["venv", "install", "mine", "alpha"]);
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let notice = "notice: pip does the work of uv, which is not available: ";
    assert!(installed.stderr.contains(notice) || Path::new("/usr/bin/uv").exists(), "{installed:?}");
    // Who wants pip need not be told.
    let wanted = from(&index, &home, "pip", &["venv", "install", "mine", "alpha==1.0", "alpha"]);
    assert!(!wanted.stderr.contains("notice"), "{wanted:?}");
}

/// A source without pyproject.toml, and packages that can build it in the place of setuptools and wheel.
const LEGACY: &str = r#"
import io, sys, tarfile, zipfile
folder = sys.argv[1]
with tarfile.open(f'{folder}/legacy-1.0.tar.gz', 'w:gz') as archive:
    for name, text in [('setup.py', 'import setuptools\nsetuptools.setup()\n'),
                       ('PKG-INFO', 'Metadata-Version: 2.1\nName: legacy\nVersion: 1.0\n')]:
        info = tarfile.TarInfo('legacy-1.0/' + name)
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text.encode()))
backend = '''
import os, zipfile
class Legacy:
    def build_wheel(self, folder, config_settings=None, metadata_directory=None):
        name = 'legacy-1.0-py3-none-any.whl'
        with zipfile.ZipFile(os.path.join(folder, name), 'w') as wheel:
            wheel.writestr('legacy.py', '')
            wheel.writestr('legacy-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: legacy\\nVersion: 1.0\\n')
            wheel.writestr('legacy-1.0.dist-info/WHEEL',
                           'Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
            wheel.writestr('legacy-1.0.dist-info/RECORD', 'legacy.py,,\\nlegacy-1.0.dist-info/RECORD,,\\n')
        return name
__legacy__ = Legacy()
'''
for name, files in [('setuptools', {'setuptools/__init__.py': '', 'setuptools/build_meta.py': backend}), ('wheel', {})]:
    info = f'{name}-99.0.dist-info/'
    with zipfile.ZipFile(f'{folder}/{name}-99.0-py3-none-any.whl', 'w') as wheel:
        files[info + 'METADATA'] = f'Metadata-Version: 2.1\nName: {name}\nVersion: 99.0\n'
        files[info + 'WHEEL'] = 'Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n'
        files[info + 'RECORD'] = ''.join(f'{path},,\n' for path in files) + info + 'RECORD,,\n'
        for path, text in files.items():
            wheel.writestr(path, text)
"#;

#[test]
fn source_without_pyproject_toml_is_built_by_every_pip() {
    let home = TestHome::with_runtime();
    let wheels = home.directory().join("wheels");
    fs::create_dir(&wheels).unwrap();
    let made = Command::new(super::test_home::python()).args(["-I", "-c", LEGACY]).arg(&wheels).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    for series in ["3.9", "3.10", "3.11", "3.12", "3.13"] {
        let name = format!("e{series}");
        let made = home.run(&["venv", "create", &name, "--python", series]);
        if made.code != Some(0) {
            eprintln!("SKIPPED: there is no Python {series}");
            continue;
        }
        let mut command = bare(&home, "pip", &["venv", "install", &name, "legacy"]);
        let output = command.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", &wheels).output().unwrap();
        let output = CommandOutput::from(output);
        if output.stderr.contains("there is no tool to install packages") {
            eprintln!("SKIPPED: Python {series} has no pip");
            continue;
        }
        assert_eq!(output.stdout, format!("Installed into {name}: legacy 1.0\n"), "{series}: {output:?}");
    }
}

#[test]
fn tool_and_its_builds_end_with_the_command_that_started_them() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        let home = TestHome::with_runtime();
        home.success(&["venv", "create", "mine"]);
        let told = home.directory().join("told");
        hanging_project(&home.directory().join("slow"), "slow", &told);
        for number in [Signal::KILL, Signal::INT, Signal::TERM] {
            let mut command = bare(&home, tool, &["venv", "install", "mine", "./slow"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            wait_until("the build has begun", || told.exists());
            let pids = processes_of_the_build(&told);
            // Who waits is told for whom, and does not wait for ever.
            let mut waiting = bare(&home, tool, &["venv", "install", "mine", "alpha"]);
            let waited = CommandOutput::from(waiting.env("BEEP_PYTHON_LOCK_TIMEOUT", "0").output().unwrap());
            assert_eq!(waited.code, Some(1), "{waited:?}");
            let holder = format!("process {} (beep-python venv install mine ./slow)", child.id());
            assert!(waited.stderr.contains(&format!("waiting for {holder}")), "{waited:?}");
            assert!(waited.stderr.contains(&format!("being changed by {holder}, and were not free within 0 s")));

            signal(child.id().into(), number);
            child.wait().unwrap();
            wait_until_ended(&pids);
            let free = from(&index, &home, tool, &["venv", "install", "mine", "alpha"]);
            assert_eq!(free.code, Some(0), "{tool}: {free:?}");
            home.success(&["venv", "uninstall", "mine", "alpha"]);
        }
    }
}

#[test]
fn tool_and_its_builds_end_with_the_server_that_started_them() {
    for tool in tools() {
        let home = TestHome::with_runtime();
        home.success(&["venv", "create", "mine"]);
        let (told, slow) = (home.directory().join("told"), home.directory().join("slow"));
        hanging_project(&slow, "slow", &told);
        let body = json!({ "name": "mine", "packages": [slow] }).to_string();
        let request = format!(
            "POST /api/venv/install HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        for (end, number) in [("killed", Some(Signal::KILL)), ("stopped", None)] {
            let started = bare(&home, tool, &["start", "http", "--port", "0", "--json"]).output().unwrap();
            let server: Value = serde_json::from_slice(&started.stdout).unwrap();
            let port = port_of(&server);
            let mut client = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
            client.write_all(request.as_bytes()).unwrap();
            wait_until("the build has begun", || told.exists());
            let pids = processes_of_the_build(&told);

            match number {
                Some(number) => signal(server["pid"].as_u64().unwrap(), number),
                None => drop(home.run(&["stop"])),
            }
            wait_until_ended(&pids);
            assert_eq!(home.json(&["venv", "status", "mine"])["packages"], json!([]), "{tool}, {end}");
            home.run(&["stop", "--all"]);
        }
        home.wait_until_no_process_is_left();
    }
}

/// The processes of a build that hangs, which has told of them.
fn processes_of_the_build(told: &Path) -> Vec<i32> {
    let pids = fs::read_to_string(told).unwrap().split(' ').map(|pid| pid.parse().unwrap()).collect();
    fs::remove_file(told).unwrap();
    pids
}

fn wait_until_ended(pids: &[i32]) {
    for pid in pids {
        wait_until("the build has ended", || {
            fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
        });
    }
}

#[test]
fn settings_that_lead_elsewhere_do_not() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        let home = TestHome::with_runtime();
        let here = |name: &str| home.directory().join(name);
        let elsewhere = here("elsewhere").display().to_string();
        let url = index.url();
        fs::write(here("target.conf"), format!("[global]\ntarget = {elsewhere}\nindex-url = {url}\n")).unwrap();
        fs::write(here("prefix.conf"), format!("[install]\nprefix = {elsewhere}\n[global]\nindex-url = {url}\n"))
            .unwrap();
        fs::write(
            here("root.conf"),
            format!("[install]\nroot = {elsewhere}\nuser = true\n[global]\nindex-url = {url}\n"),
        )
        .unwrap();
        let uv = format!("[pip]\ntarget = \"{elsewhere}\"\n[[index]]\nurl = \"{url}\"\ndefault = true\n");
        fs::write(here("uv.toml"), &uv).unwrap();
        fs::create_dir_all(here("config/uv")).unwrap();
        fs::write(here("config/uv/uv.toml"), uv.replace("target", "prefix")).unwrap();
        fs::create_dir_all(here("project/inner")).unwrap();
        let project = format!(
            "[project]\nname = \"x\"\nversion = \"1\"\n[tool.uv]\nno-index = true\n[tool.uv.pip]\ntarget = \"{elsewhere}\"\n"
        );
        fs::write(here("project/pyproject.toml"), project).unwrap();
        let shown = |name: &str| here(name).display().to_string();
        let ways: [(&[(&str, String)], &str); 8] = [
            (&[("PIP_CONFIG_FILE", shown("target.conf"))], "."),
            (&[("PIP_CONFIG_FILE", shown("prefix.conf"))], "."),
            (&[("PIP_CONFIG_FILE", shown("root.conf"))], "."),
            (&[("PIP_TARGET", elsewhere.clone()), ("PIP_INDEX_URL", url.clone())], "."),
            (&[("UV_CONFIG_FILE", shown("uv.toml")), ("UV_NO_CONFIG", String::new())], "."),
            (&[("XDG_CONFIG_HOME", shown("config")), ("UV_NO_CONFIG", String::new())], "."),
            (&[("UV_DEFAULT_INDEX", url.clone()), ("UV_NO_CONFIG", String::new())], "project"),
            (&[("UV_DEFAULT_INDEX", url.clone()), ("UV_NO_CONFIG", String::new())], "project/inner"),
        ];
        for (number, (way, folder)) in ways.iter().enumerate() {
            let name = format!("e{number}");
            let mut command = bare(&home, tool, &["venv", "create", &name, "--with", "alpha"]);
            for (variable, value) in *way {
                match value.is_empty() {
                    true => command.env_remove(variable),
                    false => command.env(variable, value),
                };
            }
            let output = CommandOutput::from(command.current_dir(here(folder)).output().unwrap());
            assert_eq!(output.code, Some(0), "{tool} {way:?} {folder}: {output:?}");
            assert_eq!(home.json(&["venv", "packages", &name]), json!([{"name": "alpha", "version": "1.0"}]));
            assert!(!here("elsewhere").exists(), "{tool} {way:?} {folder}");
        }
    }
}

#[test]
fn provider_is_the_same_from_every_folder() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        let home = TestHome::with_runtime();
        project(&home.root().join("mine"), "mine");
        make(&home.root().join("wheels"), Wheel { name: "beta", version: "1.0", ..Wheel::default() });
        let text = "[provider.hf]\npackages = [\"./mine\", \"wheels/beta-1.0-py3-none-any.whl\", \"alpha\"]\n";
        fs::write(home.root().join("providers.toml"), text).unwrap();
        let folder = home.directory().join("project");
        fs::create_dir_all(&folder).unwrap();
        let toml =
            "[project]\nname = \"x\"\nversion = \"1\"\n[tool.uv]\nno-index = true\n[tool.uv.pip]\nno-deps = true\n";
        fs::write(folder.join("pyproject.toml"), toml).unwrap();
        for folder in [folder.as_path(), Path::new("/")] {
            let mut command = bare(&home, tool, &["provider", "ensure", "hf"]);
            command.env_remove("UV_NO_CONFIG").env("PIP_INDEX_URL", index.url()).env("BEEP_PYTHON_ACCELERATOR", "cpu");
            let output = CommandOutput::from(command.current_dir(folder).output().unwrap());
            assert_eq!(output.code, Some(0), "{tool}: {output:?}");
            let packages = home.json(&["venv", "packages", "hf-cpu"]);
            let names: Vec<&str> =
                packages.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
            assert_eq!(names, ["alpha", "beta", "mine"], "{tool}");
            home.success(&["venv", "delete", "hf-cpu", "--yes"]);
        }
    }
}

#[test]
fn caches_are_in_the_home_where_the_user_has_no_folder() {
    for tool in tools() {
        let index = Index::of(&["alpha"]);
        let home = TestHome::with_runtime();
        let mut command = bare(&home, tool, &["venv", "create", "mine", "--with", "alpha"]);
        // A file, since the superuser may write to every folder.
        let file = home.directory().join("file");
        std::fs::write(&file, "").unwrap();
        command.env("HOME", file.join("nowhere")).env("PIP_INDEX_URL", index.url());
        for name in ["UV_CACHE_DIR", "XDG_CACHE_HOME", "PIP_CACHE_DIR", "PIP_NO_CACHE_DIR"] {
            command.env_remove(name);
        }
        let output = CommandOutput::from(command.output().unwrap());
        assert_eq!((output.code, &*output.stderr), (Some(0), ""), "{tool}: {output:?}");
        // pip makes its own when there is something to keep.
        assert!(tool == "pip" || home.root().join("cache/uv").is_dir());
        assert!(!home.directory().join(".uv_cache").exists());
    }
}
