//! Code that is run for somebody who watches: what it prints is passed on as it comes, and its `input()` reads the standard
//! input of the command.

use std::collections::VecDeque;
use std::io::{self, BufRead, Write, stderr, stdin, stdout};
use std::sync::Arc;

use beep_python_client::{
    AnyBackend, Error, ErrorCode, Execution, ExecutionEvent, InputRequest, PythonHostBackend, Response, Returned,
};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::printer::Printer;

/// How many bytes wait for somebody who reads more slowly than code prints.
pub(super) const WRITE_LIMIT: usize = 64 << 20;

/// Runs code to its end; gives its value. `None` when nobody reads what it prints any more: it is dropped then.
pub(super) async fn run(
    printer: &Printer,
    client: &AnyBackend,
    code: &str,
    has_input: bool,
) -> Result<Option<Response<Returned>>, Error> {
    let mut execution = client.evaluate_streaming(code).await?;
    let (writer, written) = Writer::start();
    // Threads may wait for a line each. While they do the code may print, and it may end: its time is up, say.
    let mut waiting = VecDeque::new();
    let mut reading: Option<oneshot::Receiver<Option<String>>> = None;
    loop {
        tokio::select! {
            shown = execution.next() => match shown {
                Some(ExecutionEvent::Stdout(text)) => writer.write(Stream::Output, text).await,
                Some(ExecutionEvent::Stderr(text)) => writer.write(Stream::Errors, text).await,
                Some(ExecutionEvent::Display(display)) => writer.write(Stream::Output, format!("{}\n", display.text())).await,
                Some(ExecutionEvent::InputRequest(input)) => waiting.push_back(input),
                Some(_) => {}
                None => break,
            },
            line = async { reading.as_mut().expect("it is there").await }, if reading.is_some() => {
                reading = None;
                if let Some(input) = waiting.pop_front() {
                    answer(&execution, &input, line.ok().flatten().as_deref()).await?;
                }
            }
            () = writer.pieces.closed() => break,
        }
        if let Some(input) = waiting.front().filter(|_| reading.is_none()) {
            writer.write(Stream::Output, input.prompt.clone()).await;
            reading = Some(spawn_detached(move || if has_input { line() } else { None }));
        }
    }
    drop(writer);
    printer.record_write(written.await.unwrap_or(Ok(())));
    if printer.is_closed() {
        return Ok(None);
    }
    execution.result().await.map(Some)
}

/// Answers `input()`. Where it does not wait any more the code has ended, and says itself how.
async fn answer(execution: &Execution<AnyBackend>, input: &InputRequest, line: Option<&str>) -> Result<(), Error> {
    match execution.send_input(input, line).await {
        Err(error) if error.code() == Some(ErrorCode::UnknownQuestion) => Ok(()),
        answered => answered,
    }
}

enum Stream {
    Output,
    Errors,
}

/// Writes what code prints while more of it comes: a host leaves out what is not read in time.
struct Writer {
    pieces: mpsc::UnboundedSender<(Stream, String, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

impl Writer {
    /// With the receiver of how that went, when all is written or nothing can be any more.
    fn start() -> (Writer, oneshot::Receiver<io::Result<()>>) {
        let (pieces, mut to_write) = mpsc::unbounded_channel::<(_, String, _)>();
        let written = spawn_detached(move || {
            while let Some((stream, text, _room)) = to_write.blocking_recv() {
                match stream {
                    Stream::Output => stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush())?,
                    // As everywhere: it is not the result.
                    Stream::Errors => stderr().write_all(text.as_bytes()).unwrap_or_default(),
                }
            }
            Ok(())
        });
        (Writer { pieces, room: Arc::new(Semaphore::new(WRITE_LIMIT)) }, written)
    }

    /// Returns when there is room for it.
    async fn write(&self, stream: Stream, text: String) {
        let size = u32::try_from(text.len().min(WRITE_LIMIT)).unwrap_or(u32::MAX);
        if let Ok(room) = self.room.clone().acquire_many_owned(size).await {
            // Whoever follows learns by `closed` that nobody takes it.
            let _ = self.pieces.send((stream, text, room));
        }
    }
}

/// A line of standard input without its end; none where that has ended.
fn line() -> Option<String> {
    let mut line = Vec::new();
    stdin().lock().read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
    Some(String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned())
}

/// Does what takes as long as somebody else likes, who types or reads. On a thread that nobody has to wait for: the end of the
/// code, and of the command, must not.
fn spawn_detached<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (told, done) = oneshot::channel();
    std::thread::spawn(move || told.send(work()));
    done
}
