//! `/livez` and `/readyz`: what orchestrators ask, by status alone.

use beep_python_runtime::session::SessionManager;
use beep_python_runtime::session::service::json::Chunks;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};

use crate::web::response;

/// A question about the server itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Whether it answers at all.
    Live,
    /// Whether it can serve calls now.
    Ready,
}

impl Probe {
    /// The probe at a path.
    pub fn find(path: &str) -> Option<Probe> {
        match path {
            "/livez" => Some(Probe::Live),
            "/readyz" => Some(Probe::Ready),
            _ => None,
        }
    }

    /// The answer: 200, or 503 and why.
    pub(crate) fn answer(self, sessions: &SessionManager) -> Response<Chunks> {
        match self {
            Probe::Live => response::json(br#"{"status":"live"}"#.to_vec()),
            Probe::Ready => match sessions.not_ready() {
                None => response::json(br#"{"status":"ready"}"#.to_vec()),
                Some(why) => {
                    // No refusal: nothing of it goes to the log each second.
                    let mut answer = response::json(serde_json::to_vec(&why).unwrap_or_default());
                    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                    answer.headers_mut().insert(CONTENT_TYPE, response::PROBLEM_JSON);
                    answer
                }
            },
        }
    }
}
