//! Ctrl-Z where keys are read in raw mode, in which the terminal makes no signal of it.

use signal_hook::consts::SIGTSTP;

/// Stops this process until its shell continues it; not where stopping is ignored, as it is without a shell that could.
pub(crate) fn suspend() {
    let _ = signal_hook::low_level::raise(SIGTSTP);
}
