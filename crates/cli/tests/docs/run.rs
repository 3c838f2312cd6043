//! Runs the blocks of a page.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::page::{Page, Step, matches};
use crate::support::port::Port;
use crate::support::{pythons, wheels};

/// What the package index of the tests has.
const PACKAGES: [(&str, &str); 5] = [
    ("requests", "2.32.3"),
    ("six", "1.16.0"),
    ("numpy", "2.1.0"),
    ("transformers", "4.44.0"),
    ("hf_transfer", "0.1.8"),
];

/// Runs a page from its first block to its last; gives what did not do as it says.
pub(crate) fn run(page: &Page) -> Vec<String> {
    let mut steps: Vec<Step> = Vec::new();
    for block in page.blocks.iter().filter(|block| block.not_run.is_none()) {
        match block.language.as_str() {
            "sh" => steps.extend(block.steps()),
            "python" => steps.extend(in_a_session(block.steps())),
            "json" => drop(serde_json::from_str::<serde_json::Value>(&block.text).unwrap_or_else(|error| {
                panic!("{}:{}: {error}", page.path, block.line);
            })),
            _ => {}
        }
    }
    if steps.is_empty() {
        return Vec::new();
    }
    let ground = Ground::new();
    ground.carry_out(&steps);
    steps.iter().enumerate().filter_map(|(number, step)| ground.failure(page, number, step)).collect()
}

/// A block of Python is one program: what it prints is checked at its end.
fn in_a_session(steps: Vec<Step>) -> Vec<Step> {
    let Some(first) = steps.first() else { return Vec::new() };
    let code: String = steps.iter().map(|step| step.commands.as_str()).collect();
    let prints: Vec<String> = steps.iter().filter_map(|step| step.prints.clone()).flatten().collect();
    let commands = format!("beep-python eval - <<'END_OF_BLOCK'\n{code}END_OF_BLOCK\n");
    vec![Step { line: first.line, commands, prints: (!prints.is_empty()).then_some(prints) }]
}

/// Where a page runs: a home directory, the program on PATH, ports and a package index of its own.
struct Ground {
    folder: tempfile::TempDir,
    ports: [Port; 2],
}

impl Ground {
    fn new() -> Ground {
        let ground = Ground { folder: tempfile::tempdir().unwrap(), ports: [Port::new(), Port::new()] };
        for folder in ["bin", "out", "me", "tmp", "index"] {
            fs::create_dir(ground.folder.path().join(folder)).unwrap();
        }
        let [http, rpc] = &ground.ports;
        // Pages use the usual ports, of which there is one of each on a machine.
        let program = env!("CARGO_BIN_EXE_beep-python");
        let script = format!(
            "#!/bin/sh\n\
             case \" $* \" in ' start '*http*) set -- \"$@\" --port {} ;; esac\n\
             case \" $* \" in ' start '*rpc*) set -- \"$@\" --rpc-port {} ;; esac\n\
             exec {program} \"$@\"\n",
            http.number, rpc.number
        );
        ground.add_program("beep-python", &script);
        let python = pythons()[0].path.display().to_string();
        ground.add_program("python3", &format!("#!/bin/sh\nexec {python} \"$@\"\n"));
        for (name, version) in PACKAGES {
            wheels::wheel(&ground.folder.path().join("index"), name, version, &[]);
        }
        let made = ground.command(program).args(["init", "--python", &python]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        ground
    }

    fn add_program(&self, name: &str, script: &str) {
        let path = self.folder.path().join("bin").join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A command that sees nothing of this user's settings, and no network.
    fn command(&self, program: &str) -> Command {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_uppercase();
            let is_setting = ["BEEP_PYTHON_", "PIP_", "UV_", "SSL_"].iter().any(|start| text.starts_with(start));
            if is_setting || text.ends_with("_PROXY") || text == "REQUESTS_CA_BUNDLE" {
                command.env_remove(&name);
            }
        }
        let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).env("HOME", at("me")).env("TMPDIR", at("tmp")).env("NO_COLOR", "1");
        command.env("BEEP_PYTHON_UV", "never").env("PIP_CONFIG_FILE", "/dev/null").env("PIP_NO_CACHE_DIR", "1");
        command.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", at("index"));
        command.current_dir(at("me")).stdin(Stdio::null());
        command
    }

    /// All steps in one shell, so that a variable of one is there in the next.
    fn carry_out(&self, steps: &[Step]) {
        let out = self.folder.path().join("out");
        let mut script = "set -E\ntrap 'echo \"$BASH_COMMAND\" >> \"$STEP.failed\"' ERR\n".to_owned();
        for (number, step) in steps.iter().enumerate() {
            let [http, rpc] = &self.ports;
            let commands = step.commands.replace("50051", &rpc.number.to_string());
            let commands = commands.replace("5678", &http.number.to_string());
            let place = out.join(number.to_string()).display().to_string();
            script += &format!("STEP={place}\nexec >\"$STEP.out\" 2>&1\n{commands}");
        }
        let path = self.folder.path().join("page.sh");
        fs::write(&path, script).unwrap();
        let done = self.command("timeout").arg("300").arg("bash").arg(&path).output().unwrap();
        assert_ne!(done.status.code(), Some(124), "the page did not come to its end in 300 s");
    }

    fn failure(&self, page: &Page, number: usize, step: &Step) -> Option<String> {
        let read = |kind: &str| {
            let path = self.folder.path().join("out").join(format!("{number}.{kind}"));
            fs::read_to_string(path).ok()
        };
        let [http, rpc] = &self.ports;
        let at = || format!("{}:{}:\n{}", page.path, step.line, step.commands);
        let Some(printed) = read("out") else { return Some(format!("{}was not reached", at())) };
        let printed = printed.replace(&http.number.to_string(), "5678").replace(&rpc.number.to_string(), "50051");
        let is_error = |line: &String| line.starts_with("error:") || line.starts_with("Traceback");
        let may_fail = step.prints.as_ref().is_some_and(|lines| lines.iter().any(is_error));
        match read("failed") {
            Some(failed) if !may_fail => return Some(format!("{}failed: {failed}it printed:\n{printed}", at())),
            None if may_fail => return Some(format!("{}did not fail; it printed:\n{printed}", at())),
            _ => {}
        }
        let lines: Vec<&str> = printed.lines().collect();
        match &step.prints {
            Some(shown) if !matches(shown, &lines) => {
                Some(format!("{}the page shows:\n{}\nit printed:\n{printed}", at(), shown.join("\n")))
            }
            _ => None,
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let stop = ["stop", "--all", "--grace", "0"];
        let _ = self.command(env!("CARGO_BIN_EXE_beep-python")).args(stop).output();
    }
}
