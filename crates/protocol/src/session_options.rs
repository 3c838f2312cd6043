//! What a client asks for when it makes a session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The body of `POST /api/sessions`. What is not given is as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SessionOptions {
    /// The environment, by name or by the path of its folder; the server's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Modules that are imported before the session begins; once, for all sessions that ask for the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preload: Option<Vec<String>>,
    /// After so long without any call the session ends, in milliseconds; never when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
    /// What its client calls it; the host only repeats it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What its calls may take.
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
}

/// What the calls of a session may take. What is not given is as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// How long a call may take, waiting included, where it does not say itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How long an interrupted call may take to stop before its worker is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
    /// How much processor time a call may take, in all threads and processes of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// How much memory the session may have resident, all its processes together; at least 32 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// How many processes the session may have, its worker included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// How many handles the session may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handles: Option<u64>,
    /// How much standard output, and standard error, of a call is kept; the rest is cut, which is marked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// How large a result may be, and each item of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_bytes: Option<u64>,
    /// How many descriptors each of its processes may have open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// How many calls may wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
}

/// What one call may take, beside its deadline and grace. Of these and the session's own the smaller hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CallLimits {
    /// How much processor time it may take, in all threads and processes of its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// How much the resident memory of its session may grow meanwhile, all its processes together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_growth_bytes: Option<u64>,
    /// How many handles it may make.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handles: Option<u64>,
    /// How much of its standard output, and standard error, is kept; the rest is cut, which is marked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// How large its result may be, and each item of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_bytes: Option<u64>,
}

impl CallLimits {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == CallLimits::default()
    }
}

impl Limits {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Limits::default()
    }
}
