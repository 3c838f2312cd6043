//! A case as the file has it.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

#[derive(Deserialize)]
pub struct Cases {
    pub cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub subject: String,
    /// The oldest Python that it is for.
    pub python: Option<String>,
    pub steps: Vec<Step>,
}

/// A step: the operation under `do`, its fields, and what is expected.
pub type Step = Map<String, Json>;
