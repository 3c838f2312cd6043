//! All processes of the machine, read once for all sessions that ask at the same time.
//!
//! A look takes a millisecond or more of a processor, and each session with limits asks twenty times a second while it has a call. They
//! share looks, of which there are so many in a second at most. None is older than the question that it answers: it would not know of
//! what the call that it judges has done.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::worker::proc_stat::ProcStat;

/// The least time from the beginning of a look to that of the next one.
const INTERVAL: Duration = Duration::from_millis(20);

static TABLE: Mutex<Option<ProcessTable>> = Mutex::const_new(None);

/// The processes, as one look has found them.
#[derive(Clone, Debug)]
pub(crate) struct ProcessTable {
    began: Instant,
    pub(super) processes: Arc<[ProcStat]>,
}

impl ProcessTable {
    /// Reads `/proc`: not for an async thread.
    pub(super) fn read() -> ProcessTable {
        ProcessTable { began: Instant::now(), processes: all().collect() }
    }

    /// One that was begun after this call was.
    pub(crate) async fn look() -> ProcessTable {
        let asked = Instant::now();
        let mut last = TABLE.lock().await; // in the order in which they ask
        match &*last {
            Some(table) if table.began >= asked => return table.clone(),
            Some(table) => sleep(INTERVAL.saturating_sub(table.began.elapsed())).await,
            None => {}
        }
        let Ok(table) = spawn_blocking(ProcessTable::read).await else {
            return std::future::pending().await; // the runtime is shutting down
        };
        last.insert(table).clone()
    }
}

/// The processes of the machine.
pub(super) fn all() -> impl Iterator<Item = ProcStat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(ProcStat::read)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_at_the_same_time_share_a_look_that_is_younger_than_their_questions() {
        let mut looks = HashSet::new();
        for _ in 0..3 {
            let asked = Instant::now();
            let asking: Vec<_> = (0..100).map(|_| tokio::spawn(ProcessTable::look())).collect();
            for asking in asking {
                let table = asking.await.expect("no panic");
                assert!(table.began >= asked);
                assert!(table.processes.iter().any(|process| process.pid == std::process::id() as i32));
                looks.insert(table.began);
            }
        }
        // Some may ask when a look has begun.
        assert!(looks.len() <= 6, "{} looks for 300 questions", looks.len());
    }
}
