//! What looks find, live on the whole screen of a terminal.

use std::time::Duration;

use anyhow::Result;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

use super::figures::Figures;
use super::page::{Line, lines};
use super::sort::Sort;
use crate::async_runtime::interrupted;
use crate::exit_status::ExitStatus;
use crate::terminal::full_screen::{FullScreen, Style};

const KEYS: &str = "q leaves   sort by: c CPU, m memory, t time, r calls per second   arrows scroll";

/// What the screen shows of the figures.
struct View {
    sort: Sort,
    /// The first line of the page that is on the screen.
    first: usize,
}

/// What a key does.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    Leave,
    Suspend,
    /// Draw again.
    Draw,
    Nothing,
}

/// Shows them until q or Ctrl-C, or the last of them.
pub(super) async fn show(
    mut figures: mpsc::Receiver<Result<Figures>>,
    sort: Sort,
    interval: Duration,
    colors: bool,
) -> Result<ExitStatus> {
    let mut screen = FullScreen::enter()?;
    let mut keys = screen.events();
    let mut view = View { sort, first: 0 };
    let mut last: Option<Figures> = None;
    let ended = interrupted();
    tokio::pin!(ended);
    loop {
        draw(&screen, &mut view, last.as_ref(), interval, colors)?;
        tokio::select! {
            looked = figures.recv() => match looked {
                Some(looked) => last = Some(looked?),
                None => return Ok(ExitStatus::Success),
            },
            Some(event) = keys.recv() => match view.act(&event, screen.size().1) {
                Action::Leave => return Ok(ExitStatus::Success),
                Action::Suspend => screen.suspend()?,
                Action::Draw | Action::Nothing => {}
            },
            why = &mut ended => return Err(why?.into()),
        }
    }
}

impl View {
    /// Does what an event asks for, on a screen with so many rows.
    fn act(&mut self, event: &Event, rows: u16) -> Action {
        let page = usize::from(rows.saturating_sub(3)).max(1);
        let key = match event {
            Event::Key(KeyEvent { kind: KeyEventKind::Release, .. }) => return Action::Nothing,
            Event::Key(key) => key,
            Event::Resize(..) => return Action::Draw,
            _ => return Action::Nothing,
        };
        match (key.code, key.modifiers) {
            (KeyCode::Char('c' | 'd'), KeyModifiers::CONTROL) | (KeyCode::Esc | KeyCode::Char('q' | 'Q'), _) => {
                return Action::Leave;
            }
            (KeyCode::Char('z'), KeyModifiers::CONTROL) => return Action::Suspend,
            (KeyCode::Up | KeyCode::Char('k'), _) => self.first = self.first.saturating_sub(1),
            (KeyCode::Down | KeyCode::Char('j'), _) => self.first += 1,
            (KeyCode::PageUp, _) => self.first = self.first.saturating_sub(page),
            (KeyCode::PageDown | KeyCode::Char(' '), _) => self.first += page,
            (KeyCode::Home, _) => self.first = 0,
            (KeyCode::End, _) => self.first = usize::MAX / 2,
            (KeyCode::Char(key), _) => match Sort::of_key(key) {
                Some(sort) => self.sort = sort,
                None => return Action::Nothing,
            },
            _ => return Action::Nothing,
        }
        Action::Draw
    }

    /// The lines that are on a screen with so many rows, between its head and its foot.
    fn visible<'a>(&mut self, page: &'a [Line], rows: usize) -> &'a [Line] {
        self.first = self.first.min(page.len().saturating_sub(rows));
        &page[self.first..page.len().min(self.first + rows)]
    }
}

fn draw(
    screen: &FullScreen,
    view: &mut View,
    figures: Option<&Figures>,
    interval: Duration,
    colors: bool,
) -> Result<()> {
    let page = figures.map_or_else(Vec::new, |figures| lines(figures, view.sort));
    let sessions: usize =
        figures.map_or(0, |figures| figures.servers.iter().flat_map(|server| &server.sessions).map(Vec::len).sum());
    let servers = figures.map_or(0, |figures| figures.servers.len());
    let head = match figures {
        None => "looking …".to_owned(),
        Some(_) => format!(
            "servers: {servers}   sessions: {sessions}, by {}   every {} ms",
            view.sort.title(),
            interval.as_millis()
        ),
    };
    let (_, rows) = screen.size();
    let between = usize::from(rows.saturating_sub(3));
    let shown = view.visible(&page, between.max(1));
    let styled = |line: &Line| (line.text.clone(), if line.is_title { Style::Title } else { Style::Plain });
    let mut all: Vec<(String, Style)> = vec![(head, Style::Plain), (String::new(), Style::Plain)];
    all.extend(shown.iter().map(styled));
    all.resize(usize::from(rows.saturating_sub(1)).max(3), (String::new(), Style::Plain));
    all.push((KEYS.to_owned(), Style::Faint));
    screen.draw(&all, colors)?;
    Ok(())
}
