//! Questions answered with a key or two: yes or no, one of several.

use std::io::{self, Write, stdout};

use crossterm::cursor::{Hide, MoveToColumn, MoveUp, Show};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, read};
use crossterm::terminal::{Clear, ClearType, disable_raw_mode, enable_raw_mode, size};
use crossterm::{execute, queue};

use super::detect::is_dumb;
use super::read_line::{ReadLine, stdin_line};
use super::suspend::suspend;
use super::terminal_input::TerminalInput;
use crate::color::{COMMAND, FAINT, paint};

/// Ctrl-Z.
const SUSPEND: (KeyCode, KeyModifiers) = (KeyCode::Char('z'), KeyModifiers::CONTROL);

/// Raw mode, until dropped: the terminal passes on every key at once.
struct Raw;

impl Raw {
    fn enter() -> io::Result<Raw> {
        enable_raw_mode()?;
        Ok(Raw)
    }

    /// Lets the shell have the terminal for a while.
    fn suspend(&self) -> io::Result<()> {
        execute!(stdout(), Show)?;
        disable_raw_mode()?;
        suspend();
        enable_raw_mode()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = execute!(stdout(), Show);
        let _ = disable_raw_mode();
    }
}

/// Waits for a key.
fn key() -> io::Result<(KeyCode, KeyModifiers)> {
    loop {
        match read()? {
            Event::Key(KeyEvent { kind: KeyEventKind::Release, .. }) => {}
            // Enter that was typed ahead, while the terminal still turned it into a line feed.
            Event::Key(KeyEvent { code: KeyCode::Char('j'), modifiers: KeyModifiers::CONTROL, .. }) => {
                return Ok((KeyCode::Enter, KeyModifiers::NONE));
            }
            Event::Key(KeyEvent { code, modifiers, .. }) => return Ok((code, modifiers)),
            // Repaint in the new size.
            Event::Resize(..) => return Ok((KeyCode::Null, KeyModifiers::NONE)),
            _ => {}
        }
    }
}

/// Asks a question; Enter means yes.
pub(crate) fn confirm(question: &str) -> io::Result<bool> {
    let answer = {
        let raw = Raw::enter()?;
        let ask = || {
            print!("{question} [Y/n] ");
            stdout().flush()
        };
        ask()?;
        loop {
            match key()? {
                SUSPEND => {
                    print!("\r\n");
                    raw.suspend()?;
                    ask()?;
                }
                (KeyCode::Char('c' | 'd'), KeyModifiers::CONTROL) | (KeyCode::Esc | KeyCode::Char('n' | 'N'), _) => {
                    break false;
                }
                (KeyCode::Enter | KeyCode::Char('y' | 'Y'), _) => break true,
                _ => {}
            }
        }
    };
    println!("{}", if answer { "y" } else { "n" });
    Ok(answer)
}

/// One of the choices.
pub(crate) struct Choice {
    pub(crate) label: String,
    pub(crate) about: String,
}

/// The outcome of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// The choice with this index.
    One(usize),
    /// Esc or the left arrow: one step back.
    Back,
    /// Ctrl-C or Ctrl-D: leave the menu.
    Leave,
}

/// Lets the user select a choice, by arrows and Enter or by its number. Clears what it painted.
pub(crate) fn select(title: &str, choices: &[Choice], colors: bool) -> io::Result<Selection> {
    if is_dumb() {
        return select_plainly(title, choices);
    }
    let raw = Raw::enter()?;
    let (mut at, mut number) = (0, String::new());
    let last = choices.len().saturating_sub(1);
    loop {
        execute!(stdout(), Hide)?;
        let painted = paint_choices(title, choices, at, colors)?;
        let (code, modifiers) = key()?;
        let digit = match code {
            KeyCode::Char(c) if c.is_ascii_digit() => Some(c),
            _ => None,
        };
        let mut chosen = None;
        match (code, modifiers) {
            (KeyCode::Char('c' | 'd'), KeyModifiers::CONTROL) => chosen = Some(Selection::Leave),
            (KeyCode::Esc | KeyCode::Left | KeyCode::Backspace | KeyCode::Char('q'), _) => {
                chosen = Some(Selection::Back)
            }
            (KeyCode::Up | KeyCode::Char('k'), _) => at = at.checked_sub(1).unwrap_or(last),
            (KeyCode::Down | KeyCode::Tab | KeyCode::Char('j'), _) => at = if at == last { 0 } else { at + 1 },
            (KeyCode::Home | KeyCode::PageUp, _) => at = 0,
            (KeyCode::End | KeyCode::PageDown, _) => at = last,
            (KeyCode::Enter | KeyCode::Right, _) if !choices.is_empty() => chosen = Some(Selection::One(at)),
            _ => {}
        }
        match digit {
            None => number.clear(),
            Some(digit) => {
                number.push(digit);
                match number.parse::<usize>() {
                    Ok(one @ 1..) if one <= choices.len() => {
                        at = one - 1;
                        // Unless another digit may follow.
                        if one * 10 > choices.len() {
                            chosen = Some(Selection::One(at));
                        }
                    }
                    _ => number.clear(),
                }
            }
        }
        queue!(stdout(), MoveToColumn(0), MoveUp(painted), Clear(ClearType::FromCursorDown))?;
        stdout().flush()?;
        if let Some(chosen) = chosen {
            return Ok(chosen);
        }
        if (code, modifiers) == SUSPEND {
            raw.suspend()?;
        }
    }
}

/// The same for a dumb terminal.
fn select_plainly(title: &str, choices: &[Choice]) -> io::Result<Selection> {
    println!("{title}");
    for (n, Choice { label, about }) in choices.iter().enumerate() {
        println!("  {:>2}  {label}  {about}", n + 1);
    }
    let terminal = TerminalInput::visible();
    loop {
        print!("Number, or nothing to go back: ");
        stdout().flush()?;
        let read = match &terminal {
            Some(terminal) => terminal.read_line()?,
            None => stdin_line()?,
        };
        let ReadLine::Line(answer) = read else {
            println!();
            return Ok(Selection::Leave);
        };
        match answer.trim().parse::<usize>() {
            Ok(one) if (1..=choices.len()).contains(&one) => return Ok(Selection::One(one - 1)),
            Err(_) if answer.trim().is_empty() => return Ok(Selection::Back),
            _ => {}
        }
    }
}

/// Paints the choices around the one at `at`; returns the number of lines.
fn paint_choices(title: &str, choices: &[Choice], at: usize, colors: bool) -> io::Result<u16> {
    let (width, height) = size().ok().filter(|&(width, height)| width > 0 && height > 0).unwrap_or((80, 24));
    let shown = usize::from(height).saturating_sub(3).max(1).min(choices.len());
    let first = at.saturating_sub(shown / 2).min(choices.len() - shown);
    let indent = choices.iter().map(|choice| choice.label.chars().count()).max().unwrap_or(0);
    let mut out = stdout().lock();
    write!(out, "{}\r\n", paint(colors, FAINT, &clipped(title, width)))?;
    for (n, choice) in choices.iter().enumerate().skip(first).take(shown) {
        let mark = if n == at { '>' } else { ' ' };
        let label = clipped(&format!("{mark} {:>2}  {:indent$}  ", n + 1, choice.label), width);
        let left = usize::from(width).saturating_sub(label.chars().count());
        let about = clipped(&choice.about, u16::try_from(left).unwrap_or(width));
        let label = if n == at { paint(colors, COMMAND, &label) } else { label };
        write!(out, "{label}{}\r\n", paint(colors, FAINT, &about))?;
    }
    out.flush()?;
    Ok(u16::try_from(shown + 1).unwrap_or(u16::MAX))
}

/// The text cut to one line of the terminal.
fn clipped(text: &str, width: u16) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(usize::from(width).saturating_sub(1)).collect()
}
