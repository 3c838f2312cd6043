//! What events tell, where it is more than a word or two.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::death::WorkerDeath;
use crate::exception::PythonException;

/// The epoch of a session: 1 at first, one more after each restart. A restart loses the session's names and objects.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionEpoch {
    /// The session.
    pub session_id: String,
    /// Its epoch.
    pub session_epoch: u64,
    /// The subscription, in its first event, where its client answers callbacks.
    pub subscription_id: Option<String>,
    /// How the worker of the epoch before ended, after a restart.
    pub death: Option<WorkerDeath>,
}

/// The forms of a displayed object by MIME type, as a notebook takes them. Binary data is base64.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Display {
    /// Usually `text/plain`, and the richer forms that the object has: `text/html`, `image/png`, `application/json`.
    pub data: BTreeMap<String, serde_json::Value>,
    /// Metadata of each form.
    #[serde(default)]
    pub metadata: BTreeMap<String, serde_json::Value>,
    /// What updates name. With no `data` the display is only a place for them.
    pub display_id: Option<String>,
    /// Whether it takes the place of all displays of this id.
    #[serde(default)]
    pub is_update: bool,
    /// Whether it is the value of the last expression.
    #[serde(default)]
    pub is_result: bool,
}

/// A record that reached the root logger of Python's `logging`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LogRecord {
    /// The name of its level: `WARNING`.
    pub level: String,
    /// The logger: `urllib3.connectionpool`, or `root`.
    pub logger: String,
    /// The message, with its arguments.
    pub message: String,
    /// The exception that it is about, if there is one.
    pub exception: Option<PythonException>,
}

/// How far code is, as it tells by `beep_python.progress`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// How much is done.
    pub done: f64,
    /// How much there is to do, if the code knows.
    pub total: Option<f64>,
    /// What it does.
    pub message: Option<String>,
}

impl Display {
    /// The text to show where only text can be shown: the `text/plain` form, or else the list of its forms; empty where it has none.
    pub fn text(&self) -> Cow<'_, str> {
        match self.data.get("text/plain").and_then(|text| text.as_str()) {
            Some(text) => text.into(),
            None if self.data.is_empty() => "".into(),
            None => format!("<{}>", self.data.keys().map(String::as_str).collect::<Vec<_>>().join(", ")).into(),
        }
    }
}
