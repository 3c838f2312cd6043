//! What is said of a method of a route.

use crate::openapi::errors::Errors;
use crate::openapi::schemas::SchemaOf;

/// A method of a route.
pub(super) struct Described {
    pub(super) method: &'static str,
    /// In which `{sessionId}` stands for the id of a session.
    pub(super) path: &'static str,
    /// The name that generated clients give it.
    pub(super) id: String,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) takes: Takes,
    pub(super) gives: Gives,
    pub(super) errors: Errors,
    /// A body, for the example of a call.
    pub(super) example: &'static str,
}

/// The body of a request.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    Nothing,
    /// JSON, with call options beside its keys.
    Json(SchemaOf),
    /// JSON, or nothing.
    Options(SchemaOf),
    /// JSON without call options.
    Plain(SchemaOf),
    /// A datum.
    Datum,
}

/// The answer of a success.
#[derive(Clone, Copy)]
pub(super) enum Gives {
    /// JSON.
    Json(SchemaOf),
    /// JSON, or events on request.
    Answer(SchemaOf),
    /// Events, the last of which has this answer.
    Events(SchemaOf),
    /// Events of a session.
    SessionEvents(SchemaOf),
    /// Floats.
    Floats { rows: bool },
    /// A datum.
    Datum,
    /// Texts of these types.
    Text(&'static [&'static str]),
    /// This document.
    Document,
    /// The page for people, or JSON for others.
    Home,
}
