//! A child in the place of this process: it gets the signals that this one gets, and this one ends as it does.

use std::io;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpgid, getpgrp, getpid, getsid, kill_process, wait};
use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGURG, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGWINCH,
};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

use crate::signals::ignored_signals;

/// What is passed on: all but faults, and what stops a process or tells of its children.
const PASSED_ON: [i32; 12] =
    [SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT, SIGURG, SIGVTALRM, SIGPROF, SIGWINCH, SIGIO];
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// How long a child whose time is over has to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// How often to look for processes that an ended child has left.
const MAX_SWEEPS: usize = 1000;
const SWEEP_PAUSE: Duration = Duration::from_millis(5);

/// Receives the signals; to be made before the child, so that none is missed.
pub(crate) struct Supervisor {
    signals: SignalsInfo<WithOrigin>,
    /// Whether a timer of this process has rung: others may send its signal too.
    has_rung: Arc<AtomicBool>,
}

impl Supervisor {
    pub(crate) fn listen() -> io::Result<Supervisor> {
        // One that is ignored stays so, in the child too.
        let ignored = ignored_signals();
        let passed_on = PASSED_ON.into_iter().chain(REAL_TIME).filter(|number| ignored >> (number - 1) & 1 == 0);
        let signals = SignalsInfo::new(passed_on.chain([SIGCHLD, SIGALRM]))?;
        Ok(Supervisor { signals, has_rung: Arc::default() })
    }

    /// Waits for the end of the child, and of all that comes to this process from it. Returns how it ended; `None`, if it was ended
    /// after this time.
    pub(crate) fn wait(mut self, child: &Child, timeout: Option<Duration>) -> io::Result<Option<WaitStatus>> {
        let pid = Pid::from_child(child);
        timeout.into_iter().for_each(|timeout| ring_after(timeout, &self.has_rung));
        let mut is_late = false;
        for received in self.signals.forever() {
            match received.signal {
                SIGCHLD => match reap(pid)? {
                    Some(status) => return Ok((!is_late).then_some(status)),
                    None => continue,
                },
                SIGALRM if self.has_rung.swap(false, Ordering::SeqCst) => {
                    send(pid, if is_late { Signal::KILL } else { Signal::TERM });
                    send(pid, Signal::CONT); // where it is stopped
                    is_late = true;
                    ring_after(GRACE, &self.has_rung);
                }
                number if received.cause == Cause::Kernel && has_reached(pid, number) => {}
                // SAFETY: the kernel has sent it.
                number => send(pid, unsafe { Signal::from_raw_unchecked(number) }),
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into()) // the signals never end
    }
}

/// Whether a signal that the kernel has sent to this process was sent to the child too: as what a terminal makes, to the whole group.
fn has_reached(child: Pid, number: i32) -> bool {
    let of_terminal = match number {
        SIGINT | SIGQUIT | SIGWINCH | SIGCONT => true,
        SIGHUP => getsid(None) != Ok(getpid()), // where the terminal is gone, its session's leader is told alone
        _ => false,
    };
    of_terminal && getpgid(Some(child)) == Ok(getpgrp())
}

fn ring_after(time: Duration, has_rung: &Arc<AtomicBool>) {
    let has_rung = has_rung.clone();
    thread::spawn(move || {
        thread::sleep(time);
        has_rung.store(true, Ordering::SeqCst);
        send(getpid(), Signal::ALARM);
    });
}

fn send(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal); // it may have ended
}

/// Waits for all that has ended; returns how the child did, if it is among them.
fn reap(child: Pid) -> io::Result<Option<WaitStatus>> {
    let mut ended = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == child => ended = Some(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(ended),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills all children, and theirs, which come to this process if it is a subreaper.
pub(crate) fn kill_children() {
    for _ in 0..MAX_SWEEPS {
        let children = children();
        if children.is_empty() {
            return;
        }
        children.into_iter().for_each(|child| send(child, Signal::KILL));
        thread::sleep(SWEEP_PAUSE);
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }
}

/// The children of this process, as `/proc` shows them.
fn children() -> Vec<Pid> {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| parent(*pid) == Some(own)).filter_map(Pid::from_raw).collect()
}

fn parent(pid: i32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?; // the name before may have spaces
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}
