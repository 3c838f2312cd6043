//! Why a worker exited: what its parent, the kernel and its own standard error say.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};

use beep_python_protocol::{DeathCause, WorkerDeath};

use crate::worker::zygote::Death;

/// The first words of the interpreter's crash report.
const FAULT: &str = "Fatal Python error: ";
/// How many processes the kernel had killed for want of memory at the last check.
static OUT_OF_MEMORY_KILLS: AtomicU64 = AtomicU64::new(u64::MAX);

/// Notes how many processes the kernel has killed for want of memory so far.
pub(crate) fn note_out_of_memory_kills() {
    if OUT_OF_MEMORY_KILLS.load(Ordering::Relaxed) == u64::MAX {
        OUT_OF_MEMORY_KILLS.store(out_of_memory_kills().unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Describes the exit of a worker; `by_host` where this host killed it.
pub(crate) fn describe_exit(pid: i32, death: Option<Death>, stderr_tail: String, by_host: bool) -> WorkerDeath {
    let status = death.map(|death| ExitStatus::from_raw(death.status));
    let signal = status.and_then(|status| status.signal());
    let ran_out = || {
        let now = out_of_memory_kills();
        let before = OUT_OF_MEMORY_KILLS.load(Ordering::Relaxed);
        let more = now.is_some_and(|now| now > before);
        OUT_OF_MEMORY_KILLS.store(now.unwrap_or(before), Ordering::Relaxed);
        more
    };
    WorkerDeath {
        pid,
        exit_code: status.and_then(|status| status.code()),
        signal,
        signal_name: signal.and_then(signal_name).map(str::to_owned),
        cause: status.map(|status| cause(status, by_host, ran_out)),
        peak_memory_bytes: death.map(|death| death.peak_memory_bytes),
        fault: stderr_tail.find(FAULT).map(|at| stderr_tail[at..].to_owned()),
        stderr_tail,
    }
}

fn cause(status: ExitStatus, by_host: bool, ran_out_of_memory: impl FnOnce() -> bool) -> DeathCause {
    match status.signal() {
        _ if by_host => DeathCause::Host,
        None => DeathCause::Exit,
        Some(9) if ran_out_of_memory() => DeathCause::OutOfMemory,
        // What native code does to itself: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS.
        Some(4..=8 | 11 | 31) => DeathCause::Crash,
        Some(_) => DeathCause::Killed,
    }
}

fn out_of_memory_kills() -> Option<u64> {
    oom_kill(&std::fs::read_to_string("/proc/vmstat").ok()?)
}

/// The counter counts every process that was ended, for want of memory of the machine or of a control group.
fn oom_kill(vmstat: &str) -> Option<u64> {
    vmstat.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// The names of the signals that end a process by default (signal(7), x86 and ARM).
fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_apart() {
        let by = |signal: i32, ran_out| cause(ExitStatus::from_raw(signal), false, || ran_out);
        assert_eq!(by(9, true), DeathCause::OutOfMemory);
        assert_eq!(by(9, false), DeathCause::Killed);
        assert_eq!(by(15, true), DeathCause::Killed, "the kernel sends SIGKILL");
        assert_eq!(by(11, true), DeathCause::Crash);
        assert_eq!(by(3 << 8, true), DeathCause::Exit);
        assert_eq!(cause(ExitStatus::from_raw(9), true, || true), DeathCause::Host);
    }

    #[test]
    fn the_kernel_counts_those_it_ends() {
        assert_eq!(oom_kill("pgfault 7\noom_kill 3\noom_killer 9\n"), Some(3));
        assert_eq!(oom_kill(""), None);
    }
}
