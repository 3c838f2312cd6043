//! Enter as the key that it is, for lines that are typed while no editor reads them yet.

use std::io::stdin;

use rustix::termios::{InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// Until this is dropped, Enter comes as a carriage return, and ends a line as such. Otherwise the terminal makes a line feed of it, which an
/// editor that reads keys takes for Ctrl-J: it would go on to the lines behind it, and lose them.
pub(super) struct EnterKey(Option<Termios>);

impl EnterKey {
    pub(super) fn begin() -> EnterKey {
        let modes = tcgetattr(stdin()).ok();
        if let Some(modes) = &modes {
            let mut changed = modes.clone();
            changed.input_modes.remove(InputModes::ICRNL);
            changed.local_modes.remove(LocalModes::ISIG); // Ctrl-C would leave the terminal like this
            changed.special_codes[SpecialCodeIndex::VEOL] = b'\r';
            let _ = tcsetattr(stdin(), OptionalActions::Now, &changed);
        }
        EnterKey(modes)
    }
}

impl Drop for EnterKey {
    fn drop(&mut self) {
        if let Some(modes) = &self.0 {
            let _ = tcsetattr(stdin(), OptionalActions::Now, modes);
        }
    }
}
