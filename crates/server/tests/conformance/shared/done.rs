//! What a step has given, and what it has left for later ones.

use std::collections::{BTreeMap, HashMap};

use beep_python_client::protocol::Value;
use beep_python_client::{Error, Handle, Response, Returned};
use serde_json::Value as Json;

/// What steps have saved by name.
#[derive(Clone, Default)]
pub struct Saved {
    pub handles: HashMap<String, Handle>,
    pub sessions: HashMap<String, String>,
}

impl Saved {
    pub fn handle(&self, name: &Json) -> Result<&Handle, String> {
        name.as_str().and_then(|name| self.handles.get(name)).ok_or_else(|| format!("no step has saved {name}"))
    }
}

/// What a step has given.
#[derive(Default)]
pub struct Done {
    pub result: Option<Result<Got, Error>>,
    pub stdout: String,
    pub stderr: String,
    pub outputs: BTreeMap<String, Got>,
    pub events: Vec<Json>,
    pub items: Vec<Got>,
}

/// The result of a step that has not failed.
pub enum Got {
    Nothing,
    /// A value in the exact form.
    Value(Json),
    Handle(Handle),
    Session(String),
    /// What became of a call that was to end.
    Outcome(String),
    /// The steps of a batch.
    Results(Vec<Result<Got, Error>>),
    /// Kind, type, shape and bytes.
    Datum(Json),
}

impl From<Returned> for Got {
    fn from(returned: Returned) -> Got {
        match returned {
            Returned::Value(value) => exact(&value),
            Returned::Handle(handle) => Got::Handle(handle),
        }
    }
}

pub fn exact(value: &Value) -> Got {
    Got::Value(serde_json::to_value(value).expect("every value has the exact form"))
}

pub fn nothing((): ()) -> Got {
    Got::Nothing
}

pub fn nothing_of(_: u64) -> Got {
    Got::Nothing
}

pub fn plain<T>(result: Result<T, Error>, got: impl FnOnce(T) -> Got) -> Done {
    Done { result: Some(result.map(got)), ..Done::default() }
}

pub fn answered<T>(result: Result<Response<T>, Error>, got: impl FnOnce(T) -> Got) -> Done {
    match result {
        Ok(Response { value, stdout, stderr, .. }) => Done { stdout, stderr, ..plain(Ok(value), got) },
        Err(error) => {
            let (stdout, stderr) = error.output().unwrap_or_default();
            let (stdout, stderr) = (stdout.to_owned(), stderr.to_owned());
            Done { result: Some(Err(error)), stdout, stderr, ..Done::default() }
        }
    }
}
