//! The end of a worker process.

use serde::{Deserialize, Serialize};

/// How a worker process ended.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WorkerDeath {
    /// The process.
    pub pid: i32,
    /// Its exit status, if it exited by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended it, by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The signal's name, for example `SIGSEGV`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal_name: Option<String>,
    /// The cause of its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<DeathCause>,
    /// Its largest resident size, if the system reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// The last lines that it wrote to standard error, before the report in `fault`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stderr_tail: String,
    /// The place of a crash: the Python stacks that the interpreter wrote while it died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// What ended a worker process.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeathCause {
    /// It exited by itself.
    Exit,
    /// It crashed: a fault in native code, or an abort.
    Crash,
    /// The kernel killed it because its own control group ran out of memory.
    OutOfMemory,
    /// A signal from elsewhere ended it; whose is not known. It may be the kernel's, where the machine ran out of memory.
    Killed,
    /// The host ended it: for a limit, a call that did not stop, a restart or a shutdown.
    Host,
}

impl DeathCause {
    /// Its name on the wires.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeathCause::Exit => "exit",
            DeathCause::Crash => "crash",
            DeathCause::OutOfMemory => "out_of_memory",
            DeathCause::Killed => "killed",
            DeathCause::Host => "host",
        }
    }
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
        match self.cause {
            Some(DeathCause::OutOfMemory) => f.write_str(" since its control group ran out of memory")?,
            // Another process, or the kernel for want of memory: nothing tells them apart.
            Some(DeathCause::Killed) => f.write_str("; by whom is not known")?,
            _ => {}
        }
        if let Some(bytes) = self.peak_memory_bytes {
            write!(f, ", peak memory {:.1} MiB", bytes as f64 / (1024.0 * 1024.0))?;
        }
        Ok(())
    }
}
