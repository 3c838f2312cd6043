//! `config`: checks everything that servers need, and says how to fix each problem.

use std::os::unix::fs::MetadataExt;

use anyhow::Result;
use beep_python_runtime::environment::EnvironmentState;
use beep_python_runtime::interpreter::RuntimeState;
use beep_python_runtime::platform::{FileLock, Home, error_chain};
use beep_python_server::auth::Token;
use beep_python_server::launch::{bind, records, unreadable_records};
use serde_json::{Value, json};

use super::venv::describe::describe_state;
use super::venv::lack::lack_of;
use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::server::report::explain_state;

/// One check and its outcome.
struct Check {
    what: String,
    found: Found,
}

enum Found {
    Good(String),
    /// The problem, and how to fix it.
    Wrong(String, String),
}

pub(crate) fn run(context: &Context) -> Result<ExitStatus> {
    let before = home_mode();
    let home = context.home()?;
    let mut checks = vec![check_home(&home, before)];
    checks.extend(check_runtimes(context)?);
    checks.extend(check_environments(context)?);
    checks.extend(check_system());
    checks.extend(check_servers(&home)?);
    let wrong = checks.iter().filter(|check| matches!(check.found, Found::Wrong(..))).count();

    let printer = &context.printer;
    printer.result(json!({"ok": wrong == 0, "checks": checks.iter().map(json).collect::<Vec<_>>()}), || {
        for Check { what, found } in &checks {
            match found {
                Found::Good(detail) => printer.line(format_args!("  ok   {what}: {detail}")),
                Found::Wrong(problem, mend) => {
                    printer.line(format_args!("WRONG  {what}: {problem}"));
                    printer.line(format_args!("       to fix it: {mend}"));
                }
            }
        }
        printer.line("");
        match wrong {
            0 => printer.line("All is well."),
            1 => printer.line("1 thing is wrong."),
            _ => printer.line(format_args!("{wrong} things are wrong.")),
        }
    });
    Ok(if wrong == 0 { ExitStatus::Success } else { ExitStatus::Failure })
}

fn json(check: &Check) -> Value {
    match &check.found {
        Found::Good(detail) => json!({"what": check.what, "ok": true, "detail": detail}),
        Found::Wrong(problem, mend) => json!({"what": check.what, "ok": false, "detail": problem, "mend": mend}),
    }
}

fn good(what: impl Into<String>, detail: impl Into<String>) -> Check {
    Check { what: what.into(), found: Found::Good(detail.into()) }
}

fn wrong(what: impl Into<String>, problem: impl Into<String>, mend: impl Into<String>) -> Check {
    Check { what: what.into(), found: Found::Wrong(problem.into(), mend.into()) }
}

/// The permission bits of the home. Opening it fixes them.
fn home_mode() -> Option<u32> {
    std::fs::metadata(Home::path_from_env().ok()?).ok().map(|metadata| metadata.mode() & 0o777)
}

fn check_home(home: &Home, before: Option<u32>) -> Check {
    let root = home.root().display();
    let token = home.root().join("token");
    if token.exists()
        && let Err(error) = Token::load_or_create(&token)
    {
        let mend = format!("rm {}; the next server creates a new one", token.display());
        return wrong("home", error.to_string(), mend);
    }
    if let Err(error) = try_to_write(home) {
        return wrong(
            "home",
            format!("{root} cannot be written to: {error}"),
            "free some space, or set BEEP_PYTHON_HOME to another folder",
        );
    }
    if let Err(error) = FileLock::acquire(home.root().join(format!(".check-{}", std::process::id()))) {
        return wrong("home", error_chain(&error), "set BEEP_PYTHON_HOME to a folder on a local disk");
    }
    match (before, home_mode()) {
        (Some(mode), now) if mode & 0o077 != 0 && now != before => {
            good("home", format!("{root}; others could open it (mode {mode:03o}), which is fixed now"))
        }
        (_, Some(mode)) if mode & 0o077 != 0 => {
            good("home", format!("{root}, prepared for others to open, not to write, or for group 0 (mode {mode:03o})"))
        }
        _ => good("home", format!("{root}, accessible to its owner only")),
    }
}

fn try_to_write(home: &Home) -> std::io::Result<()> {
    let path = home.root().join(format!(".check-{}", std::process::id()));
    let written = std::fs::write(&path, "x");
    let _ = std::fs::remove_file(&path);
    written
}

fn check_runtimes(context: &Context) -> Result<Vec<Check>> {
    let runtimes = context.runtimes()?.check()?;
    if runtimes.is_empty() {
        return Ok(vec![wrong("runtime", "none is installed", "beep-python init")]);
    }
    let mut checks = Vec::new();
    for runtime in &runtimes {
        let what = format!("runtime {}", runtime.id);
        checks.push(match &runtime.state {
            RuntimeState::Ready => {
                let standing = if runtime.is_default { "runs, is the default" } else { "runs" };
                good(what, format!("{standing}, {}", runtime.path.display()))
            }
            RuntimeState::Broken { reason } => {
                wrong(what, reason, format!("beep-python runtime remove {}, then beep-python init", runtime.id))
            }
        });
    }
    if !runtimes.iter().any(|runtime| runtime.is_default) {
        checks.push(wrong("default runtime", "there is none", format!("beep-python runtime use {}", runtimes[0].id)));
    }
    Ok(checks)
}

fn check_environments(context: &Context) -> Result<Vec<Check>> {
    let environments = context.environments()?;
    let mut checks = Vec::new();
    for glanced in environments.list()? {
        let status = environments.status(&glanced.name)?;
        let what = format!("environment {}", status.name);
        let (word, reason) = describe_state(&status.state);
        let problem = format!("{word}: {}", reason.unwrap_or_default());
        checks.push(match (&status.state, lack_of(&environments, &status)) {
            (EnvironmentState::Healthy, Some(lack)) => wrong(what, lack.what, lack.mend),
            (EnvironmentState::Healthy, None) => {
                let version = status.record.as_ref().map(|record| record.python.to_string()).unwrap_or_default();
                good(what, format!("runs, Python {version}"))
            }
            (EnvironmentState::Foreign { .. }, _) => {
                wrong(what, problem, format!("move {} elsewhere; beep-python never changes it", status.path.display()))
            }
            _ => wrong(what, problem, format!("beep-python venv repair {}", status.name)),
        });
    }
    Ok(checks)
}

/// What servers need from the system.
fn check_system() -> Vec<Check> {
    use rustix::fs::{MemfdFlags, memfd_create};
    use rustix::process::{PidfdFlags, getpid, pidfd_open};

    let mut checks = vec![match bind(&[], 0, false) {
        Ok(sockets) if sockets.len() > 1 => good("loopback", "127.0.0.1 and ::1 can be listened on"),
        Ok(_) => good("loopback", "127.0.0.1 can be listened on; there is no IPv6 here"),
        Err(error) => wrong(
            "loopback",
            error_chain(&error),
            "let this user listen on 127.0.0.1: a sandbox or container may forbid it; `beep-python start pipe` works without",
        ),
    }];
    let kernel = "a Linux kernel from 5.3 up, and a sandbox that allows the call";
    checks.push(match memfd_create("check", MemfdFlags::CLOEXEC) {
        Ok(_) => good("memfd_create", "works"),
        Err(error) => wrong("memfd_create", error.to_string(), kernel),
    });
    checks.push(match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => good("pidfd_open", "works"),
        Err(error) => wrong("pidfd_open", error.to_string(), kernel),
    });
    checks.push(check_peer());
    checks
}

/// Whether the kernel reports which user a connection belongs to.
fn check_peer() -> Check {
    use beep_python_server::auth::Peer;
    let what = "peer identification";
    let connected = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let client = std::net::TcpStream::connect(listener.local_addr()?)?;
        let (accepted, remote) = listener.accept()?;
        let peer = Peer::of(accepted.local_addr()?, remote);
        drop(client);
        std::io::Result::Ok(peer)
    };
    match connected() {
        Ok(Peer::SameUser) => good(what, "the kernel identifies local users (sock_diag), so you need no token"),
        Ok(_) => wrong(
            what,
            "the kernel does not identify local users (sock_diag), so clients need the token",
            "send the token in the home's file `token` as `Authorization: Bearer`, or start servers with --trust-loopback",
        ),
        Err(error) => wrong(what, format!("cannot connect over loopback: {error}"), "allow connections to 127.0.0.1"),
    }
}

fn check_servers(home: &Home) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (record, state) in records(home)? {
        let what = format!("server {}", record.id);
        checks.push(match state.may_be_alive() {
            true => good(what, explain_state(&record, state)),
            false => wrong(
                what,
                explain_state(&record, state),
                format!("beep-python restart {0}, or beep-python stop {0}", record.id),
            ),
        });
    }
    for error in unreadable_records(home)? {
        checks.push(wrong("server records", error.to_string(), "delete that file"));
    }
    Ok(checks)
}
