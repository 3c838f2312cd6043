//! Code that is run for somebody who watches: what it prints is passed on as it comes, and its `input()` reads the standard
//! input of the command.

use std::io::BufRead;

use beep_python_client::{Answer, AnyBackend, Error, Handle, PythonHostBackend, Returned, Shown, Value};
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
    let mut execution = client.execute_held(code).await?;
    while let Some(shown) = execution.next().await {
        match shown {
            Shown::Stdout(text) => printer.raw(&text),
            Shown::Stderr(text) => printer.raw_note(&text),
            Shown::Display(display) => {
                display
                    .data
                    .get("text/plain")
                    .and_then(|text| text.as_str())
                    .iter()
                    .for_each(|text| printer.line(text));
            }
            Shown::Input(input) => {
                printer.raw(&input.prompt);
                let line = if has_input { line().await } else { None };
                execution.answer_input(&input, line.as_deref()).await?;
            }
            _ => {}
        }
        if printer.is_unheard() {
            return Ok(None);
        }
    }
    let held: Answer<Handle> = execution.result().await?;
    if held.value.type_name() == "NoneType" {
        let Answer { stdout, stderr, session_epoch, .. } = held;
        return Ok(Some(Answer { value: Returned::Value(Value::None), stdout, stderr, session_epoch }));
    }
    client.evaluate_with("value", [("value", &held.value)]).await.map(Some)
}

/// A line of standard input without its end; none where that has ended.
async fn line() -> Option<String> {
    let (told, line) = oneshot::channel();
    // On a thread that nobody waits for: an interruption must not wait for a line.
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let read = std::io::stdin().lock().read_until(b'\n', &mut line);
        let _ = told.send(matches!(read, Ok(1..)).then_some(line));
    });
    let line = line.await.ok().flatten()?;
    let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
    Some(text)
}
