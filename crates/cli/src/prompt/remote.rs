//! The session of a prompt.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use beep_python_client::{AnyBackend, Args, Error, ErrorCode, ExecutionEvent, FromResponse, Handle};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::screen::{Screen, omission_mark};
use crate::context::Context;
use crate::ctrl_c::{INTERRUPTS, pass};
use crate::import_hint::import_hint;
use crate::terminal::read_line::ReadLine;
use crate::terminal::typed_ahead;

/// Creates the object in the session that helps the prompt.
const HELPER: &str = "__import__('beep_python._prompt', fromlist=['Prompt']).Prompt()";

/// How long completion waits for a session that is busy.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(2);

/// Long enough that pressing Tab never costs a session its state.
const LONG_GRACE: Duration = Duration::from_secs(24 * 3600);

/// When code still runs so long after Ctrl-C, the user is told how to end it.
const GOES_ON_AFTER: Duration = Duration::from_secs(1);

/// What the session wants in front of the first line of a text, and of further ones.
pub(super) type Prompts = (String, String);

pub(super) struct Remote {
    runtime: Runtime,
    client: AnyBackend,
    helper: Mutex<Option<Handle>>,
    calls: AtomicU64,
    /// Ctrl-C was pressed while the code waits for a line.
    interrupted_input: Notify,
}

impl Remote {
    pub(super) fn new(runtime: Runtime, client: AnyBackend) -> Remote {
        Remote { runtime, client, helper: Mutex::new(None), calls: AtomicU64::new(0), interrupted_input: Notify::new() }
    }

    /// Where the last word of the text begins, in characters, and its completions.
    pub(super) fn complete(&self, text: &str) -> (usize, Vec<String>) {
        self.query("complete", || Args::new().arg(text)).unwrap_or_default()
    }

    /// The prompts of the next text, which an error does not bring.
    pub(super) fn prompts(&self) -> Result<Prompts, Error> {
        self.query("prompts", Args::new)
    }

    /// Asks the helper, with a short timeout.
    fn query<T: FromResponse>(&self, method: &str, args: impl Fn() -> Args) -> Result<T, Error> {
        let client = self.client.with_timeout(COMPLETION_TIMEOUT).with_grace(LONG_GRACE);
        let ask = async |helper: &Handle| client.call_method(helper, method, args()).await;
        self.runtime.block_on(async {
            match self.with_helper(&client, ask).await {
                // The first call that finds the worker gone is told, and does not run.
                Err(error) if has_not_begun(&error) => self.with_helper(&client, ask).await,
                answered => answered,
            }
        })
    }

    /// Runs a text, and prints what it shows as it comes. Ctrl-C is its own. Returns the prompts of the next text.
    pub(super) fn run(&self, method: &str, text: &str, screen: &Screen<'_>) -> Result<Prompts, Error> {
        self.runtime.block_on(self.interruptible(
            async |client| {
                self.with_helper(client, async |helper| self.follow(client, helper, method, text, screen).await).await
            },
            screen,
        ))
    }

    /// Runs a text to its end, printing its output.
    async fn follow(
        &self,
        client: &AnyBackend,
        helper: &Handle,
        method: &str,
        text: &str,
        screen: &Screen<'_>,
    ) -> Result<Prompts, Error> {
        let mut execution =
            client.with_raw_output().call_method_streaming(helper, method, Args::new().arg(text)).await?;
        while let Some(shown) = execution.next().await {
            match shown {
                ExecutionEvent::Stdout(text) => screen.output(&text, ""),
                ExecutionEvent::Stderr(text) => screen.output("", &text),
                ExecutionEvent::StdoutBytes(bytes) => screen.output(&bytes, ""),
                ExecutionEvent::StderrBytes(bytes) => screen.output("", &bytes),
                ExecutionEvent::Omitted(bytes) => screen.output(omission_mark(bytes), ""),
                ExecutionEvent::Display(display) => screen.display(&display),
                ExecutionEvent::ClearOutput { .. } => screen.clear(),
                ExecutionEvent::InputRequest(input) => match screen.ask(&input) {
                    Some(ReadLine::Line(line)) => execution.send_input(&input, Some(&line)).await?,
                    Some(ReadLine::Interrupted) => self.interrupted_input.notify_one(),
                    Some(ReadLine::EndOfInput) | None => execution.send_input(&input, None).await?,
                },
                _ => {}
            }
        }
        execution.result().await
    }

    /// How to install what code could not import.
    pub(super) fn import_hint(&self, context: &Context, error: &Error) -> Option<String> {
        self.runtime.block_on(import_hint(context, &self.client, Some(error)))
    }

    /// Makes a call of the helper.
    async fn with_helper<T>(
        &self,
        client: &AnyBackend,
        call: impl AsyncFn(&Handle) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let known = self.helper.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(helper) = known {
            match call(&helper).await {
                // The session was restarted and lost the helper.
                Err(Error::Host(problem))
                    if matches!(problem.code, ErrorCode::HandleLost | ErrorCode::UnknownHandle) => {}
                answered => return answered,
            }
        }
        let helper = client.evaluate::<Handle>(HELPER).await?;
        *self.helper.lock().unwrap_or_else(PoisonError::into_inner) = Some(helper.clone());
        call(&helper).await
    }

    /// Performs a call to which Ctrl-C belongs, as under Python: it may catch `KeyboardInterrupt` and go on. The third one kills its
    /// worker.
    async fn interruptible<T>(
        &self,
        call: impl AsyncFnOnce(&AnyBackend) -> Result<T, Error>,
        screen: &Screen<'_>,
    ) -> Result<T, Error> {
        let id = format!("prompt-{}-{}", std::process::id(), self.calls.fetch_add(1, Ordering::Relaxed));
        let client = self.client.with_request_id(&id).with_cancel_on_disconnect();
        let mut call = pin!(call(&client));
        let Ok(mut interrupts) = signal(SignalKind::interrupt()) else { return call.await };
        let (mut presses, mut passing, mut hint) = (0, FuturesUnordered::new(), None);
        loop {
            tokio::select! {
                biased;
                ended = &mut call => return ended,
                _ = interrupts.recv() => {
                    presses += 1;
                    typed_ahead::discard();
                }
                () = self.interrupted_input.notified() => presses += 1,
                Some(_) = passing.next() => continue,
                () = async { hint.as_mut().expect("it is there").await }, if hint.is_some() => {
                    screen.goes_on();
                    hint = None;
                    continue;
                }
            }
            passing.push(pass(&self.client, &id, presses > INTERRUPTS));
            hint = (presses == 1).then(|| Box::pin(sleep(GOES_ON_AFTER)));
        }
    }
}

/// Whether the call found its worker gone.
fn has_not_begun(error: &Error) -> bool {
    let Error::Host(problem) = error else { return false };
    matches!(problem.code, ErrorCode::WorkerDied | ErrorCode::SessionRestarted) && problem.started == Some(false)
}
