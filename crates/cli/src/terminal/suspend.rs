//! Ctrl-Z where keys are read in raw mode, in which the terminal makes no signal of it.

use rustix::process::{Signal, kill_current_process_group};

/// Stops the processes in the foreground, as the terminal does, until their shell continues them: it waits for all of them, such as the
/// script that runs this command. Not where stopping is ignored, as it is without a shell that could continue them.
pub(crate) fn suspend() {
    // The main thread calls it, and the kernel gives it such a signal first: it stops before this returns.
    let _ = kill_current_process_group(Signal::TSTP);
}
