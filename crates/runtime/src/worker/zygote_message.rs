//! What a zygote tells its host.

use std::collections::HashMap;

use serde::Deserialize;

/// The first message of a zygote.
#[derive(Debug, Deserialize)]
pub(super) struct ZygoteHello {
    /// The version of its Python.
    pub(super) python: String,
    /// Modules that could not be preloaded, and why.
    pub(super) failures: HashMap<String, String>,
    /// Why workers are spawned, not forked, if they are.
    pub(super) fork_unsafe: Option<String>,
}

/// A later message of a zygote.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum ZygoteMessage {
    Forked { fork: u64, pid: i32 },
    Failed { fork: u64, error: String },
    Changed { fork: u64, changed: String },
    Died { died: i32, status: i32, maxrss: u64 },
}
