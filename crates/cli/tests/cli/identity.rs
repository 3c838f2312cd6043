//! Users and homes as containers have them: ids without a name or a folder, homes that were prepared by root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::test_home::{CommandOutput, TestHome, port_of, python};

const NOBODY: u32 = 65534;

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: it takes root to be another user");
    }
    root
}

/// A command as another user, who may read everything, since the Pythons of this machine may lie where only root can.
fn as_user(command: &Command, uid: u32, gid: u32) -> Command {
    let mut other = Command::new("setpriv");
    other.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
    other.args(["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]);
    other.arg(command.get_program()).args(command.get_args()).current_dir("/");
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    other
}

fn output(mut command: Command) -> CommandOutput {
    CommandOutput::from(command.output().unwrap())
}

fn give(path: &Path, uid: u32, gid: u32) {
    let given = Command::new("chown").args(["-R", &format!("{uid}:{gid}")]).arg(path).status().unwrap();
    assert!(given.success());
}

#[test]
fn user_nobody_is_its_own_user() {
    if !is_root() {
        return;
    }
    let home = TestHome::with_runtime();
    give(home.directory(), NOBODY, NOBODY);
    let started = output(as_user(&home.command(&["start", "http", "pipe", "--port", "0", "--json"]), NOBODY, NOBODY));
    let server: serde_json::Value = serde_json::from_str(&started.stdout).unwrap_or_else(|_| panic!("{started:?}"));
    let request = ["-s", "-H", "Content-Type: application/json", "-d", r#"{"expression": "6 * 7"}"#];
    let url = format!("http://127.0.0.1:{}/api/eval", port_of(&server));
    let mut curl = Command::new("curl");
    curl.args(request).arg(&url);
    let answer = output(as_user(&curl, NOBODY, NOBODY));
    assert!(answer.stdout.contains("42"), "without a token: {answer:?}");
    let refused = output(as_user(&curl, 1000, 1000));
    assert!(refused.stdout.contains("unauthorized"), "{refused:?}");
    let pipe = server["endpoints"][1]["url"].as_str().unwrap();
    let over_pipe = output(as_user(&home.command(&["eval", "--server", pipe, "1 + 1"]), NOBODY, NOBODY));
    assert_eq!(over_pipe.stdout, "2\n", "{over_pipe:?}");
    let stopped = output(as_user(&home.command(&["stop", "--all"]), NOBODY, NOBODY));
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
}

#[test]
fn user_without_home_has_the_one_of_the_password_database() {
    let home = TestHome::new();
    let mut command = home.command(&["runtime", "list"]);
    command.env_remove("BEEP_PYTHON_HOME").env_remove("HOME");
    if is_root() {
        // Who is not in the database has none.
        let failed = output(as_user(&command, 54321, 54321));
        let expected = "error: neither BEEP_PYTHON_HOME nor HOME is set, and this user has no home: there is no folder to keep state in\n\
                        hint: set BEEP_PYTHON_HOME to a folder of your own\n";
        assert_eq!((failed.code, failed.stderr.as_str()), (Some(1), expected));
    }
    // Where the database leads, without a change there: an empty variable is none.
    let empty = output({
        let mut command = home.command(&["cache", "info", "--json"]);
        command.env("BEEP_PYTHON_HOME", "").env("HOME", home.directory());
        command
    });
    let info: serde_json::Value = serde_json::from_str(&empty.stdout).unwrap();
    assert_eq!(info["path"], json!(home.directory().join(".beep-python/cache")));
}

#[test]
fn home_that_root_prepared_for_group_0_is_taken_by_any_user_of_it() {
    if !is_root() {
        return;
    }
    let home = TestHome::with_runtime();
    home.success(&["eval", "1"]);
    let prepared = Command::new("chmod").args(["-R", "g=u"]).arg(home.root()).status().unwrap();
    assert!(prepared.success());
    give(&home.root(), 0, 0);
    let mode = || fs::metadata(home.root()).unwrap().mode() & 0o777;
    fs::set_permissions(home.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    let _ = fs::remove_file(home.root().join("token"));
    for (uid, gid) in [(1_000_650_000, 0), (0, 0)] {
        let evaluated = output(as_user(&home.command(&["eval", "6 * 7"]), uid, gid));
        assert_eq!((evaluated.code, evaluated.stdout.as_str()), (Some(0), "42\n"), "{evaluated:?}");
        let checked = output(as_user(&home.command(&["config"]), uid, gid));
        assert!(checked.stdout.contains("or for group 0 (mode 770)"), "{checked:?}");
        assert_eq!(mode(), 0o770, "it stays as it was prepared");
        let _ = fs::remove_file(home.root().join("token"));
    }
}

#[test]
fn home_that_others_may_write_is_refused() {
    if !is_root() {
        return;
    }
    for (mode, gid, owner, taken) in [
        (0o777, 0, 0, false),
        (0o1777, 0, 0, false),
        (0o770, 1000, 0, false),
        (0o755, 0, 0, true),
        (0o775, 0, 0, true),
        (0o700, 1000, 4242, false),
        // One's own is made private.
        (0o777, 1000, 1000, true),
        (0o775, 1000, 1000, true),
    ] {
        let home = TestHome::new();
        fs::set_permissions(home.directory(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(home.root()).unwrap();
        chown(home.root(), Some(owner), Some(gid)).unwrap();
        fs::set_permissions(home.root(), fs::Permissions::from_mode(mode)).unwrap();
        let listed = output(as_user(&home.command(&["runtime", "list"]), 1000, 1000));
        assert_eq!(listed.code == Some(0), taken, "{mode:o} {owner}:{gid}: {listed:?}");
        let after = fs::metadata(home.root()).unwrap().mode() & 0o7777;
        assert_eq!(after, if owner == 1000 { 0o700 } else { mode }, "{owner}:{gid}");
        if !taken {
            assert!(listed.stderr.contains("refusing to use it") && listed.stderr.contains("hint: "), "{listed:?}");
        }
    }
}

/// Runs a command where the home is a mount of its own; read-only, if asked.
fn on_mount(home: &TestHome, read_only: bool, arguments: &[&str]) -> CommandOutput {
    let root = home.root().display().to_string();
    let remount = if read_only { format!("mount -o remount,ro,bind '{root}' && ") } else { String::new() };
    let script = format!("mount --bind '{root}' '{root}' && {remount}exec \"$@\"");
    let here = home.command(arguments);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(here.get_program()).args(here.get_args());
    command.current_dir(home.directory()).envs(here.get_envs().filter_map(|(name, value)| Some((name, value?))));
    output(command)
}

#[test]
fn read_only_home_can_be_looked_at() {
    if !is_root() {
        return;
    }
    let home = TestHome::with_runtime();
    home.success(&["venv", "create", "mine"]);
    for emptied in [false, true] {
        // What was not made yet cannot be made now; what is not cached is learned each time.
        for folder in ["cache", "servers", "logs"] {
            let _ = fs::remove_dir_all(home.root().join(folder));
        }
        if emptied {
            fs::remove_dir_all(home.root().join("runtimes")).unwrap();
            fs::remove_dir_all(home.root().join("environments")).unwrap();
        }
        let readers: [&[&str]; 5] = [
            &["runtime", "list"],
            &["venv", "list"],
            &["status"],
            &["provider", "list"],
            &["runtime", "list", "--json"],
        ];
        for arguments in readers {
            let output = on_mount(&home, true, arguments);
            assert_eq!((output.code, output.stderr.contains("error")), (Some(0), false), "{arguments:?}: {output:?}");
        }
        assert_eq!(on_mount(&home, true, &["venv", "list"]).stdout.contains("healthy"), !emptied);
        let checked = on_mount(&home, true, &["config"]);
        assert!(
            checked.stdout.contains("WRONG  home: ") && checked.stdout.contains("cannot be written to"),
            "{checked:?}"
        );
        let written = on_mount(&home, true, &["init", "--python", python()]);
        assert!(written.code == Some(1) && written.stderr.contains("Read-only file system"), "{written:?}");
    }
}

#[test]
fn home_can_be_a_mount_point() {
    if !is_root() {
        return;
    }
    let home = TestHome::with_runtime();
    let evaluated = on_mount(&home, false, &["eval", "6 * 7"]);
    assert_eq!((evaluated.code, evaluated.stdout.as_str()), (Some(0), "42\n"), "{evaluated:?}");
}
