//! Which errors a route may answer with: sets of codes, by status.

use std::collections::BTreeMap;

use beep_python_protocol::ErrorCode;
use serde_json::{Map, Value, json};

/// What may go wrong on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Errors {
    /// What asks of the server itself.
    Server,
    /// The server may not be ready.
    Ready,
    /// What concerns sessions and calls from outside.
    Host,
    /// What concerns one session.
    Session,
    /// A call of a session.
    Call,
    /// What concerns environments.
    Environment,
}

/// What the door and the readers of bodies refuse.
const DOOR: &[ErrorCode] = &[
    ErrorCode::InvalidRequest,
    ErrorCode::Unauthorized,
    ErrorCode::ForbiddenHost,
    ErrorCode::ForbiddenOrigin,
    ErrorCode::Forbidden,
    ErrorCode::UnknownOperation,
    ErrorCode::RequestTimeout,
    ErrorCode::BodyTooLarge,
    ErrorCode::UnsupportedMediaType,
    ErrorCode::Internal,
    ErrorCode::Overloaded,
];

/// What any use of a session may meet.
const OF_SESSIONS: &[ErrorCode] = &[
    ErrorCode::UnknownSession,
    ErrorCode::SessionExpired,
    ErrorCode::PythonException,
    ErrorCode::WorkerDied,
    ErrorCode::WorkerUnavailable,
    ErrorCode::SessionRestarted,
    ErrorCode::DeadlineExceeded,
    ErrorCode::Cancelled,
    ErrorCode::QueueFull,
    ErrorCode::TooManySessions,
    ErrorCode::MemoryExceeded,
    ErrorCode::TooManyProcesses,
    ErrorCode::NoDebugger,
    ErrorCode::UnknownEnvironment,
    ErrorCode::EnvironmentFailed,
    ErrorCode::ShuttingDown,
];

/// What a call may meet besides.
const OF_CALLS: &[ErrorCode] = &[
    ErrorCode::UnknownHandle,
    ErrorCode::HandleLost,
    ErrorCode::HandleExpired,
    ErrorCode::UnknownQuestion,
    ErrorCode::NotRepresentable,
    ErrorCode::NotAcceptable,
    ErrorCode::CpuTimeExceeded,
    ErrorCode::TooManyHandles,
    ErrorCode::ResultTooLarge,
    ErrorCode::TooMuchData,
    ErrorCode::DataLost,
];

impl Errors {
    pub(super) const ALL: [Errors; 6] =
        [Errors::Server, Errors::Ready, Errors::Host, Errors::Session, Errors::Call, Errors::Environment];

    /// The codes, by status.
    fn codes(self) -> BTreeMap<u16, Vec<ErrorCode>> {
        let more: &[&[ErrorCode]] = match self {
            Errors::Server => &[],
            Errors::Ready => &[&[ErrorCode::WorkerUnavailable, ErrorCode::ShuttingDown]],
            Errors::Host => &[&[ErrorCode::ShuttingDown]],
            Errors::Session => &[OF_SESSIONS],
            Errors::Call => &[OF_SESSIONS, OF_CALLS],
            Errors::Environment => {
                &[&[ErrorCode::UnknownEnvironment, ErrorCode::EnvironmentFailed, ErrorCode::ShuttingDown]]
            }
        };
        let mut codes: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
        for code in DOOR.iter().chain(more.iter().copied().flatten()) {
            codes.entry(code.http_status()).or_default().push(*code);
        }
        codes
    }

    /// The name of the answer of a status, among the components.
    fn component(self, status: u16) -> String {
        format!("{self:?}{status}")
    }

    /// The answers of a route, each as a reference.
    pub(super) fn references(self) -> impl Iterator<Item = (String, Value)> {
        let reference = move |status| json!({ "$ref": format!("#/components/responses/{}", self.component(status)) });
        self.codes().into_keys().map(move |status| (status.to_string(), reference(status)))
    }
}

/// The answers of all sets.
pub(super) fn components(problem: &Value) -> Map<String, Value> {
    let of_set = |set: Errors| {
        set.codes().into_iter().map(move |(status, codes)| {
            let words: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
            let told: Vec<_> = codes.iter().map(|code| format!("`{code}`: {}", code.meaning())).collect();
            let schema = json!({ "allOf": [problem, { "properties": { "code": { "enum": words } } }] });
            let mut answer = json!({
                "description": told.join("\n\n"),
                "content": { "application/problem+json": { "schema": schema } },
            });
            if codes.contains(&ErrorCode::Overloaded) {
                let seconds = "When to try again, in seconds; with `overloaded`.";
                answer["headers"] =
                    json!({ "Retry-After": { "description": seconds, "schema": { "type": "integer" } } });
            }
            (set.component(status), answer)
        })
    };
    Errors::ALL.into_iter().flat_map(of_set).collect()
}

/// Every code with its status and its meaning.
pub(super) fn all() -> Value {
    let one = |code: &ErrorCode| json!({ "code": code.as_str(), "status": code.http_status(), "grpc": code.grpc_code().as_str(), "meaning": code.meaning() });
    ErrorCode::ALL.iter().map(one).collect()
}
