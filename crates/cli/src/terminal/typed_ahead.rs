//! What was typed, or pasted, while no line was read. The editor would take it for one line, or lose it: it is read here, line by line.

use std::io::stdin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read};

/// What no line was made of yet.
static TYPED: Mutex<String> = Mutex::new(String::new());

/// The next whole line.
pub(super) fn line() -> Option<String> {
    let mut typed = typed();
    let end = typed.find('\n')?;
    let rest = typed.split_off(end + 1);
    let mut line = std::mem::replace(&mut *typed, rest);
    line.pop();
    Some(line)
}

/// Whether it brings its indentation along: whole lines are pasted.
pub(super) fn has_own_indent() -> bool {
    let typed = typed();
    typed.contains('\n') || typed.starts_with([' ', '\t'])
}

pub(super) fn has_line() -> bool {
    typed().contains('\n')
}

/// What was typed of a line that is not ended.
pub(super) fn rest() -> String {
    std::mem::take(&mut *typed())
}

/// As the terminal itself does on Ctrl-C.
pub(crate) fn discard() {
    typed().clear();
}

fn typed() -> MutexGuard<'static, String> {
    TYPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes in what the editor has read and made no line of. Only right behind it: it would wait behind a Ctrl-D.
pub(super) fn take_from_editor() {
    let mut typed = typed();
    while poll(Duration::ZERO).unwrap_or(false) {
        let Ok(event) = read() else { break };
        match event {
            Event::Paste(text) => typed.push_str(&text.replace("\r\n", "\n").replace('\r', "\n")),
            Event::Key(key) if key.kind != KeyEventKind::Release => match (key.code, key.modifiers) {
                (KeyCode::Enter, _) | (KeyCode::Char('j'), KeyModifiers::CONTROL) => typed.push('\n'),
                (KeyCode::Tab, _) => typed.push('\t'),
                (KeyCode::Char(c), KeyModifiers::NONE | KeyModifiers::SHIFT) => typed.push(c),
                _ => {}
            },
            _ => {}
        }
    }
    drop(typed);
    take_from_terminal();
}

/// Takes in the lines that lie in the terminal.
pub(super) fn take_from_terminal() {
    let mut bytes = Vec::new();
    while let Ok(1..) = rustix::io::ioctl_fionread(stdin()) {
        let mut piece = [0; 4096];
        match rustix::io::read(stdin(), &mut piece) {
            Ok(count @ 1..) => bytes.extend_from_slice(&piece[..count]),
            _ => break,
        }
    }
    if !bytes.is_empty() {
        typed().push_str(&plain(&String::from_utf8_lossy(&bytes)));
    }
}

/// The text without the escape sequences of keys, and of a terminal that answers late.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' if chars.next_if(|&c| c == '[' || c == 'O').is_some() => {
                // Parameters, and the letter that ends it.
                while chars.next_if(|c| c.is_ascii() && !('@'..='~').contains(c)).is_some() {}
                chars.next();
            }
            '\r' => {
                let _ = chars.next_if_eq(&'\n');
                plain.push('\n');
            }
            '\n' | '\t' => plain.push(c),
            '\x7f' | '\x08' => drop(plain.pop()),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_corrections_are_no_text() {
        assert_eq!(plain("a\x1b[12;5Rb\rc\r\nd\x1b[A\x1bOPe\tf\x7fg\x03"), "ab\nc\nde\tg");
        assert_eq!(plain("é\x1b[200~x\x1b[201~"), "éx");
    }
}
