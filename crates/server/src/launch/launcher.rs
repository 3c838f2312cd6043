//! Starting a server: its sockets, then a process in a session of its own, then its report that it is ready.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use beep_python_protocol::ServerRecord;
use beep_python_runtime::platform::{Home, failed_to};

use crate::launch::error::{LaunchError, RemoteError};
use crate::launch::log::{log_tail, remove_old_logs};
use crate::launch::plan::LaunchPlan;
use crate::launch::ready::{ReadyMessage, ReadyOutcome, read_ready, ready_pipe};
use crate::launch::record::{read_record, remove_record};
use crate::launch::socket_activation::{FIRST_FD, LISTEN_FDNAMES, LISTEN_FDS, LISTEN_PID, READY_FD, STDIN, TOKEN};
use crate::launch::sockets::Sockets;
use crate::launch::spawn::{end, hand_over, spawn_in_session};
use crate::launch::surroundings::Variables;

/// Starts servers.
#[derive(Clone, Debug)]
pub struct ServerLauncher {
    /// The program that is run as `program serve --id ID [--log FILE] …`.
    pub program: PathBuf,
    /// Where records and logs go.
    pub home: Home,
    /// How long a server may take until it is ready.
    pub ready_within: Duration,
}

impl ServerLauncher {
    /// Starts servers of `home` by running `program`, which have 30 s to be ready.
    pub fn new(program: impl Into<PathBuf>, home: &Home) -> ServerLauncher {
        ServerLauncher { program: program.into(), home: home.clone(), ready_within: Duration::from_secs(30) }
    }

    /// Starts a server in the background and returns when it is ready. Blocks meanwhile.
    ///
    /// It runs in a session of its own, with nothing on its standard input but the lifeline, where it has one, and its output in
    /// its log.
    pub fn launch(&self, plan: &LaunchPlan) -> Result<ServerRecord, LaunchError> {
        check_directory(plan)?;
        let sockets = Sockets::of(&self.home, plan)?;
        let id = self.id_for(plan)?;
        let logs = self.home.logs()?;
        remove_old_logs(&logs, |log| log == id || read_record(&self.home, log).is_some());
        let log = logs.join(format!("{id}.log"));
        let output =
            File::options().append(true).create(true).mode(0o600).open(&log).map_err(failed_to("write", &log))?;

        let spawn_failed = |source| LaunchError::Spawn { program: self.program.clone(), source };
        let (ready_rx, ready_tx) = ready_pipe().map_err(spawn_failed)?;
        let (mut listeners, mut names) = sockets.share().map_err(spawn_failed)?;
        if let Some(stdin) = &plan.stdin {
            listeners.push(stdin.try_clone().map_err(spawn_failed)?);
            names.push(STDIN);
        }
        share_token(plan, &mut listeners, &mut names).map_err(spawn_failed)?;
        let mut command = self.command(plan, &id, Some(&log), &names);
        command.env(READY_FD, (FIRST_FD as usize + names.len()).to_string());
        let input = plan.lifeline.as_ref().map(|lifeline| lifeline.try_clone()).transpose().map_err(spawn_failed)?;
        command.stdin(input.map_or_else(Stdio::null, Stdio::from));
        command.stderr(output.try_clone().map_err(spawn_failed)?).stdout(output);
        let child = spawn_in_session(command, listeners, Some(ready_tx)).map_err(spawn_failed)?;
        let record = self.await_ready(child, ready_rx, &id, &log)?;
        sockets.hand_over();
        Ok(record)
    }

    /// Turns this process into a server that stays in the foreground, with the output it has now. Returns only when
    /// that fails.
    pub fn exec_server(&self, plan: &LaunchPlan) -> LaunchError {
        let exec_server = || {
            check_directory(plan)?;
            let sockets = Sockets::of(&self.home, plan)?;
            let id = self.id_for(plan)?;
            let spawn_failed = |source| LaunchError::Spawn { program: self.program.clone(), source };
            let (mut listeners, mut names) = sockets.share().map_err(spawn_failed)?;
            share_token(plan, &mut listeners, &mut names).map_err(spawn_failed)?;
            let mut command = self.command(plan, &id, None, &names);
            command.env(LISTEN_PID, std::process::id().to_string());
            let _placeholders = hand_over(&mut command, listeners, None, false).map_err(spawn_failed)?;
            Err::<(), _>(spawn_failed(command.exec()))
        };
        exec_server().expect_err("exec returns only when it fails")
    }

    fn id_for(&self, plan: &LaunchPlan) -> Result<String, LaunchError> {
        match &plan.id {
            Some(id) => Ok(id.clone()),
            None => new_id(&self.home),
        }
    }

    fn command(&self, plan: &LaunchPlan, id: &str, log: Option<&Path>, sockets: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--id", id]);
        if let Some(log) = log {
            command.arg("--log").arg(log);
        }
        if plan.lifeline.is_some() {
            command.arg("--stop-at-end-of-input");
        }
        command.args(&plan.arguments);
        if let Some(Variables(variables)) = &plan.variables {
            command.env_clear().envs(variables.iter().map(|(name, value)| (name, value)));
        }
        command.env("BEEP_PYTHON_HOME", self.home.root());
        command.env_remove(LISTEN_PID).env_remove(READY_FD);
        // Workers inherit the variables of their server.
        command.env_remove("BEEP_PYTHON_TOKEN").env_remove("BEEP_PYTHON_TOKEN_FILE");
        command.env(LISTEN_FDS, sockets.len().to_string()).env(LISTEN_FDNAMES, sockets.join(":"));
        if let Some(directory) = &plan.directory {
            command.current_dir(directory);
        }
        command
    }

    fn await_ready(&self, mut child: Child, ready_rx: File, id: &str, log: &Path) -> Result<ServerRecord, LaunchError> {
        let said = read_ready(&child, ready_rx, self.ready_within);
        if let Ok(ReadyOutcome::Line(line)) = &said
            && let Ok(ReadyMessage::Ready(record)) = serde_json::from_slice(line)
        {
            // A starter that lives on must not leave servers as zombies.
            std::thread::spawn(move || child.wait());
            return Ok(*record);
        }
        let status = end(&mut child).map_err(|source| LaunchError::Spawn { program: self.program.clone(), source })?;
        // It may have got as far as writing its record.
        if let Some(record) = read_record(&self.home, id) {
            remove_record(&self.home, &record)?;
        }
        let log_tail = log_tail(log, 20);
        Err(match said {
            Ok(ReadyOutcome::Line(line)) => match serde_json::from_slice(&line) {
                Ok(ReadyMessage::Error { message, causes }) => LaunchError::Failed(RemoteError::chain(message, causes)),
                Ok(ReadyMessage::Ready(_)) => unreachable!("returned above"),
                Err(source) => {
                    LaunchError::Misunderstood { said: String::from_utf8_lossy(&line).trim_end().to_owned(), source }
                }
            },
            Ok(ReadyOutcome::Nothing) => LaunchError::Died { status, log_tail },
            Ok(ReadyOutcome::TooLate) => LaunchError::TimedOut { waited: self.ready_within, log_tail },
            Err(source) => LaunchError::Spawn { program: self.program.clone(), source },
        })
    }
}

/// Adds the token of a plan to what its server inherits: a pipe that holds it, and ends after it.
fn share_token(plan: &LaunchPlan, fds: &mut Vec<OwnedFd>, names: &mut Vec<&'static str>) -> io::Result<()> {
    if let Some(token) = &plan.token {
        let (held, mut writer) = io::pipe()?;
        writer.write_all(token.as_str().as_bytes())?; // it is short, so that the pipe takes it whole
        fds.push(held.into());
        names.push(TOKEN);
    }
    Ok(())
}

/// Otherwise the program would seem to be missing.
fn check_directory(plan: &LaunchPlan) -> Result<(), LaunchError> {
    let Some(path) = &plan.directory else { return Ok(()) };
    let failed = |source| LaunchError::Directory { path: path.clone(), source };
    match std::fs::metadata(path).map_err(failed)?.is_dir() {
        true => Ok(()),
        false => Err(failed(std::io::ErrorKind::NotADirectory.into())),
    }
}

/// An id that neither a record nor a log has. It begins with a letter, so that it is never taken for a port.
fn new_id(home: &Home) -> Result<String, LaunchError> {
    let (servers, logs) = (home.servers()?, home.logs()?);
    let random = Path::new("/dev/urandom");
    let mut source = File::open(random).map_err(failed_to("read", random))?;
    loop {
        let mut bytes = [0; 4];
        source.read_exact(&mut bytes).map_err(failed_to("read", random))?;
        let id = format!("{}{:05x}", char::from(b'a' + bytes[3] % 6), u32::from_le_bytes(bytes) & 0xf_ffff);
        let taken = |folder: &Path, suffix| folder.join(format!("{id}.{suffix}")).exists();
        if !taken(&servers, "json") && !taken(&logs, "log") {
            return Ok(id);
        }
    }
}
