//! A terminal with a user: a pseudo-terminal, its screen, and keys.

use std::cell::Cell;
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

pub(crate) const ENTER: &str = "\r";
pub(crate) const TAB: &str = "\t";
pub(crate) const ESCAPE: &str = "\x1b";
pub(crate) const UP: &str = "\x1b[A";
pub(crate) const DOWN: &str = "\x1b[B";
pub(crate) const RIGHT: &str = "\x1b[C";
pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";
pub(crate) const CTRL_Z: &str = "\x1a";
pub(crate) const CTRL_R: &str = "\x12";
pub(crate) const CTRL_U: &str = "\x15";

const ROWS: u16 = 40;
pub(crate) const COLUMNS: u16 = 110;
/// How long a test waits for the screen.
const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Terminal {
    keys: File,
    child: Child,
    shown: Arc<Shown>,
    reader: Option<JoinHandle<()>>,
}

/// When the terminal says where its cursor is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answering {
    AtOnce,
    WhenTold,
}

#[derive(Default)]
struct Shown {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser<Answers>,
    ended: bool,
}

impl Default for State {
    fn default() -> State {
        let (rows, columns) = (NonZero::new(ROWS).unwrap(), NonZero::new(COLUMNS).unwrap());
        State { parser: vt100::Parser::new_with_callbacks(rows, columns, 0, Answers::default()), ended: false }
    }
}

/// Replies to requests for the cursor position.
#[derive(Default)]
struct Answers(Vec<u8>);

impl vt100::Callbacks for Answers {
    fn unhandled_csi(&mut self, screen: &mut vt100::Screen, _: Option<u8>, _: Option<u8>, params: &[&[u16]], c: char) {
        if c == 'n' && params == [[6]] {
            let (row, column) = screen.cursor_position();
            self.0.extend(format!("\x1b[{};{}R", row + 1, column + 1).bytes());
        }
    }
}

impl Terminal {
    /// Runs a command on a terminal of its own.
    pub(crate) fn run(command: Command) -> Terminal {
        Terminal::start(command, Answering::AtOnce)
    }

    /// The same, on a terminal that does not say where its cursor is before [`answer`](Terminal::answer).
    pub(crate) fn silent(command: Command) -> Terminal {
        Terminal::start(command, Answering::WhenTold)
    }

    fn start(mut command: Command, answering: Answering) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal: OwnedFd = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        command.stdin(terminal.try_clone().unwrap()).stdout(terminal.try_clone().unwrap()).stderr(terminal);
        // Unless the test sets them.
        let said: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        if !said.iter().any(|name| name == "TERM") {
            command.env("TERM", "xterm-256color");
        }
        if !said.iter().any(|name| name == "NO_COLOR") {
            command.env_remove("NO_COLOR");
        }
        // SAFETY: both are system calls that may be made between fork and exec, and nothing else is done.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        // It holds the other end of the terminal, which would never close.
        drop(command);
        let keys = File::from(master);
        let shown = Arc::new(Shown::default());
        let reader = std::thread::spawn({
            let (screen, keys) = (keys.try_clone().unwrap(), shown.clone());
            move || watch(screen, &keys, answering)
        });
        Terminal { keys, child, shown, reader: Some(reader) }
    }

    /// Answers what it was asked.
    pub(crate) fn answer(&mut self) {
        let answers = std::mem::take(&mut self.shown.state.lock().unwrap().parser.callbacks_mut().0);
        assert!(!answers.is_empty(), "it was asked nothing");
        self.keys.write_all(&answers).unwrap();
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let (screen_rows, screen_columns) = (NonZero::new(rows).unwrap(), NonZero::new(columns).unwrap());
        self.shown.state.lock().unwrap().parser.screen_mut().set_size(screen_rows, screen_columns);
        tcsetwinsize(&self.keys, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    }

    pub(crate) fn pid(&self) -> u64 {
        self.child.id().into()
    }

    /// Types all keys at once.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen satisfies the condition.
    pub(crate) fn wait_until(&self, what: &str, right: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        let mut state = self.shown.state.lock().unwrap();
        while !right(state.parser.screen()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.ended {
                let contents = contents(&state);
                drop(state);
                panic!("waited for {what}; there is:\n{contents}");
            }
            state = self.shown.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until the screen has this text.
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(text, |screen| screen.contents().contains(text));
    }

    /// Waits until the screen has these lines, except for trailing blanks.
    pub(crate) fn wait_for_lines(&self, lines: &str) {
        self.wait_until(lines, |screen| {
            let shown: Vec<_> = screen.rows(0, COLUMNS).map(|row| row.trim_end().to_owned()).collect();
            format!("{}\n", shown.join("\n")).contains(&format!("\n{lines}\n"))
        });
    }

    /// Waits until the line with the cursor begins so, except for trailing blanks.
    pub(crate) fn wait_for_line(&self, line: &str) {
        self.wait_until(line, |screen| line_at_cursor(screen).starts_with(line.trim_end()));
    }

    /// Waits until the line with the cursor is this prompt, with nothing typed.
    pub(crate) fn wait_for_prompt(&self, prompt: &str) {
        self.wait_until(prompt, |screen| is_prompt(screen, prompt));
    }

    /// Types a line at a prompt, and waits for the next prompt.
    pub(crate) fn command(&mut self, prompt: &str, line: &str) {
        self.begin(prompt, line);
        self.wait_for_prompt(prompt);
    }

    /// Types a line at a prompt and enters it.
    pub(crate) fn begin(&mut self, prompt: &str, line: &str) {
        self.wait_for_prompt(prompt);
        self.keys(line);
        self.wait_for_line(&format!("{prompt}{line}"));
        self.keys(ENTER);
    }

    /// Discards the line with Ctrl-C; waits for the next prompt, further down.
    pub(crate) fn discard_line(&mut self, prompt: &str) {
        let row = Cell::new(0);
        self.wait_until("what is typed", |screen| {
            row.set(screen.cursor_position().0);
            !is_painted(screen)
        });
        let row = row.get();
        assert!(row + 2 < ROWS, "it cannot be told from the last, since the screen scrolls");
        self.keys(CTRL_C);
        self.wait_until(prompt, |screen| is_prompt(screen, prompt) && screen.cursor_position().0 > row);
    }

    /// Whether the program has the other screen, for the time that it runs.
    pub(crate) fn is_alternate(&self) -> bool {
        self.shown.state.lock().unwrap().parser.screen().alternate_screen()
    }

    pub(crate) fn screen(&self) -> String {
        contents(&self.shown.state.lock().unwrap())
    }

    /// Whether this text appears in color.
    pub(crate) fn is_colored(&self, text: &str) -> bool {
        let state = self.shown.state.lock().unwrap();
        let screen = state.parser.screen();
        let rows = screen.rows(0, COLUMNS).enumerate();
        let mut found = rows.filter_map(|(row, line)| Some((row, line.find(text)?)));
        found.any(|(row, column)| {
            let cell = screen.cell(u16::try_from(row).unwrap(), u16::try_from(column).unwrap()).unwrap();
            cell.fgcolor() != vt100::Color::Default
        })
    }

    /// Waits until the program has ended.
    pub(crate) fn end(mut self) -> ExitStatus {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        let mut state = self.shown.state.lock().unwrap();
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not end; there is:\n{}", contents(&state));
            state = self.shown.changed.wait_timeout(state, left).unwrap().0;
        }
        drop(state);
        self.child.wait().unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take()
            && !std::thread::panicking()
        {
            reader.join().unwrap();
        }
    }
}

/// Shows what comes until the other end is closed.
fn watch(mut terminal: File, shown: &Shown, answering: Answering) {
    let mut buffer = [0; 4096];
    loop {
        let read = terminal.read(&mut buffer).unwrap_or(0); // EIO when nobody has the other end open
        let mut state = shown.state.lock().unwrap();
        state.parser.process(&buffer[..read]);
        state.ended = read == 0;
        let answers = match answering {
            Answering::AtOnce => std::mem::take(&mut state.parser.callbacks_mut().0),
            Answering::WhenTold => Vec::new(),
        };
        drop(state);
        shown.changed.notify_all();
        if read == 0 {
            return;
        }
        let _ = terminal.write_all(&answers);
    }
}

fn contents(state: &State) -> String {
    state.parser.screen().contents()
}

/// Whether the program is painting: it hides the cursor meanwhile, and the screen may be incomplete.
fn is_painted(screen: &vt100::Screen) -> bool {
    screen.hide_cursor()
}

/// The line with the cursor; empty while the program paints.
fn line_at_cursor(screen: &vt100::Screen) -> String {
    if is_painted(screen) {
        return String::new();
    }
    let row = usize::from(screen.cursor_position().0);
    screen.rows(0, COLUMNS).nth(row).unwrap_or_default().trim_end().to_owned()
}

fn is_prompt(screen: &vt100::Screen, prompt: &str) -> bool {
    line_at_cursor(screen) == prompt.trim_end() && usize::from(screen.cursor_position().1) == prompt.chars().count()
}
