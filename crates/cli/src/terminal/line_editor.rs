//! Reads a line from a person: with history, completion, hints and colors, or plainly on a dumb terminal.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reedline::{
    ColumnarMenu, Completer, EditCommand, Emacs, FileBackedHistory, Highlighter, Hinter, KeyCode, KeyModifiers,
    MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal,
    ValidationResult, Validator, default_emacs_keybindings,
};

use super::above_line::{AboveLine, LOOK_INTERVAL};
use super::changed_modes::ChangedModes;
use super::detect::{count_as_dumb, counts_as_dumb, is_dumb};
use super::read_line::{ReadLine, stdin_line};
use super::suspend::suspend;
use super::terminal_input::TerminalInput;
use super::typed_ahead;

const COMPLETION: &str = "completion";
const SUSPEND: &str = "suspend";
const MAX_HISTORY: usize = 5000;
const NO_ANSWER: &str = "note: the terminal does not say where its cursor is, so lines are read without completion and history from here on";

/// For an incomplete line the indentation of its next line, else none.
pub(crate) type ContinuationIndent = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What the editor offers while a person types.
pub(crate) struct EditorHooks {
    pub(crate) completer: Box<dyn Completer + Send>,
    pub(crate) highlighter: Box<dyn Highlighter>,
    pub(crate) hinter: Box<dyn Hinter>,
    pub(crate) continuation: ContinuationIndent,
}

#[derive(Default)]
pub(crate) struct LineEditor {
    /// None on a dumb terminal.
    editor: Option<Reedline>,
    continuation: Option<ContinuationIndent>,
    next: PendingIndent,
    /// What is shown above the line while it is edited.
    above: Option<Arc<AboveLine>>,
}

/// The indentation of the next line, from the validator, which knows it, to the editor, which can insert it.
#[derive(Clone, Default)]
struct PendingIndent {
    indent: Arc<Mutex<String>>,
    wanted: Arc<AtomicBool>,
}

impl LineEditor {
    /// An editor with `hooks`, which keeps lines in `history`, except those that begin with a blank.
    pub(crate) fn new(hooks: EditorHooks, history: &Path, colors: bool) -> LineEditor {
        let EditorHooks { completer, highlighter, hinter, continuation } = hooks;
        if is_dumb() {
            return LineEditor { editor: None, continuation: Some(continuation), ..LineEditor::default() };
        }
        let next = PendingIndent::default();
        let mut editor = plain_editor(colors)
            .with_completer(completer)
            .with_highlighter(highlighter)
            .with_hinter(hinter)
            .with_validator(Box::new(Unfinished { continuation: continuation.clone(), next: next.clone() }))
            .with_break_signal(next.wanted.clone())
            // The signal is checked after every key, and only a key sets it.
            .with_poll_interval(Duration::from_secs(3600))
            .with_history_exclusion_prefix(Some(" ".into()));
        if let Some(kept) = kept_history(history) {
            editor = editor.with_history(Box::new(kept));
        }
        LineEditor { editor: Some(editor), continuation: Some(continuation), next, above: None }
    }

    /// An editor without history, for answers.
    pub(crate) fn bare(colors: bool) -> LineEditor {
        let editor = (!is_dumb()).then(|| plain_editor(colors));
        LineEditor { editor, ..LineEditor::default() }
    }

    /// The editor, which shows what comes meanwhile above the line.
    pub(crate) fn with_output_above(mut self, above: &Arc<AboveLine>) -> LineEditor {
        if let Some(editor) = self.editor.take() {
            let editor = editor.with_external_printer(above.editor_part()).with_poll_interval(LOOK_INTERVAL);
            self.editor = Some(editor);
            self.above = Some(above.clone());
        }
        self
    }

    /// Reads a line, or several if the first is incomplete; `more` is the prompt of the further ones. What was typed before comes first.
    pub(crate) fn read(&mut self, prompt: &str, more: &str) -> io::Result<ReadLine> {
        let prompts = Prompts { prompt, more };
        let (mut has_failed, mut waits_whole) = (false, false);
        while let Some(editor) = self.editor.take() {
            let edit = || {
                let _enter = ChangedModes::with_enter_as_key(); // what comes from now on is for the editor
                typed_ahead::take_from_terminal();
                let (typed, is_whole) = match waits_whole {
                    true => (String::new(), true), // as the editor has it already
                    false => self.typed(editor.current_buffer_contents()),
                };
                let mut editor = editor.with_immediately_accept(is_whole);
                if !typed.is_empty() {
                    editor.run_edit_commands(&[EditCommand::InsertString(typed)]);
                }
                let read = editor.read_line(&prompts);
                (editor, read, is_whole)
            };
            let (mut editor, read, is_whole) = match &self.above {
                Some(above) => above.while_editing(edit),
                None => edit(),
            };
            typed_ahead::take_from_editor();
            match read {
                Ok(Signal::ExternalBreak(_)) => {
                    let indent = std::mem::take(&mut *self.next.indent.lock().unwrap_or_else(PoisonError::into_inner));
                    typed_ahead::take_from_terminal();
                    if !typed_ahead::has_own_indent() {
                        editor.run_edit_commands(&[EditCommand::InsertString(indent)]); // what comes has its own
                    }
                }
                Ok(Signal::HostCommand(_)) => suspend(),
                Ok(signal @ (Signal::Success(_) | Signal::CtrlC | Signal::CtrlD)) => {
                    let _ = editor.sync_history();
                    self.editor = Some(editor);
                    return Ok(match signal {
                        Signal::Success(line) => ReadLine::Line(line),
                        Signal::CtrlC => ReadLine::Interrupted,
                        _ => ReadLine::EndOfInput,
                    });
                }
                Ok(_) => {}
                // Behind much text the terminal's answer comes late.
                Err(_) if !has_failed && typed_ahead::has_line() => (has_failed, waits_whole) = (true, is_whole),
                Err(_) => {
                    count_as_dumb();
                    eprintln!("{NO_ANSWER}");
                    let begun = editor.current_buffer_contents().to_owned();
                    return self.read_plainly(&prompts, &begun, is_whole);
                }
            }
            self.editor = Some(editor);
        }
        self.read_plainly(&prompts, "", false)
    }

    /// What was typed ahead of a text, and whether the text is whole with it.
    fn typed(&self, begun: &str) -> (String, bool) {
        let mut typed = String::new();
        while let Some(line) = typed_ahead::line() {
            typed.push_str(&line);
            if self.is_whole(&format!("{begun}{typed}")) {
                return (typed, true);
            }
            typed.push('\n');
        }
        typed.push_str(&typed_ahead::rest());
        (typed, false)
    }

    fn is_whole(&self, text: &str) -> bool {
        self.continuation.as_ref().is_none_or(|continuation| continuation(text).is_none())
    }

    /// Reads on behind the text that was begun.
    fn read_plainly(&self, prompts: &Prompts<'_>, begun: &str, is_whole: bool) -> io::Result<ReadLine> {
        let terminal = TerminalInput::visible();
        let mut text = begun.to_owned();
        print!("{}{}", prompts.prompt, begun.replace('\n', &format!("\n{}", prompts.more)));
        if is_whole {
            println!();
            return Ok(ReadLine::Line(text));
        }
        loop {
            let line = match typed_ahead::line() {
                Some(line) => {
                    println!("{line}");
                    line
                }
                None => {
                    let rest = typed_ahead::rest();
                    print!("{rest}");
                    io::stdout().flush()?;
                    let read = match &terminal {
                        Some(terminal) => terminal.read_line()?,
                        None => stdin_line()?,
                    };
                    match read {
                        ReadLine::Line(line) if counts_as_dumb() => rest + &typed_ahead::plain(&line),
                        ReadLine::Line(line) => rest + &line,
                        ended => {
                            println!();
                            return Ok(ended);
                        }
                    }
                }
            };
            text.push_str(&line);
            if self.is_whole(&text) {
                return Ok(ReadLine::Line(text));
            }
            text.push('\n');
            print!("{}", prompts.more);
        }
    }
}

fn plain_editor(colors: bool) -> Reedline {
    let mut keys = default_emacs_keybindings();
    let complete = vec![ReedlineEvent::Menu(COMPLETION.into()), ReedlineEvent::MenuNext];
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, ReedlineEvent::UntilFound(complete));
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    keys.add_binding(KeyModifiers::CONTROL, KeyCode::Char('z'), ReedlineEvent::ExecuteHostCommand(SUSPEND.into()));
    keys.add_binding(KeyModifiers::ALT, KeyCode::Enter, ReedlineEvent::Edit(vec![EditCommand::InsertNewline]));
    let menu = ColumnarMenu::default().with_name(COMPLETION).with_marker("");
    Reedline::create()
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_ansi_colors(colors)
        .use_bracketed_paste(true)
}

/// The history in a file that only its owner can read; none if the file cannot be opened.
fn kept_history(path: &Path) -> Option<FileBackedHistory> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).ok()?;
    FileBackedHistory::with_file(MAX_HISTORY, path.into()).ok()
}

struct Unfinished {
    continuation: ContinuationIndent,
    next: PendingIndent,
}

impl Validator for Unfinished {
    fn validate(&self, line: &str) -> ValidationResult {
        let Some(indent) = (self.continuation)(line) else { return ValidationResult::Complete };
        *self.next.indent.lock().unwrap_or_else(PoisonError::into_inner) = indent;
        self.next.wanted.store(true, Ordering::Relaxed); // also since more lines of a paste may lie in the terminal
        ValidationResult::Incomplete
    }
}

struct Prompts<'a> {
    prompt: &'a str,
    more: &'a str,
}

impl Prompt for Prompts<'_> {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.prompt)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.more)
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(history: {}) ", search.term))
    }
}
