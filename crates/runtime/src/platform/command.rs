//! Running a command to its end, with a timeout.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;

use super::credentials::mask_credentials;
use super::lock::FileLock;
use super::pidfd::open_pidfd;
use super::process_group::ProcessGroup;

/// How many bytes of each stream are captured, at least: the last ones.
const MAX_CAPTURED: usize = 1 << 20;
/// How many bytes of standard error an error quotes.
const TAIL: usize = 4000;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started or waited for.
    #[error("cannot run {command}")]
    Spawn {
        /// Program and arguments.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// It exceeded its timeout and was killed.
    #[error("{command} did not end within {} s and was killed{}", timeout.as_secs_f32(), quoted(stderr_tail))]
    TimedOut {
        /// Program and arguments.
        command: String,
        /// The timeout.
        timeout: Duration,
        /// The end of its standard error.
        stderr_tail: String,
    },
    /// It exited with a failure.
    #[error("{command} failed ({status}){}", quoted(stderr_tail))]
    Failed {
        /// Program and arguments.
        command: String,
        /// Its exit status.
        status: ExitStatus,
        /// The end of its standard error, or of its standard output if that is empty.
        stderr_tail: String,
    },
}

/// Runs a command with an empty standard input; returns its standard output.
///
/// Kills it after `timeout`. Does not wait for processes that it leaves in the background.
pub fn run_command(command: &mut Command, timeout: Duration) -> Result<Vec<u8>, CommandError> {
    run(command.stdin(Stdio::null()), timeout, &mut |_| ())
}

/// Runs a tool: a command that starts others, such as builds. All of them end with the tool, with the timeout, and with
/// this process, however that ends; until then they hold the lock. Each line of the tool's output, of either stream,
/// goes to `on_line` at once.
pub fn run_tool(
    lock: Option<&FileLock>,
    command: &mut Command,
    timeout: Duration,
    on_line: &mut dyn FnMut(&str),
) -> Result<Vec<u8>, CommandError> {
    let broken = |source| CommandError::Spawn { command: display_command(command), source };
    let group = ProcessGroup::begin(lock).map_err(broken)?;
    command.process_group(group.id());
    run(command.stdin(Stdio::null()), timeout, on_line)
}

fn run(command: &mut Command, timeout: Duration, on_line: &mut dyn FnMut(&str)) -> Result<Vec<u8>, CommandError> {
    let deadline = Instant::now() + timeout;
    let started = Instant::now();
    let displayed = display_command(command);
    tracing::trace!(command = displayed, "running a command");
    let broken = |source| CommandError::Spawn { command: displayed.clone(), source };
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(command).map_err(broken)?;
    let mut streams = Streams::default();
    let status = streams.follow(&mut child, deadline, on_line).inspect_err(|_| {
        let _ = child.kill();
        let _ = child.wait();
    });
    let status = status.map_err(broken)?;
    let exit = status.map_or("timeout".to_owned(), |status| status.to_string());
    tracing::debug!(command = displayed, exit, elapsed = ?started.elapsed(), "a command ended");
    match status {
        Some(status) if status.success() => Ok(streams.stdout.captured),
        Some(status) => {
            let said =
                if streams.stderr.captured.is_empty() { &streams.stdout.captured } else { &streams.stderr.captured };
            Err(CommandError::Failed { command: displayed, status, stderr_tail: tail(said) })
        }
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(CommandError::TimedOut { command: displayed, timeout, stderr_tail: tail(&streams.stderr.captured) })
        }
    }
}

#[derive(Default)]
struct Streams {
    stdout: CapturedStream,
    stderr: CapturedStream,
}

/// The output captured from one stream.
#[derive(Default)]
struct CapturedStream {
    captured: Vec<u8>,
    /// The unfinished last line.
    line: Vec<u8>,
}

impl Streams {
    /// Reads both streams until the process ends; `None` at the deadline.
    fn follow(
        &mut self,
        child: &mut Child,
        deadline: Instant,
        on_line: &mut dyn FnMut(&str),
    ) -> io::Result<Option<ExitStatus>> {
        let pid = Pid::from_child(child);
        let ended = open_pidfd(pid)?;
        let mut out = child.stdout.take();
        let mut err = child.stderr.take();
        for fd in [out.as_ref().map(AsFd::as_fd), err.as_ref().map(AsFd::as_fd)].into_iter().flatten() {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        loop {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return Ok(None) };
            wait(&ended, out.as_ref(), err.as_ref(), left)?;
            // Checked before reading, so that the output of a process that ended is read completely.
            let status = child.try_wait()?;
            if out.as_mut().is_some_and(|stream| self.stdout.drain(stream, on_line)) {
                out = None;
            }
            if err.as_mut().is_some_and(|stream| self.stderr.drain(stream, on_line)) {
                err = None;
            }
            if status.is_some() {
                return Ok(status);
            }
        }
    }
}

fn wait(ended: &OwnedFd, out: Option<&impl AsFd>, err: Option<&impl AsFd>, left: Duration) -> io::Result<()> {
    let mut fds = vec![PollFd::new(ended, PollFlags::IN)];
    fds.extend(out.map(|stream| PollFd::new(stream, PollFlags::IN)));
    fds.extend(err.map(|stream| PollFd::new(stream, PollFlags::IN)));
    let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
    match poll(&mut fds, Some(&left)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl CapturedStream {
    /// Reads what is available. Returns true at the end of the stream.
    fn drain(&mut self, stream: &mut impl Read, on_line: &mut dyn FnMut(&str)) -> bool {
        let mut buffer = [0; 16 << 10];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(count) => self.add(&buffer[..count], on_line),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
    }

    fn add(&mut self, bytes: &[u8], on_line: &mut dyn FnMut(&str)) {
        self.captured.extend_from_slice(bytes);
        if self.captured.len() > 2 * MAX_CAPTURED {
            self.captured.drain(..self.captured.len() - MAX_CAPTURED);
        }
        let mut parts = bytes.split(|byte| *byte == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.line.extend_from_slice(part);
            on_line(&String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
        // Very long lines are of no use: truncate them.
        if self.line.len() < TAIL {
            self.line.extend_from_slice(last);
        }
    }
}

/// Spawns the command. A program that was just unpacked can be "busy" for a moment: a process that another thread
/// spawns has a copy of the descriptor that wrote it, until its exec.
fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut tries = 400;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries > 0 => {
                tries -= 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            spawned => return spawned,
        }
    }
}

/// The command for people: the program and its arguments, long ones elided.
fn display_command(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| {
        let arg = arg.to_string_lossy();
        let line = arg.lines().next().unwrap_or_default();
        if line.len() == arg.len() && arg.len() <= 200 { arg.into_owned() } else { "…".to_owned() }
    }));
    mask_credentials(&words.join(" "))
}

fn tail(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(TAIL);
    String::from_utf8_lossy(&bytes[from..]).trim().to_owned()
}

fn quoted(tail: &str) -> String {
    if tail.is_empty() { String::new() } else { format!(":\n{tail}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_of_any_length_arrives() {
        let out = run_command(&mut sh("head -c 300000 /dev/zero; echo noise >&2"), Duration::from_secs(20)).unwrap();
        assert_eq!(out.len(), 300_000);
    }

    #[test]
    fn a_failure_tells_status_and_last_words() {
        let error = run_command(&mut sh("echo first >&2; echo the reason >&2; exit 3"), Duration::from_secs(20));
        let error = error.unwrap_err();
        assert!(matches!(&error, CommandError::Failed { status, stderr_tail, .. }
            if status.code() == Some(3) && stderr_tail == "first\nthe reason"));
    }

    #[test]
    fn a_command_that_hangs_is_killed_though_its_child_keeps_the_pipe() {
        let started = Instant::now();
        let error = run_command(&mut sh("echo waiting >&2; sleep 20; true"), Duration::from_secs(2)).unwrap_err();
        assert!(matches!(&error, CommandError::TimedOut { stderr_tail, .. } if stderr_tail == "waiting"));
        assert!(started.elapsed() < Duration::from_secs(18));
    }

    #[test]
    fn what_stays_in_the_background_is_not_waited_for() {
        let started = Instant::now();
        let out = run_command(&mut sh("sleep 30 & echo done; kill $! "), Duration::from_secs(25)).unwrap();
        assert_eq!(out, b"done\n");
        let out = run_command(&mut sh("(sleep 30 & echo $! >&1)"), Duration::from_secs(25)).unwrap();
        let pid: i32 = String::from_utf8(out).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn lines_are_heard_as_they_come_whatever_parts_they_come_in() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FileLock::acquire(folder.path().join("lock")).unwrap();
        let script = "printf 'on'; printf 'e\\ntwo\\n\\nthr' >&2; printf 'ee\\n' >&2; printf 'x\\nnot ended'";
        let mut heard = Vec::new();
        let mut on_line = |line: &str| heard.push(line.to_owned());
        run_tool(Some(&lock), &mut sh(script), Duration::from_secs(20), &mut on_line).unwrap();
        heard.sort();
        assert_eq!(heard, ["", "e", "onx", "three", "two"]);
    }

    /// Waits until a process has ended, also as one that nobody has waited for.
    fn wait_for_end(pid: &str) {
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        if let Ok(process) = open_pidfd(pid) {
            let timeout = Timespec { tv_sec: 20, tv_nsec: 0 };
            assert_eq!(poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timeout)), Ok(1), "it lives on");
        }
    }

    #[test]
    fn what_a_tool_started_ends_with_it_and_with_the_timeout() {
        let mut quiet = |_: &str| ();
        let out = run_tool(None, &mut sh("sleep 1000 & echo $!"), Duration::from_secs(20), &mut quiet).unwrap();
        wait_for_end(&String::from_utf8(out).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let script = format!("sleep 1000 & echo $! >{}/pid; wait", folder.path().display());
        let error = run_tool(None, &mut sh(&script), Duration::from_secs(2), &mut quiet).unwrap_err();
        assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
        wait_for_end(&std::fs::read_to_string(folder.path().join("pid")).unwrap());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run_command(&mut Command::new("/nonexistent/python"), Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.to_string(), "cannot run /nonexistent/python");
    }
}
