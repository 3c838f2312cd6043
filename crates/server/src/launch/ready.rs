//! Readiness: a server reports on a pipe that it is ready, and its starter waits for that.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::{Duration, Instant};

use beep_python_protocol::ServerRecord;
use beep_python_runtime::platform::open_pidfd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

/// Reports that the server is ready, or why it is not. Dropping it without a report means that the server died.
#[derive(Debug)]
pub struct ReadyNotifier(pub(super) NotifyTarget);

pub(super) enum NotifyTarget {
    Pipe(File),
    Function(Box<dyn FnOnce(&ServerRecord) + Send>),
    Nobody,
}

impl std::fmt::Debug for NotifyTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NotifyTarget::Pipe(_) => "Pipe",
            NotifyTarget::Function(_) => "Function",
            NotifyTarget::Nobody => "Nobody",
        })
    }
}

/// The one line on the ready pipe.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ReadyMessage {
    /// The server is ready.
    Ready(Box<ServerRecord>),
    /// It cannot start.
    Error { message: String, causes: Vec<String> },
}

impl ReadyNotifier {
    /// Calls `announce` with the record when the server is ready; what a server in the foreground uses.
    pub fn call(announce: impl FnOnce(&ServerRecord) + Send + 'static) -> ReadyNotifier {
        ReadyNotifier(NotifyTarget::Function(Box::new(announce)))
    }

    /// Whether a starter waits for the report.
    pub fn is_awaited(&self) -> bool {
        matches!(self.0, NotifyTarget::Pipe(_))
    }

    /// Reports that the server takes requests. A starter that is gone by now does not matter.
    pub fn ready(self, record: &ServerRecord) {
        match self.0 {
            NotifyTarget::Pipe(pipe) => send(pipe, &ReadyMessage::Ready(Box::new(record.clone()))),
            NotifyTarget::Function(announce) => announce(record),
            NotifyTarget::Nobody => {}
        }
    }

    /// Reports that the server cannot start, and why, cause by cause.
    pub fn failed(self, error: &(dyn std::error::Error + 'static)) {
        let causes = std::iter::successors(error.source(), |error| error.source()).map(ToString::to_string).collect();
        if let NotifyTarget::Pipe(pipe) = self.0 {
            send(pipe, &ReadyMessage::Error { message: error.to_string(), causes });
        }
    }
}

fn send(mut pipe: File, message: &ReadyMessage) {
    let mut line = serde_json::to_vec(message).expect("a record is plain data");
    line.push(b'\n');
    let _ = pipe.write_all(&line);
}

/// A pipe for the report: its non-blocking reading end, and the end for the server.
pub(super) fn ready_pipe() -> io::Result<(File, OwnedFd)> {
    let (ready_rx, ready_tx) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&ready_rx, rustix::fs::OFlags::NONBLOCK)?;
    Ok((File::from(ready_rx), ready_tx))
}

/// What came on the pipe.
pub(super) enum ReadyOutcome {
    /// A line.
    Line(Vec<u8>),
    /// The process ended, or closed the pipe, without a line.
    Nothing,
    /// No line came in time.
    TooLate,
}

/// Waits for the line with which a server reports.
pub(super) fn read_ready(child: &Child, mut ready_rx: File, within: Duration) -> io::Result<ReadyOutcome> {
    const LONGEST: usize = 1 << 20;
    let process = open_pidfd(Pid::from_child(child))?;
    let deadline = Instant::now() + within;
    let mut line = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        let mut awaited = [PollFd::new(&ready_rx, PollFlags::IN), PollFd::new(&process, PollFlags::IN)];
        match poll(&mut awaited, Some(&timeout)) {
            Ok(0) => return Ok(ReadyOutcome::TooLate),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let ended = !awaited[1].revents().is_empty();
        let mut chunk = [0; 4096];
        loop {
            match ready_rx.read(&mut chunk) {
                Ok(0) => return Ok(ReadyOutcome::Nothing),
                Ok(length) => line.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if line.ends_with(b"\n") || line.len() > LONGEST {
                return Ok(ReadyOutcome::Line(line));
            }
        }
        if ended {
            return Ok(ReadyOutcome::Nothing);
        }
    }
}
