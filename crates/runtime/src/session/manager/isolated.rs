//! Calls that run in a worker of their own, which is thrown away afterwards.

use std::sync::Arc;
use std::time::Duration;

use beep_python_protocol::{ErrorCode, Operation, Problem};
use serde::Deserialize;

use crate::session::call::{CallResult, Request, Response};
use crate::session::manager::manager::{CloseOnDrop, SessionManager};
use crate::session::session::{Lifecycle, Session, SessionInner};
use crate::session::supervisor::supervisor::live;

/// How long a throw-away worker may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(1);

impl SessionManager {
    /// Evaluates in a worker of its own, in the environment and with the limits of a session, and keeps nothing. As many
    /// such calls run at once as the host has workers for them; others wait, which counts into their deadlines.
    pub async fn isolated(&self, like: &Session, request: Request) -> Response {
        if request.operation != Operation::Evaluate {
            let detail = "only eval can be isolated: other operations are about objects that a session keeps";
            return Response::problem(Problem::new(ErrorCode::InvalidRequest, detail), 0);
        }
        let session = match self.begin_isolated(like) {
            Ok(session) => session,
            Err(problem) => return Response::problem(problem, 0),
        };
        let guard = CloseOnDrop::new(session.clone());
        let isolated = self.isolated.clone();
        let cancel_on_disconnect = request.cancel_on_disconnect;
        let calling = async move {
            let reply = session.call(request).await;
            let id = session.id().to_owned();
            guard.claimed();
            tokio::spawn(async move {
                session.close(END_WITHIN).await;
                isolated.lock().expect("no panic while held").remove(&id);
            });
            without_handle(reply)
        };
        if cancel_on_disconnect {
            return calling.await;
        }
        // On its own: whoever asked may be gone, but what was asked was asked.
        match tokio::spawn(calling).await {
            Ok(reply) => reply,
            Err(error) => {
                let detail = format!("the isolated call failed: {error}");
                Response::problem(Problem::new(ErrorCode::Internal, detail), 0)
            }
        }
    }

    fn begin_isolated(&self, like: &Session) -> Result<Session, Problem> {
        let mut isolated = self.isolated.lock().expect("no panic while held");
        let most = like.shared.config.limits.waiting;
        // Those that are left behind by callers that are gone end by themselves.
        isolated.retain(|_, session| !matches!(*session.shared.stage.borrow(), Lifecycle::Closed));
        if isolated.len() >= most {
            let detail = format!("{most} isolated calls are under way already; try again when some are done");
            return Err(Problem::new(ErrorCode::QueueFull, detail));
        }
        let tag = self.next_tag();
        let zygotes = like.shared.zygotes.clone();
        let shared = Arc::new(SessionInner::new(tag.clone(), tag.clone(), like.shared.config(), zygotes));
        let session = Session { shared: shared.clone() };
        isolated.insert(tag, session.clone());
        let places = self.places.clone();
        tokio::spawn(async move {
            let mut stage = shared.stage.subscribe();
            let place = tokio::select! {
                biased;
                _ = stage.wait_for(|stage| matches!(stage, Lifecycle::Closing)) => None,
                place = places.acquire_owned() => place.ok(),
            };
            match place {
                Some(_place) => live(shared).await,
                None => shared.closed(),
            }
        });
        Ok(session)
    }
}

/// What stays in a session that ends is nothing to hold on to.
fn without_handle(reply: Response) -> Response {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Described {
        type_name: String,
    }
    let CallResult::Handle(body) = &reply.result else { return reply };
    let described = serde_json::from_slice::<Described>(&body.contiguous());
    let kind = described.map_or_else(|_| "object".to_owned(), |described| described.type_name);
    let detail = format!(
        "the result of an isolated call is sent as a value or not at all, and this {kind} cannot be; \
         convert it, or ask for the exact form"
    );
    let problem = Problem::new(ErrorCode::NotRepresentable, detail);
    Response { result: CallResult::Problem(Box::new(problem)), ..reply }
}
