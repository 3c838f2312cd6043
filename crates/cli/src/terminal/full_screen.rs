//! A program that has the whole screen of the terminal: the other screen, which leaves what was there as it was.

use std::io::{self, Write, stdout};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, read};
use crossterm::style::Print;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use nu_ansi_term::Style as Painted;
use tokio::sync::mpsc;

use super::rows::rows;
use super::suspend::suspend;
use crate::color::{FAINT, paint};

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Title,
    Faint,
}

/// The whole screen, until dropped.
pub(crate) struct FullScreen;

impl FullScreen {
    pub(crate) fn enter() -> io::Result<FullScreen> {
        // What is dropped undoes it, also where only a part was done.
        let screen = FullScreen;
        screen.take()?;
        Ok(screen)
    }

    fn take(&self) -> io::Result<()> {
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen, Hide)
    }

    fn give_back(&self) -> io::Result<()> {
        execute!(stdout(), Show, LeaveAlternateScreen)?;
        disable_raw_mode()
    }

    /// Lets the shell have the terminal for a while.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        self.give_back()?;
        suspend();
        self.take()
    }

    /// Its columns and rows.
    pub(crate) fn size(&self) -> (u16, u16) {
        // Some terminals report a size of 0.
        size().ok().filter(|&(columns, rows)| columns > 0 && rows > 0).unwrap_or((80, 24))
    }

    /// Keys, and changes of the size. What reads them is a thread, which ends with the process: it waits in the terminal.
    pub(crate) fn events(&self) -> mpsc::Receiver<Event> {
        let (sender, events) = mpsc::channel(64);
        std::thread::spawn(move || {
            while let Ok(event) = read() {
                if sender.blocking_send(event).is_err() {
                    return;
                }
            }
        });
        events
    }

    /// Shows these lines, each cut to the width, and as many as there are rows.
    pub(crate) fn draw(&self, lines: &[(String, Style)], colors: bool) -> io::Result<()> {
        let (columns, height) = self.size();
        let mut out = Vec::new();
        queue!(out, MoveTo(0, 0))?;
        for (row, (text, style)) in (0..height).zip(lines) {
            let text = rows(text, columns.into()).swap_remove(0);
            let text = match style {
                Style::Plain => text,
                Style::Title => paint(colors, Painted::new().bold(), &text),
                Style::Faint => paint(colors, FAINT, &text),
            };
            queue!(out, MoveTo(0, row), Clear(ClearType::CurrentLine), Print(text))?;
        }
        let drawn = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        if drawn < height {
            queue!(out, MoveTo(0, drawn), Clear(ClearType::FromCursorDown))?;
        }
        let mut terminal = stdout().lock();
        terminal.write_all(&out)?;
        terminal.flush()
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        let _ = self.give_back();
    }
}
