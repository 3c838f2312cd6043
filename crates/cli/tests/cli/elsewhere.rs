//! A home that machines and containers share. Namespaces stand in for them.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::test_home::{CommandOutput, TestHome};

/// Where a command runs, beside this machine.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Another container of this machine.
    Container,
    /// Another machine.
    Machine,
    /// This machine, after a restart.
    Later,
    /// A sandbox with process ids of its own and the `/proc` of this machine.
    ForeignProc,
}

impl Place {
    /// The command line that runs what follows it there; `None` where this user may not make such a place.
    fn prefix(self, home: &TestHome) -> Option<Vec<String>> {
        let file = |name: &str| {
            let path = home.directory().join(name);
            fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
            path.display().to_string()
        };
        let bind = |files: &[&str]| {
            let mounts = files.iter().map(|target| format!("mount --bind {} {target} && ", file("other")));
            let script = mounts.collect::<String>() + "exec \"$@\"";
            ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec()
        };
        let (machine, boot) = ("/etc/machine-id", "/proc/sys/kernel/random/boot_id");
        let prefix = match self {
            Place::Container => ["unshare", "--pid", "--fork", "--mount-proc"].map(str::to_owned).to_vec(),
            Place::ForeignProc => ["unshare", "--pid", "--fork"].map(str::to_owned).to_vec(),
            Place::Machine => bind(&[machine, boot]),
            Place::Later => bind(&[boot]),
        };
        let works =
            Command::new(&prefix[0]).args(&prefix[1..]).arg("true").output().is_ok_and(|made| made.status.success());
        let known = fs::read_to_string(machine).is_ok_and(|id| !id.trim().is_empty());
        if !works || !known {
            eprintln!("skipped {self:?}: it takes root, and a machine that has an id");
            return None;
        }
        Some(prefix)
    }

    fn run(self, home: &TestHome, arguments: &[&str]) -> Option<CommandOutput> {
        let prefix = self.prefix(home)?;
        let here = home.command(arguments);
        let mut command = Command::new(&prefix[0]);
        command.args(&prefix[1..]).arg(here.get_program()).args(here.get_args()).current_dir(home.directory());
        command.envs(here.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Some(CommandOutput::from(command.output().unwrap()))
    }
}

fn json_of(output: &CommandOutput) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn server_of_another_place_is_left_alone_there() {
    for place in [Place::Container, Place::Machine, Place::ForeignProc] {
        let home = TestHome::with_runtime();
        home.success(&["venv", "create", "mine"]);
        let server = home.start(&["--venv", "mine"]);
        let id = server["id"].as_str().unwrap();
        let there = |arguments: &[&str]| place.run(&home, arguments);
        let Some(status) = there(&["status", "--json"]) else { continue };
        assert_eq!(json_of(&status)[0]["state"], "elsewhere", "{place:?}");
        let shown = there(&["status"]).unwrap().stdout;
        assert!(
            shown.contains(&format!("\n  beep-python stop --forget {id} forgets it, once it is gone there.\n")),
            "{shown}"
        );

        let checked = there(&["config", "--json"]).unwrap();
        let checks = json_of(&checked);
        let check = checks["checks"].as_array().unwrap().iter().find(|check| check["what"] == format!("server {id}"));
        assert_eq!(check.unwrap()["ok"], true, "{place:?}: {checks}");

        let hint = format!("hint: once it is gone there, `beep-python stop --forget {id}` removes its record\n");
        let refused: [&[&str]; 4] =
            [&["stop", id], &["restart", id], &["venv", "delete", "mine", "--yes"], &["eval", "--server", id, "1 + 1"]];
        for arguments in refused {
            let output = there(arguments).unwrap();
            assert!(output.code == Some(1) && output.stderr.contains("was started elsewhere"), "{place:?}: {output:?}");
            assert!(output.stderr.ends_with(&hint), "{place:?}: {output:?}");
        }
        let all = there(&["stop", "--all", "--json"]).unwrap();
        assert_eq!(json_of(&all), json!([{"id": id, "pid": server["pid"], "outcome": "elsewhere"}]), "{place:?}");
        there(&["cache", "clean"]).unwrap();
        let kept = home.json(&["cache", "info"]);
        assert!(kept["parts"].to_string().contains("python-"), "{place:?}: what it imports from stays");

        // It blocks no start.
        let own = there(&["eval", "6 * 7"]).unwrap();
        assert_eq!((own.code, own.stdout.as_str()), (Some(0), "42\n"), "{place:?}: {own:?}");
        assert_eq!(home.json(&["status"])[0]["state"], "running", "{place:?}");
        assert_eq!(home.success(&["eval", "1 + 1"]), "2\n");

        let forgotten = there(&["stop", "--forget", id]).unwrap();
        assert!(forgotten.code == Some(0) && forgotten.stdout.ends_with("Its record is removed.\n"), "{forgotten:?}");
        assert_eq!(home.json(&["status"]), json!([]));
        // Nothing means it any more, so the test ends it itself.
        super::test_home::signal(server["pid"].as_u64().unwrap(), rustix::process::Signal::TERM);
        home.wait_until_no_process_is_left();
    }
}

#[test]
fn server_of_an_earlier_boot_of_this_machine_is_dead() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let Some(status) = Place::Later.run(&home, &["status", "--json"]) else { return };
    assert_eq!(json_of(&status)[0]["state"], "dead (rebooted)");
    let stopped = Place::Later.run(&home, &["stop", server["id"].as_str().unwrap(), "--json"]).unwrap();
    assert_eq!(json_of(&stopped)[0]["outcome"], "alreadyGone");
    super::test_home::signal(server["pid"].as_u64().unwrap(), rustix::process::Signal::TERM);
    home.wait_until_no_process_is_left();
}

#[test]
fn server_of_a_container_is_used_over_its_pipe_from_outside() {
    let home = TestHome::with_runtime();
    let Some(prefix) = Place::Container.prefix(&home) else { return };
    let here = home.command(&["start", "pipe", "http", "--port", "0", "--foreground"]);
    let mut command = Command::new(&prefix[0]);
    command.args(&prefix[1..]).arg(here.get_program()).args(here.get_args()).current_dir(home.directory());
    command.env("BEEP_PYTHON_HOME", home.root()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    let status = home.json(&["status"]);
    let id = status[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(status[0]["state"], "elsewhere", "{line}");
    assert!(home.run(&["eval", "1 + 1"]).stdout == "2\n", "in a server of its own");
    assert_eq!(home.success(&["eval", "--server", &id, "1 + 1"]), "2\n");
    assert!(home.run(&["stop", &id]).code == Some(1));
    // The process that made the namespace passes no signal on; with it goes the namespace.
    child.kill().unwrap();
    child.wait().unwrap();
    home.success(&["stop", "--forget", &id]);
    assert_eq!(home.json(&["status"]), json!([]));
}
