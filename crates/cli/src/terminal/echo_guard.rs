//! The terminal while something runs.

use std::io::stdin;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Until this is dropped, Ctrl-C is not shown as `^C`, in front of what is said about the interruption. Then the terminal
/// is as it was, whatever was done to it meanwhile.
pub(crate) struct EchoGuard(Option<Termios>);

impl EchoGuard {
    pub(crate) fn begin() -> EchoGuard {
        let terminal = tcgetattr(stdin()).ok();
        if let Some(terminal) = &terminal {
            let mut quiet = terminal.clone();
            quiet.local_modes.remove(LocalModes::ECHOCTL);
            let _ = tcsetattr(stdin(), OptionalActions::Drain, &quiet);
        }
        EchoGuard(terminal)
    }
}

impl Drop for EchoGuard {
    fn drop(&mut self) {
        if let Some(terminal) = &self.0 {
            let _ = tcsetattr(stdin(), OptionalActions::Drain, terminal);
        }
    }
}
