//! The session that a prompt is on, as the prompt needs it.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use beep_python_client::protocol::message::CancelOutcome;
use beep_python_client::{Answer, AnyBackend, Args, Error, ErrorCode, FromAnswer, Handle, PythonHostBackend};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Makes what helps the prompt, in the session.
const HELPER: &str = "__import__('beep_python._prompt', fromlist=['Prompt']).Prompt()";

/// How long somebody who types waits for a session that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(2);

/// Nobody loses what a session holds for having pressed Tab.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// After this, whoever cancelled is told how to end a call that does not react.
const RELUCTANT: Duration = Duration::from_secs(1);

pub(super) struct Remote {
    runtime: Runtime,
    client: AnyBackend,
    helper: Mutex<Option<Handle>>,
    calls: AtomicU64,
}

/// What a call gave: its result as it is shown, if there is anything to show.
pub(super) type Shown = Answer<Option<String>>;

impl Remote {
    pub(super) fn new(runtime: Runtime, client: AnyBackend) -> Remote {
        Remote { runtime, client, helper: Mutex::new(None), calls: AtomicU64::new(0) }
    }

    /// None where the text can be run, else what its next line begins with. A session that cannot say it runs the text.
    pub(super) fn rest(&self, text: &str) -> Option<String> {
        self.aside("rest", text).unwrap_or_default()
    }

    /// Where the word at the end of the text begins, in characters, and what it could become.
    pub(super) fn complete(&self, text: &str) -> (usize, Vec<String>) {
        self.aside("complete", text).unwrap_or_default()
    }

    /// Asks the helper something that nobody wants to wait for long.
    fn aside<T: FromAnswer>(&self, method: &str, text: &str) -> Result<T, Error> {
        let client = self.client.with_timeout(PATIENCE).with_grace(NEVER);
        self.runtime.block_on(self.ask(&client, method, || Args::new().arg(text)))
    }

    /// Runs a text. Ctrl-C cancels it; `reluctant` is called when it does not react.
    pub(super) fn run(&self, text: &str, reluctant: impl Fn()) -> Result<Shown, Error> {
        self.runtime.block_on(async {
            let ran =
                self.cancellable(async |client| client.evaluate::<Answer<Handle>>(text).await, &reluctant).await?;
            let value = ran.value;
            let nothing =
                Answer { value: None, stdout: ran.stdout, stderr: ran.stderr, session_epoch: ran.session_epoch };
            if value.type_name() == "NoneType" {
                return Ok(nothing);
            }
            let show = async |client: &AnyBackend| self.ask(client, "show", || Args::new().arg(&value)).await;
            let shown: Shown = match self.cancellable(show, &reluctant).await {
                Ok(shown) => shown,
                Err(error) => return Err(with_output(error, &nothing)),
            };
            let (stdout, stderr) = (nothing.stdout + &shown.stdout, nothing.stderr + &shown.stderr);
            Ok(Answer { stdout, stderr, ..shown })
        })
    }

    async fn ask<T: FromAnswer>(&self, client: &AnyBackend, method: &str, args: impl Fn() -> Args) -> Result<T, Error> {
        let known = self.helper.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(helper) = known {
            match client.call_method(&helper, method, args()).await {
                // The session was restarted, and lost it.
                Err(error) if matches!(error.code(), Some(ErrorCode::HandleLost | ErrorCode::UnknownHandle)) => {}
                answered => return answered,
            }
        }
        let helper: Handle = client.evaluate(HELPER).await?;
        *self.helper.lock().unwrap_or_else(PoisonError::into_inner) = Some(helper.clone());
        client.call_method(&helper, method, args()).await
    }

    /// Performs a call that Ctrl-C cancels. Pressed again, when the call has not ended for a while, Ctrl-C ends the
    /// worker.
    async fn cancellable<T>(
        &self,
        call: impl AsyncFnOnce(&AnyBackend) -> Result<T, Error>,
        reluctant: &impl Fn(),
    ) -> Result<T, Error> {
        let id = format!("prompt-{}-{}", std::process::id(), self.calls.fetch_add(1, Ordering::Relaxed));
        let client = self.client.with_request_id(&id).with_cancel_if_gone();
        let mut call = pin!(call(&client));
        let Ok(mut interrupts) = signal(SignalKind::interrupt()) else { return call.await };
        tokio::select! {
            biased;
            ended = &mut call => return ended,
            _ = interrupts.recv() => {}
        }
        // So that it is not killed before somebody said so.
        let (patient, at_once) = (self.client.with_grace(NEVER), self.client.with_grace(Duration::ZERO));
        tokio::select! {
            ended = &mut call => return ended,
            () = cancel(&patient, &id) => {}
            () = tokio::time::sleep(RELUCTANT) => {}
        }
        reluctant();
        tokio::select! {
            ended = &mut call => return ended,
            _ = interrupts.recv() => {}
        }
        tokio::select! {
            ended = &mut call => return ended,
            () = cancel(&at_once, &id) => {}
        }
        call.await
    }
}

/// Cancels a call, which may be on its way yet, and returns only when that cannot be done.
async fn cancel(client: &AnyBackend, id: &str) {
    const ON_ITS_WAY: Duration = Duration::from_millis(20);
    loop {
        match client.cancel(id).await {
            Ok(CancelOutcome::NotFound) => tokio::time::sleep(ON_ITS_WAY).await,
            // Its answer comes.
            Ok(_) => std::future::pending().await,
            Err(_) => return,
        }
    }
}

/// The error, with what the call before it wrote in front of what it wrote itself.
fn with_output(mut error: Error, before: &Shown) -> Error {
    let (stdout, stderr) = match &mut error {
        Error::Python(raised) => (&mut raised.stdout, &mut raised.stderr),
        Error::Host(problem) => (&mut problem.stdout, &mut problem.stderr),
        _ => return error,
    };
    stdout.insert_str(0, &before.stdout);
    stderr.insert_str(0, &before.stderr);
    error
}
