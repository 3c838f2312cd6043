//! The session that a prompt is on, as the prompt needs it.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use beep_python_client::protocol::message::CancelOutcome;
use beep_python_client::{
    AnyBackend, Args, Error, ErrorCode, ExecutionEvent, FromResponse, Handle, PythonHostBackend, Response,
};
use futures_util::StreamExt;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::screen::Screen;
use crate::terminal::line_editor::ReadLine;

/// Makes what helps the prompt, in the session.
const HELPER: &str = "__import__('beep_python._prompt', fromlist=['Prompt']).Prompt()";

/// How long somebody who types waits for a session that is busy with something else.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(2);

/// Nobody loses what a session holds for having pressed Tab.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// After this, whoever cancelled is told how to end a call that does not react.
const RELUCTANT: Duration = Duration::from_secs(1);

pub(super) struct Remote {
    runtime: Runtime,
    client: AnyBackend,
    helper: Mutex<Option<Handle>>,
    calls: AtomicU64,
    /// Ctrl-C was pressed where the code waits for a line.
    pressed: Notify,
}

impl Remote {
    pub(super) fn new(runtime: Runtime, client: AnyBackend) -> Remote {
        Remote { runtime, client, helper: Mutex::new(None), calls: AtomicU64::new(0), pressed: Notify::new() }
    }

    /// None where the text can be run, else what its next line begins with. A session that cannot say it runs the text.
    pub(super) fn continuation(&self, text: &str) -> Option<String> {
        self.query("rest", text).unwrap_or_default()
    }

    /// Where the word at the end of the text begins, in characters, and what it could become.
    pub(super) fn complete(&self, text: &str) -> (usize, Vec<String>) {
        self.query("complete", text).unwrap_or_default()
    }

    /// Asks the helper something that nobody wants to wait for long.
    fn query<T: FromResponse>(&self, method: &str, text: &str) -> Result<T, Error> {
        let client = self.client.with_timeout(COMPLETION_TIMEOUT).with_grace(NEVER);
        self.runtime.block_on(self.ask(&client, method, || Args::new().arg(text)))
    }

    /// Runs a text, and shows what it shows as it comes; gives the text that shows its result. Ctrl-C cancels it.
    pub(super) fn run(&self, text: &str, screen: &Screen<'_>) -> Result<Option<String>, Error> {
        self.runtime.block_on(async {
            let value = self.cancellable(async |client| self.follow(client, text, screen).await, screen).await?;
            if value.type_name() == "NoneType" {
                return Ok(None);
            }
            let show = async |client: &AnyBackend| self.ask(client, "show", || Args::new().arg(&value)).await;
            let shown: Response<Option<String>> = self.cancellable(show, screen).await?;
            screen.output(&shown.stdout, &shown.stderr);
            Ok(shown.value)
        })
    }

    /// Runs a text to its end.
    async fn follow(&self, client: &AnyBackend, text: &str, screen: &Screen<'_>) -> Result<Handle, Error> {
        let mut execution = client.execute_to_handle(text).await?;
        while let Some(shown) = execution.next().await {
            match shown {
                ExecutionEvent::Stdout(text) => screen.output(&text, ""),
                ExecutionEvent::Stderr(text) => screen.output("", &text),
                ExecutionEvent::Display(display) => screen.display(&display.text()),
                ExecutionEvent::InputRequest(input) => match screen.ask(&input.prompt) {
                    Some(ReadLine::Line(line)) => execution.send_input(&input, Some(&line)).await?,
                    Some(ReadLine::Interrupted) => self.pressed.notify_one(),
                    Some(ReadLine::EndOfInput) | None => execution.send_input(&input, None).await?,
                },
                _ => {}
            }
        }
        execution.result::<Response<Handle>>().await.map(|answer| answer.value)
    }

    async fn ask<T: FromResponse>(
        &self,
        client: &AnyBackend,
        method: &str,
        args: impl Fn() -> Args,
    ) -> Result<T, Error> {
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
        screen: &Screen<'_>,
    ) -> Result<T, Error> {
        let id = format!("prompt-{}-{}", std::process::id(), self.calls.fetch_add(1, Ordering::Relaxed));
        let client = self.client.with_request_id(&id).with_cancel_on_disconnect();
        let mut call = pin!(call(&client));
        let Ok(mut interrupts) = signal(SignalKind::interrupt()) else { return call.await };
        tokio::select! {
            biased;
            ended = &mut call => return ended,
            _ = interrupts.recv() => {}
            () = self.pressed.notified() => {}
        }
        // So that it is not killed before somebody said so.
        let (patient, at_once) = (self.client.with_grace(NEVER), self.client.with_grace(Duration::ZERO));
        tokio::select! {
            ended = &mut call => return ended,
            () = cancel(&patient, &id) => {}
            () = tokio::time::sleep(RELUCTANT) => {}
        }
        screen.reluctant();
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
