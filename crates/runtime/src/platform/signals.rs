//! Signals as a process finds them at its start. What a parent blocked or ignored stays so over exec, and the program would never
//! learn that it is to stop, or that a child has ended.

use std::ptr;

use libc::{SIG_DFL, SIG_IGN, SIG_SETMASK, c_int, sigaction, sigset_t};

/// The signals of Linux, those for real-time use included.
const LAST: c_int = 64;

/// Unblocks every signal for this thread, and gives those that are ignored their default action, but for those to `keep`.
///
/// To be called before the process has other threads. It may be called between fork and exec.
pub fn set_signals_anew(keep: &[i32]) {
    // SAFETY: a zeroed `sigset_t` is memory that `sigemptyset` fills, and a zeroed `sigaction` one that the call fills. All of these
    // calls are async-signal-safe, and the actions that they set are the kernel's own.
    unsafe {
        let mut none: sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::pthread_sigmask(SIG_SETMASK, &raw const none, ptr::null_mut());
        for signal in (1..=LAST).filter(|signal| !keep.contains(signal)) {
            let mut action: sigaction = std::mem::zeroed();
            let known = libc::sigaction(signal, ptr::null(), &raw mut action) == 0;
            if known && action.sa_sigaction == SIG_IGN {
                libc::signal(signal, SIG_DFL);
            }
        }
    }
}

/// What a process found of its signals when it began: those that it ignores, and those that are blocked.
#[derive(Clone, Copy)]
pub struct InheritedSignals {
    ignored: [bool; LAST as usize + 1],
    blocked: sigset_t,
}

impl InheritedSignals {
    /// Those of this thread, as they are now.
    pub fn now() -> InheritedSignals {
        let mut ignored = [false; LAST as usize + 1];
        // SAFETY: as above; nothing is changed.
        unsafe {
            let mut blocked: sigset_t = std::mem::zeroed();
            libc::pthread_sigmask(SIG_SETMASK, ptr::null(), &raw mut blocked);
            for signal in 1..=LAST {
                let mut action: sigaction = std::mem::zeroed();
                let known = libc::sigaction(signal, ptr::null(), &raw mut action) == 0;
                ignored[signal as usize] = known && action.sa_sigaction == SIG_IGN;
            }
            InheritedSignals { ignored, blocked }
        }
    }

    /// Whether it ignores this signal.
    pub fn ignores(&self, signal: i32) -> bool {
        usize::try_from(signal).ok().and_then(|signal| self.ignored.get(signal)).is_some_and(|ignored| *ignored)
    }

    /// Makes them so again, but for SIGPIPE, of which Rust's own start has made something else. It may be called between fork and exec.
    pub fn restore(&self) {
        // SAFETY: these calls are async-signal-safe, and the actions that they set are the kernel's own.
        unsafe {
            for signal in (1..=LAST).filter(|signal| self.ignored[*signal as usize] && *signal != libc::SIGPIPE) {
                libc::signal(signal, SIG_IGN);
            }
            libc::pthread_sigmask(SIG_SETMASK, &raw const self.blocked, ptr::null_mut());
        }
    }
}
