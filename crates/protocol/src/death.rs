//! How a worker process ended.

use serde::{Deserialize, Serialize};

/// What is known of a worker process that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WorkerDeath {
    /// The process.
    pub pid: i32,
    /// Its exit status, where it ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it, by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The signal's name, for example `SIGSEGV`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_name: Option<String>,
    /// Its largest resident size, where the system told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// The last lines that it wrote to standard error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stderr_tail: String,
}

impl std::fmt::Display for WorkerDeath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "worker process {} ", self.pid)?;
        match (self.exit_code, self.signal) {
            (Some(code), _) => write!(f, "exited with status {code}")?,
            (_, Some(signal)) => match &self.signal_name {
                Some(name) => write!(f, "was ended by signal {signal} ({name})")?,
                None => write!(f, "was ended by signal {signal}")?,
            },
            _ => f.write_str("ended; how is not known")?,
        }
        if let Some(bytes) = self.peak_memory_bytes {
            write!(f, ", peak memory {:.1} MiB", bytes as f64 / (1024.0 * 1024.0))?;
        }
        Ok(())
    }
}
