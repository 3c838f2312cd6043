//! Which sessions come first.

use super::figures::SessionFigures;

/// The figure that sessions are sorted by, the largest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Sort {
    /// How much of a processor they take
    #[default]
    Cpu,
    /// Memory
    Memory,
    /// How long their call has run
    Time,
    /// Calls per second
    Calls,
}

impl Sort {
    /// The one that a key stands for.
    pub(super) fn of_key(key: char) -> Option<Sort> {
        match key {
            'c' => Some(Sort::Cpu),
            'm' => Some(Sort::Memory),
            't' => Some(Sort::Time),
            'r' => Some(Sort::Calls),
            _ => None,
        }
    }

    /// The title of its column.
    pub(super) fn title(self) -> &'static str {
        match self {
            Sort::Cpu => "CPU",
            Sort::Memory => "MEMORY",
            Sort::Time => "FOR",
            Sort::Calls => "CALLS/S",
        }
    }

    /// The figure of a session; those that have none come last.
    pub(super) fn figure(self, session: &SessionFigures) -> f64 {
        let rates = session.rates.unwrap_or_default();
        match self {
            Sort::Cpu => rates.cpu_percent.unwrap_or(-1.0),
            Sort::Memory => session.info.memory_bytes.map_or(-1.0, |bytes| bytes as f64),
            Sort::Time => session.info.running_ms.map_or(-1.0, |ms| ms as f64),
            Sort::Calls => rates.calls_per_second,
        }
    }
}
