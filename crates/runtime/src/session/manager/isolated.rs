//! Isolated calls: each runs in an ephemeral worker, which ends with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use beep_python_protocol::{ErrorCode, Operation, Problem};
use serde::Deserialize;
use tokio::task::AbortHandle;

use crate::session::call::{CallResult, Request, Response};
use crate::session::error::tell_of_isolated_call;
use crate::session::manager::close_on_drop::CloseOnDrop;
use crate::session::manager::manager::SessionManager;
use crate::session::session::Session;
use crate::session::shared::SessionInner;
use crate::session::supervisor::lifecycle::closing;
use crate::session::supervisor::supervisor::supervise;

impl SessionManager {
    /// Evaluates in an ephemeral worker, in the environment and with the limits of the session `template`, and keeps nothing.
    /// As many such calls run at once as the host has workers for them; others wait, which counts into their deadlines.
    pub async fn isolated(&self, template: &Session, request: Request) -> Response {
        self.isolated_cancellable(template, request, None).await
    }

    /// As [`isolated`](SessionManager::isolated); when the future is dropped, the call is also cancelled if `cancelled` is true by
    /// then.
    pub(crate) async fn isolated_cancellable(
        &self,
        template: &Session,
        mut request: Request,
        cancelled: Option<&AtomicBool>,
    ) -> Response {
        if !matches!(request.operation, Operation::Evaluate | Operation::Fetch) {
            let detail = "only eval and fetch can be isolated: other operations are about objects that a session keeps";
            return Response::problem(Problem::new(ErrorCode::InvalidRequest, detail), 0);
        }
        let session = match self.begin_isolated(template) {
            Ok(session) => session,
            Err(problem) => return Response::problem(problem, 0),
        };
        let guard = CloseOnDrop::new(session.clone());
        let isolated = self.isolated.clone();
        let cancel_on_disconnect = request.cancel_on_disconnect;
        // It is dropped only with a caller that has cancelled it.
        request.cancel_on_disconnect |= cancelled.is_some();
        let template = template.inner.clone();
        let calling = async move {
            let reply = session.call(request).await;
            template.tally.add(&reply);
            guard.disarm();
            // Its caller hears of it when it has ended: then its files are written. On a task of its own: the caller may go away.
            let ending = tokio::spawn(async move {
                session.end().await;
                isolated.lock().remove(session.id());
            });
            let _ = ending.await;
            without_handle(reply)
        };
        if cancel_on_disconnect {
            return calling.await;
        }
        // On a task of its own: the caller may go away, and the call goes on.
        let call = tokio::spawn(calling);
        let _abort = cancelled.map(|cancelled| AbortOnDrop { call: call.abort_handle(), cancelled });
        match call.await {
            Ok(reply) => reply,
            Err(error) => {
                let detail = format!("the isolated call failed: {error}");
                Response::problem(Problem::new(ErrorCode::Internal, detail), 0)
            }
        }
    }

    fn begin_isolated(&self, template: &Session) -> Result<Session, Problem> {
        let mut isolated = self.isolated.lock();
        self.check_not_stopping()?;
        let max = template.inner.config.limits.waiting;
        // Calls whose callers have gone end by themselves.
        isolated.retain(|_, session| !session.is_closed());
        if isolated.len() >= max {
            template.inner.config.metrics.failed(ErrorCode::QueueFull);
            let detail = format!("{max} isolated calls are under way already; try again when some are done");
            return Err(Problem::new(ErrorCode::QueueFull, detail));
        }
        let id = self.next_id();
        let template = &template.inner;
        let inner = Arc::new(SessionInner::new(id.clone(), id.clone(), template.template(), template.zygote.clone()));
        let session = Session { inner: inner.clone() };
        isolated.insert(id, session.clone());
        let permits = self.worker_permits.clone();
        tokio::spawn(async move {
            let permit = tokio::select! {
                biased;
                () = closing(&inner) => None,
                permit = permits.acquire_owned() => permit.ok(),
            };
            match permit {
                Some(_permit) => supervise(inner).await,
                None => inner.closed(),
            }
        });
        Ok(session)
    }
}

/// Ends the task of a call whose caller has cancelled it; nothing happens to one that is done.
struct AbortOnDrop<'a> {
    call: AbortHandle,
    cancelled: &'a AtomicBool,
}

impl Drop for AbortOnDrop<'_> {
    fn drop(&mut self) {
        if self.cancelled.load(Ordering::Relaxed) {
            self.call.abort();
        }
    }
}

/// A handle of a session that ends is of no use.
fn of_isolated(mut reply: Response) -> Response {
    if let CallResult::Problem(problem) = &mut reply.result {
        tell_of_isolated_call(problem);
    }
    reply
}

fn without_handle(reply: Response) -> Response {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Described {
        handle_id: Option<String>,
        type_name: String,
        outputs: BTreeMap<String, Described>,
    }
    let (CallResult::Handle(body) | CallResult::Object(body)) = &reply.result else { return of_isolated(reply) };
    let described = serde_json::from_slice::<Described>(&body.contiguous()).unwrap_or_default();
    let mut all = std::iter::once(&described).chain(described.outputs.values());
    let Some(Described { type_name: kind, .. }) = all.find(|described| described.handle_id.is_some()) else {
        return of_isolated(reply);
    };
    let detail = format!(
        "the result of an isolated call is sent as a value or not at all, and this {kind} cannot be; \
         convert it, or ask for the exact form"
    );
    let problem = Problem::new(ErrorCode::NotRepresentable, detail);
    Response { result: CallResult::Problem(Box::new(problem)), ..reply }
}
