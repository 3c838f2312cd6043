//! Code that is run for somebody who watches: what it prints is passed on as it comes, and its `input()` reads the standard
//! input of the command.

use std::collections::VecDeque;
use std::io::BufRead;

use beep_python_client::{Answer, AnyBackend, Error, ErrorCode, Execution, Input, PythonHostBackend, Returned, Shown};
use futures_util::StreamExt;
use tokio::sync::oneshot;

use crate::printer::Printer;

/// Runs code to its end; gives its value. `None` when nobody reads what it prints any more: it is dropped then.
pub(super) async fn run(
    printer: &Printer,
    client: &AnyBackend,
    code: &str,
    has_input: bool,
) -> Result<Option<Answer<Returned>>, Error> {
    let mut execution = client.evaluate_followed(code).await?;
    // Threads may wait for a line each. While they do the code may print, and it may end: its time is up, say.
    let mut waiting = VecDeque::new();
    let mut reading: Option<oneshot::Receiver<Option<String>>> = None;
    loop {
        tokio::select! {
            shown = execution.next() => match shown {
                Some(Shown::Stdout(text)) => printer.raw(&text),
                Some(Shown::Stderr(text)) => printer.raw_note(&text),
                Some(Shown::Display(display)) => printer.line(display.text()),
                Some(Shown::Input(input)) => waiting.push_back(input),
                Some(_) => {}
                None => break,
            },
            line = async { reading.as_mut().expect("it is there").await }, if reading.is_some() => {
                reading = None;
                if let Some(input) = waiting.pop_front() {
                    answer(&execution, &input, line.ok().flatten().as_deref()).await?;
                }
            }
        }
        if let Some(input) = waiting.front().filter(|_| reading.is_none()) {
            printer.raw(&input.prompt);
            reading = Some(line(has_input));
        }
        if printer.is_unheard() {
            return Ok(None);
        }
    }
    execution.result().await.map(Some)
}

/// Answers `input()`. Where it does not wait any more the code has ended, and says itself how.
async fn answer(execution: &Execution<AnyBackend>, input: &Input, line: Option<&str>) -> Result<(), Error> {
    match execution.answer_input(input, line).await {
        Err(error) if error.code() == Some(ErrorCode::UnknownQuestion) => Ok(()),
        answered => answered,
    }
}

/// A line of standard input without its end; none where that has ended, or is not to be read.
fn line(has_input: bool) -> oneshot::Receiver<Option<String>> {
    let (told, line) = oneshot::channel();
    // On a thread that nobody waits for: the end of the code, and of the command, must not wait for a line.
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let is_read = has_input && matches!(std::io::stdin().lock().read_until(b'\n', &mut line), Ok(1..));
        let text = || String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
        let _ = told.send(is_read.then(text));
    });
    line
}
