//! `eval` without `--json`: streams the code's output as it comes, and answers its `input()` from standard input.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, BufRead, Write, stderr, stdin, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use beep_python_client::{
    AnyBackend, AnyTransport, Display, Error, ErrorCode, Execution, ExecutionEvent, InputRequest, Response,
    SessionEvent, SessionEvents,
};
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::printer::Printer;
use crate::terminal::detect::clear_line;
use crate::terminal::read_line::ReadLine;
use crate::terminal::terminal_input::{CtrlC, TerminalInput, read_line};

/// How many bytes are buffered where the reader is slower than the code prints.
pub(super) const WRITE_LIMIT: usize = 64 << 20;

/// How long to wait for what reads the output, once the code was stopped.
const READER_PATIENCE: Duration = Duration::from_secs(1);

/// Where lines for the code come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// From this command's standard input.
    Input,
    /// From nowhere: the code itself came from there, and was all of it.
    Ended,
    /// The code reads standard input itself, and asks for passwords only, which a terminal gives.
    OfCode,
}

/// Since when output waits for its reader, if it does: of this process, which has one standard output.
static UNREAD_SINCE: Mutex<Option<Instant>> = Mutex::new(None);

/// Output waits, until this is dropped.
struct Unread;

impl Unread {
    fn begin() -> Unread {
        *UNREAD_SINCE.lock() = Some(Instant::now());
        Unread
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        *UNREAD_SINCE.lock() = None;
    }
}

/// Whether output has waited for its reader for so long.
pub(super) fn is_unread_for(time: Duration) -> bool {
    UNREAD_SINCE.lock().is_some_and(|since| since.elapsed() >= time)
}

/// Runs code to its end and returns its value as text; `None`, and the code is cancelled, when nothing reads its output any more.
/// Meanwhile `session` tells what other code of the session shows. `ctrl_c` counts how often that was pressed, `ended` is called when the code has ended.
pub(super) async fn run(
    printer: &Printer,
    client: &AnyBackend,
    mut session: Option<&mut SessionEvents>,
    code: &str,
    lines: Lines,
    ctrl_c: &Cell<u32>,
    ended: impl FnOnce(),
) -> Result<Option<Response<Option<String>>>, Error> {
    let mut execution = client.evaluate_streaming_to_text(code).await?;
    let (writer, written) = Writer::start();
    // Several threads may wait for a line. Meanwhile the code may print, or end, by its deadline for example.
    let mut waiting = VecDeque::new();
    let mut reading: Option<oneshot::Receiver<Option<String>>> = None;
    let mut hidden: Option<TerminalInput> = None;
    let mut seen = ctrl_c.get();
    loop {
        tokio::select! {
            shown = execution.next() => match shown {
                Some(ExecutionEvent::Stdout(text)) => writer.write(Stream::Output, text).await,
                Some(ExecutionEvent::Stderr(text)) => writer.write(Stream::Errors, text).await,
                Some(ExecutionEvent::StdoutBytes(bytes)) => writer.write(Stream::Output, bytes).await,
                Some(ExecutionEvent::StderrBytes(bytes)) => writer.write(Stream::Errors, bytes).await,
                Some(ExecutionEvent::Omitted(bytes)) => printer.record_omitted(bytes),
                Some(ExecutionEvent::Display(display)) => writer.write(Stream::Output, display_text(&display)).await,
                Some(ExecutionEvent::ClearOutput { .. }) => writer.write(Stream::Output, clear_line().to_owned()).await,
                // Ctrl-C has ended what waited at the prompt, and the next line is this one's.
                Some(ExecutionEvent::InputRequest(input)) if ctrl_c.get() != seen && reading.is_some() => {
                    seen = ctrl_c.get();
                    drop(hidden.take()); // first the modes that the terminal had
                    hidden = ask(&writer, &input, lines).await;
                    waiting.pop_front();
                    waiting.push_front(input);
                }
                Some(ExecutionEvent::InputRequest(input)) => waiting.push_back(input),
                Some(_) => {}
                None => break,
            },
            line = async { reading.as_mut().expect("it is there").await }, if reading.is_some() => {
                reading = None;
                hidden = None;
                let line = line.ok().flatten();
                while let Some(input) = waiting.pop_front() {
                    if answer(&execution, &input, line.as_deref()).await? {
                        break;
                    }
                }
            }
            shown = async { session.as_mut().expect("it is there").next().await }, if session.is_some() => {
                match shown.and_then(Result::ok) {
                    None => session = None,
                    Some(shown) => {
                        if let Some((stream, bytes)) = output_of(printer, shown) {
                            writer.write(stream, bytes).await;
                        }
                    }
                }
            }
            () = writer.pieces.closed() => break,
        }
        if let Some(input) = waiting.front().filter(|_| reading.is_none()) {
            hidden = ask(&writer, input, lines).await;
            if hidden.is_none() && lines == Lines::OfCode {
                if let Some(input) = waiting.pop_front() {
                    replied(execution.refuse_input(&input, "there is no terminal").await)?;
                }
                continue;
            }
            let terminal = hidden.as_ref().and_then(|hidden| hidden.reader().ok());
            reading = Some(spawn_detached(move || match terminal {
                Some(terminal) => match read_line(terminal) {
                    ReadLine::Line(line) => Some(line),
                    ReadLine::Interrupted | ReadLine::EndOfInput => None,
                },
                None if lines == Lines::Input => line(),
                None => None,
            }));
        }
    }
    drop(hidden);
    ended();
    let (is_unread, room) = (writer.pieces.is_closed(), writer.room.clone());
    drop(writer);
    if is_unread {
        printer.record_write(written.await.unwrap_or(Ok(())));
        return Ok(None);
    }
    let result = execution.result().await;
    // What was stopped does not wait for a reader that does not read.
    let patience =
        if result.as_ref().is_err_and(|error| is_stop(error, ctrl_c.get())) { READER_PATIENCE } else { Duration::MAX };
    match tokio::time::timeout(patience, written).await {
        Ok(written) => printer.record_write(written.unwrap_or(Ok(()))),
        Err(_) => printer.record_omitted((WRITE_LIMIT - room.available_permits()) as u64),
    }
    if printer.is_closed() {
        return Ok(None);
    }
    result.map(Some)
}

/// Whether the code was stopped, after so many presses of Ctrl-C.
fn is_stop(error: &Error, presses: u32) -> bool {
    match error {
        Error::Python(raised) => presses > 0 && raised.exception.kind == "KeyboardInterrupt",
        error => matches!(error.code(), Some(ErrorCode::DeadlineExceeded | ErrorCode::Cancelled)),
    }
}

/// Prints what a session shows until it ends.
pub(super) async fn follow(printer: &Printer, session: Option<SessionEvents>) {
    let Some(mut session) = session else { return };
    let (writer, written) = Writer::start();
    while let Some(Ok(shown)) = session.next().await {
        if let Some((stream, bytes)) = output_of(printer, shown) {
            writer.write(stream, bytes).await;
        }
    }
    drop(writer);
    printer.record_write(written.await.unwrap_or(Ok(())));
}

/// What is printed for an event of the session, and where.
fn output_of(printer: &Printer, event: SessionEvent) -> Option<(Stream, Vec<u8>)> {
    Some(match event {
        SessionEvent::Stdout(text) => (Stream::Output, text.into()),
        SessionEvent::Stderr(text) => (Stream::Errors, text.into()),
        SessionEvent::StdoutBytes(bytes) => (Stream::Output, bytes),
        SessionEvent::StderrBytes(bytes) => (Stream::Errors, bytes),
        SessionEvent::Display(display) => (Stream::Output, display_text(&display).into()),
        SessionEvent::ClearOutput { .. } => (Stream::Output, clear_line().into()),
        SessionEvent::Omitted(bytes) => {
            printer.record_omitted(bytes);
            return None;
        }
        _ => return None,
    })
}

/// A display as text; nothing for one that is only a place for updates.
fn display_text(display: &Display) -> String {
    if display.data.is_empty() { String::new() } else { format!("{}\n", display.text()) }
}

/// Shows what `input()` asks, and hides what is typed where `getpass()` asks.
async fn ask(writer: &Writer, input: &InputRequest, lines: Lines) -> Option<TerminalInput> {
    let mut hidden = None;
    if input.password {
        writer.written().await; // to the same terminal, perhaps
        hidden = TerminalInput::hidden(&input.prompt, CtrlC::Signal);
    }
    if hidden.is_none() && lines != Lines::OfCode {
        writer.write(Stream::Output, input.prompt.clone()).await;
    }
    hidden
}

/// Answers `input()`. Returns false if it no longer waits: the code was interrupted, or has ended, and its result says how.
async fn answer(execution: &Execution<AnyTransport>, input: &InputRequest, line: Option<&str>) -> Result<bool, Error> {
    replied(execution.send_input(input, line).await)
}

/// Whether a reply found its question.
fn replied(sent: Result<(), Error>) -> Result<bool, Error> {
    match sent {
        Err(error) if error.code() == Some(ErrorCode::UnknownQuestion) => Ok(false),
        answered => answered.map(|()| true),
    }
}

enum Stream {
    Output,
    Errors,
}

/// Writes output while more of it arrives: the host drops output that is not read in time.
struct Writer {
    pieces: mpsc::UnboundedSender<(Stream, Vec<u8>, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

impl Writer {
    /// Also returns the receiver of the outcome, sent once all is written or writing has failed.
    fn start() -> (Writer, oneshot::Receiver<io::Result<()>>) {
        let (pieces, mut to_write) = mpsc::unbounded_channel::<(_, Vec<u8>, _)>();
        let written = spawn_detached(move || {
            while let Some((stream, bytes, _room)) = to_write.blocking_recv() {
                match stream {
                    Stream::Output => stdout().write_all(&bytes).and_then(|()| stdout().flush())?,
                    // As everywhere, an error on standard error is ignored: it is not the result.
                    Stream::Errors => stderr().write_all(&bytes).unwrap_or_default(),
                }
            }
            Ok(())
        });
        (Writer { pieces, room: Arc::new(Semaphore::new(WRITE_LIMIT)) }, written)
    }

    /// Returns once there is room in the buffer.
    async fn write(&self, stream: Stream, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        let size = u32::try_from(bytes.len().min(WRITE_LIMIT)).unwrap_or(u32::MAX);
        let waiting = Unread::begin();
        let room = self.room.clone().acquire_many_owned(size).await;
        drop(waiting);
        if let Ok(room) = room {
            // The caller notices by `closed` when the writer has stopped.
            let _ = self.pieces.send((stream, bytes, room));
        }
    }

    /// Returns once all of it is written.
    async fn written(&self) {
        let _ = self.room.acquire_many(u32::try_from(WRITE_LIMIT).unwrap_or(u32::MAX)).await;
    }
}

/// A line of standard input without its line end; none at the end of input.
fn line() -> Option<String> {
    let mut line = Vec::new();
    stdin().lock().read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
    Some(String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned())
}

/// Runs blocking work, such as waiting for a line, on a thread that nothing joins: the end of the code, and of the command,
/// must not wait for it.
fn spawn_detached<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (told, done) = oneshot::channel();
    std::thread::spawn(move || told.send(work()));
    done
}
