//! The modes of the terminal, changed for a while.

use std::io::stdin;

use rustix::termios::{InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// Changed modes of the terminal. On drop, it gets those back that it had, whatever a command did to them.
pub(crate) struct ChangedModes {
    had: Option<Termios>,
    when: OptionalActions,
}

impl ChangedModes {
    /// Keeps the terminal from echoing Ctrl-C as `^C` before the message about the interruption.
    pub(crate) fn without_echo_of_ctrl_c() -> ChangedModes {
        ChangedModes::begin(OptionalActions::Drain, |modes| modes.local_modes.remove(LocalModes::ECHOCTL))
    }

    /// Lets Enter come as a carriage return, and end a line as such. Otherwise the terminal makes a line feed of it, which an editor that
    /// reads keys takes for Ctrl-J: it would go on to the lines behind it, and lose them.
    pub(super) fn with_enter_as_key() -> ChangedModes {
        ChangedModes::begin(OptionalActions::Now, |modes| {
            modes.input_modes.remove(InputModes::ICRNL);
            modes.local_modes.remove(LocalModes::ISIG); // Ctrl-C would leave the terminal like this
            modes.special_codes[SpecialCodeIndex::VEOL] = b'\r';
        })
    }

    fn begin(when: OptionalActions, change: impl FnOnce(&mut Termios)) -> ChangedModes {
        let had = tcgetattr(stdin()).ok();
        if let Some(had) = &had {
            let mut modes = had.clone();
            change(&mut modes);
            let _ = tcsetattr(stdin(), when, &modes);
        }
        ChangedModes { had, when }
    }
}

impl Drop for ChangedModes {
    fn drop(&mut self) {
        if let Some(had) = &self.had {
            let _ = tcsetattr(stdin(), self.when, had);
        }
    }
}
