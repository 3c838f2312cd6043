//! The echo of Ctrl-C.

use std::io::stdin;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Keeps the terminal from echoing Ctrl-C as `^C` before the message about the interruption. On drop, the terminal gets the
/// modes back that it had, whatever a command did to them.
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
