//! Stopping a server that another process started.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use beep_python_protocol::{ServerRecord, ServerState};
use beep_python_runtime::platform::{Home, open_pidfd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, pidfd_send_signal};

use crate::launch::record::{RecordError, remove_record, state_of};

/// How a server came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It finished its calls and ended by itself.
    Drained,
    /// It did not end in time and was killed.
    Killed,
    /// It was gone before; only its record was left.
    AlreadyGone,
}

/// How long a killed process may take to be gone.
const DEATH: Duration = Duration::from_secs(10);

/// Asks a server to stop, waits up to `grace` for its calls to finish, then kills it. Its record is removed.
///
/// A server that may run elsewhere is left alone: [`remove_record`] forgets it.
///
/// Only the very process that the record means is ever signalled: it is held by a pidfd, and compared with the record
/// after that was opened.
pub fn stop(home: &Home, record: &ServerRecord, grace: Duration) -> Result<Stopped, RecordError> {
    let signal_failed = |source: io::Error| RecordError::Signal { id: record.id.clone(), pid: record.pid, source };
    if state_of(record) == ServerState::Elsewhere {
        return Err(RecordError::Elsewhere { id: record.id.clone(), host: record.place.host.clone() });
    }
    let pid = i32::try_from(record.pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw);
    let process = match pid.map_or(Err(Errno::SRCH.into()), open_pidfd) {
        Ok(process) if state_of(record).is_alive() => process,
        Err(error) if Errno::from_io_error(&error) != Some(Errno::SRCH) => return Err(signal_failed(error)),
        _ => {
            remove_record(home, record)?;
            return Ok(Stopped::AlreadyGone);
        }
    };
    let signal = |signal| match pidfd_send_signal(&process, signal) {
        Err(error) if error != Errno::SRCH => Err(signal_failed(error.into())),
        _ => Ok(()),
    };
    let ended = |within| ends_within(&process, within).map_err(|error| signal_failed(error.into()));

    signal(Signal::TERM)?;
    let mut stopped = Stopped::Drained;
    if !ended(grace)? {
        signal(Signal::KILL)?;
        stopped = Stopped::Killed;
        if !ended(DEATH)? {
            return Err(RecordError::Unkillable { id: record.id.clone(), pid: record.pid });
        }
    }
    remove_record(home, record)?;
    Ok(stopped)
}

/// Waits for a process to end, and says whether it did.
pub(super) fn ends_within(process: &OwnedFd, within: Duration) -> Result<bool, Errno> {
    let deadline = Instant::now() + within;
    loop {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
