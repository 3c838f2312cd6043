//! Why a worker exited: what its parent, the kernel and its own standard error say.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use beep_python_protocol::{DeathCause, WorkerDeath};

use crate::session::supervisor::last_words::LastWords;
use crate::session::supervisor::out_of_memory::OwnGroup;
use crate::worker::zygote::Death;

/// Describes the exit of a worker; `by_host` where this host killed it.
pub(crate) fn describe_exit(
    pid: i32,
    death: Option<Death>,
    words: &LastWords,
    group: Option<&OwnGroup>,
    by_host: bool,
) -> WorkerDeath {
    let status = death.map(|death| ExitStatus::from_raw(death.status));
    let signal = status.and_then(|status| status.signal());
    let ran_out = || group.is_some_and(OwnGroup::ran_out_of_memory);
    let cause = status.map(|status| cause(status, by_host, ran_out));
    // Elsewhere a report is of a child that it forked, perhaps long ago.
    let (fault, stderr_tail) = match cause {
        Some(DeathCause::Crash) => (words.fault(), words.before_fault()),
        _ => (None, words.tail()),
    };
    WorkerDeath {
        pid,
        exit_code: status.and_then(|status| status.code()),
        signal,
        signal_name: signal.and_then(signal_name).map(str::to_owned),
        cause,
        peak_memory_bytes: death.map(|death| death.peak_memory_bytes),
        fault,
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
    fn a_report_is_of_a_worker_that_crashed() {
        let mut words = LastWords::default();
        words.push(b"before\nFatal Python error: Aborted\n\nCurrent thread 0x7f\nafter\n");
        let told = |status| {
            let death = Death { status, peak_memory_bytes: 0 };
            let death = describe_exit(1, Some(death), &words, None, false);
            (death.fault.is_some(), death.stderr_tail)
        };
        assert_eq!(told(6), (true, "before".to_owned()));
        for status in [9, 15, 3 << 8] {
            let (has_report, tail) = told(status);
            assert!(!has_report && tail.ends_with("after"), "{status}: {tail}");
        }
    }
}
