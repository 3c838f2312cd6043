//! Signals that a user, or the system, sends to a command that runs code: Ctrl-C, SIGTERM, and SIGHUP when the terminal is gone.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use beep_python_runtime::platform::{InheritedSignals, set_signals_anew};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ};
use signal_hook::flag::{register, register_conditional_default, register_usize};
use signal_hook::low_level::unregister;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that users and shells have commands ignore on purpose: with `nohup`, in the background.
pub(crate) const OF_USERS: [i32; 7] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU];

static INHERITED: OnceLock<InheritedSignals> = OnceLock::new();

/// Has the program of a command find the signals as this process found them.
pub(crate) fn pass_on_inherited(command: &mut Command) {
    let Some(inherited) = INHERITED.get().copied() else { return };
    // SAFETY: restoring is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            inherited.restore();
            Ok(())
        });
    }
}

/// Unblocks what was blocked when the process began, and lets go what was ignored, but for these; while there is only one thread. Too large a
/// file ends nothing from then on.
pub(crate) fn set_anew(keep: &[i32]) {
    INHERITED.get_or_init(InheritedSignals::now);
    // SIGPIPE is ignored by the standard library.
    set_signals_anew(&[keep, &[SIGPIPE]].concat());
    // A file that has grown as far as it may (`ulimit -f`) is an error of the write, as it is for Python. A handler that does nothing,
    // since what is ignored stays so in the programs that this one runs.
    let _ = register(SIGXFSZ, Arc::default()); // fails for signals that cannot be handled
}

/// Receives these signals in place of their default action, until [`let_go`](Signals::let_go).
///
/// A signal that was ignored when the command began stays so: a shell does that for what it runs in the background, `nohup` for
/// SIGHUP.
pub(crate) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

/// Says that nobody receives the signals, which then have their default action: handlers are for good. And these have one already.
static RELEASED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
static HANDLED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    CtrlC,
    /// One that ends the command; its number.
    End(i32),
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Signals> {
        let ignored = ignored_signals();
        RELEASED.store(false, Ordering::SeqCst);
        let listen = |number: i32| -> io::Result<Option<Signal>> {
            if ignored >> (number - 1) & 1 == 1 {
                return Ok(None);
            }
            if HANDLED.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
                register_conditional_default(number, RELEASED.clone())?;
            }
            signal(SignalKind::from_raw(number)).map(Some)
        };
        let (interrupt, terminate, hangup) = (listen(SIGINT)?, listen(SIGTERM)?, listen(SIGHUP)?);
        Ok(Signals { interrupt, terminate, hangup })
    }

    pub(crate) async fn next(&mut self) -> Received {
        tokio::select! {
            () = received(self.interrupt.as_mut()) => Received::CtrlC,
            () = received(self.terminate.as_mut()) => Received::End(SIGTERM),
            () = received(self.hangup.as_mut()) => Received::End(SIGHUP),
        }
    }

    /// Gives the signals their default action back, for what needs no clean-up: it ends the process.
    pub(crate) fn let_go(&self) -> impl Fn() + use<> {
        || RELEASED.store(true, Ordering::SeqCst)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        RELEASED.store(true, Ordering::SeqCst);
    }
}

/// Runs what must not end half-way: a signal that would end the process in the middle does so afterwards.
pub(crate) fn finish_first<T>(run: impl FnOnce() -> T) -> io::Result<T> {
    let (ignored, received) = (ignored_signals(), Arc::new(AtomicUsize::new(0)));
    let numbers = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|number| ignored >> (number - 1) & 1 == 0);
    let handlers = numbers.map(|number| register_usize(number, received.clone(), number as usize));
    let handlers = handlers.collect::<io::Result<Vec<_>>>()?;
    let result = run();
    for handler in handlers {
        unregister(handler);
    }
    match received.load(Ordering::SeqCst) {
        0 => {}
        number => die_by(number as i32),
    }
    Ok(result)
}

async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// The signals that this process ignores, one bit for each, as the kernel tells them.
pub(crate) fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// Ends the process by a signal's default action, so that its parent sees that: a shell's loop and script end with it.
pub(crate) fn die_by(number: i32) {
    let _ = signal_hook::low_level::emulate_default_handler(number);
}
