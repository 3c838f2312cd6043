//! The read-eval-print loop.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use beep_python_client::{AnyBackend, Error, ErrorCode};
use reedline::{Completer, DefaultHinter, Span, Suggestion};
use tokio::runtime::Runtime;

use super::highlight::Python;
use super::remote::{Prompts, Remote};
use super::screen::Screen;
use super::session_output::SessionOutput;
use super::source::continuation;
use super::traceback;
use crate::color::{ERROR, FAINT, paint};
use crate::context::Context;
use crate::exit_status::ExitStatus;
use crate::hints::hint_for;
use crate::terminal::changed_modes::ChangedModes;
use crate::terminal::line_editor::{EditorHooks, LineEditor};
use crate::terminal::read_line::ReadLine;

const HISTORY: &str = "python-history";

/// Runs the file `startup`, then reads and runs lines until the user leaves.
pub(crate) fn run(
    context: &Context,
    runtime: Runtime,
    client: AnyBackend,
    title: &str,
    output: &SessionOutput,
    startup: Option<&Path>,
) -> Result<ExitStatus> {
    let printer = &context.printer;
    let colors = printer.colors.stdout;
    let remote = Arc::new(Remote::new(runtime, client));
    let hooks = EditorHooks {
        completer: Box::new(Names(remote.clone())),
        highlighter: Box::new(Python),
        hinter: Box::new(DefaultHinter::default().with_style(FAINT)),
        continuation: Arc::new(continuation),
    };
    let mut lines =
        LineEditor::new(hooks, &context.home()?.root().join(HISTORY), colors).with_output_above(&output.above);
    printer.line(format_args!("{title}{}", paint(colors, FAINT, "   Tab completes, Ctrl-C interrupts, Ctrl-D leaves")));
    let mut prompts = usual_prompts();
    let run = |prompts: &mut Prompts, method: &str, text: &str| {
        let ran = {
            let _guard = ChangedModes::without_echo_of_ctrl_c();
            remote.run(method, text, &Screen(printer, &output.above))
        };
        match ran {
            Ok((first, more)) => *prompts = (visible(&first), visible(&more)),
            Err(error) => {
                if let Some((first, more)) = prompts_behind(&remote, &error) {
                    *prompts = (visible(&first), visible(&more));
                }
                if let Some((stdout, stderr)) = error.output() {
                    printer.raw(stdout);
                    printer.raw_note(stderr);
                }
                let hint = remote.import_hint(context, &error);
                if let Error::Host(problem) = &error
                    && let (true, Some(epoch)) = (is_anew(&error), problem.session_epoch)
                {
                    output.has_told_of_end(epoch);
                }
                if let leave @ Next::Leave(_) = failed(context, error) {
                    return leave;
                }
                hint.iter().for_each(|hint| printer.hint(hint));
            }
        }
        Next::Prompt
    };
    if let Some(path) = startup
        && let Next::Leave(status) = run(&mut prompts, "run_startup", &path.to_string_lossy())
    {
        return Ok(status);
    }
    loop {
        let text = match lines.read(&prompts.0, &prompts.1)? {
            ReadLine::Line(text) => text,
            ReadLine::Interrupted => continue,
            ReadLine::EndOfInput => return Ok(ExitStatus::Success),
        };
        match text.trim() {
            "" => continue,
            // Running these would end the session.
            "exit" | "quit" | "exit()" | "quit()" => return Ok(ExitStatus::Success),
            _ => {}
        }
        if let Next::Leave(status) = run(&mut prompts, "run", &text) {
            return Ok(status);
        }
    }
}

/// The prompts behind an error; none where they stay.
fn prompts_behind(remote: &Remote, error: &Error) -> Option<Prompts> {
    if is_anew(error) {
        return Some(usual_prompts());
    }
    match error.code()? {
        ErrorCode::PythonException | ErrorCode::Cancelled => remote.prompts().ok(),
        _ => None,
    }
}

/// Those of a session in which nothing has run.
fn usual_prompts() -> Prompts {
    (">>> ".to_owned(), "... ".to_owned())
}

/// A prompt without the marks around what readline does not count.
fn visible(prompt: &str) -> String {
    prompt.replace(['\x01', '\x02'], "")
}

enum Next {
    Prompt,
    Leave(ExitStatus),
}

/// Prints an error; an exception as Python does.
fn failed(context: &Context, error: Error) -> Next {
    let printer = &context.printer;
    let colors = printer.colors.stderr;
    if let Error::Python(raised) = &error
        && let Some(status) = raised.exception.exit_status
    {
        raised.exception.exit_message.iter().for_each(|message| printer.note(message));
        return Next::Leave(ExitStatus::Code(status));
    }
    match &error {
        Error::Python(raised) => printer.note(traceback::painted(&raised.exception, colors)),
        // Cancelled with the state intact: print what Python would.
        Error::Host(problem) if problem.code == ErrorCode::Cancelled && !lost(&error) => match &problem.exception {
            Some(exception) => printer.note(traceback::painted(exception, colors)),
            None => printer.note(paint(colors, ERROR, "KeyboardInterrupt")),
        },
        _ => {
            let error = error.into();
            printer.error(&error, hint_for(&error, context).as_deref());
        }
    }
    Next::Prompt
}

fn lost(error: &Error) -> bool {
    use beep_python_client::protocol::Outcome;
    matches!(error, Error::Host(problem) if problem.outcome == Some(Outcome::StateLost))
}

/// Whether the session begins anew behind the error.
fn is_anew(error: &Error) -> bool {
    lost(error) || matches!(error, Error::Host(problem) if problem.death.is_some())
}

/// Completes names of the session.
struct Names(Arc<Remote>);

impl Completer for Names {
    fn complete(&mut self, line: &str, pos: usize) -> Vec<Suggestion> {
        let before = &line[..pos];
        let suggestion =
            |value: String, start: usize| Suggestion { value, span: Span::new(start, pos), ..Suggestion::default() };
        // At the start of a line Tab indents.
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        if before[line_start..].trim().is_empty() {
            return vec![suggestion("    ".to_owned(), pos)];
        }
        let (start, names) = self.0.complete(before);
        let start = before.char_indices().nth(start).map_or(pos, |(at, _)| at);
        names.into_iter().map(|name| suggestion(name, start)).collect()
    }
}
