//! The progress of an installation.

use std::time::Duration;

use super::version::Version;

/// The progress of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The build to install is known.
    Resolved {
        /// The exact version, if known in advance.
        version: Option<Version>,
        /// The URL or file it comes from.
        from: String,
    },
    /// Waiting for another process that installs the same.
    Waiting,
    /// Receiving bytes.
    Downloading {
        /// The bytes so far, those of an earlier attempt included.
        received: u64,
        /// The total, if the server announced it.
        total: Option<u64>,
    },
    /// An attempt failed; another follows.
    Retrying {
        /// The number of attempts in a row that received nothing.
        attempt: u32,
        /// The delay before the next attempt.
        wait: Duration,
        /// Why it failed.
        reason: String,
    },
    /// Hashing a file on this machine.
    Verifying,
    /// Unpacking the archive and running its Python.
    Unpacking,
}
