//! How many lines of the log clients may cause: a stranger's refused requests must not fill the disk.
//!
//! The first ones are written one by one, and after those one in a second. What is left out is counted, and told once a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::auth::client::Client;

/// How many lines there may be at once.
const BURST: u32 = 200;
/// The time after which there may be one more.
const REFILL: Duration = Duration::from_secs(1);
/// How often what was left out is told.
const INTERVAL: Duration = Duration::from_secs(60);
/// How many clients are named.
const MAX_CLIENTS: usize = 8;

/// That of all backends of this process.
static BUDGET: Mutex<LineBudget> = Mutex::new(LineBudget::NEW);

/// The lines that may be written, and what was left out.
#[derive(Debug)]
struct LineBudget {
    spent: u32,
    /// Since when lines count again.
    since: Option<Instant>,
    left_out: BTreeMap<&'static str, u64>,
    clients: BTreeSet<Client>,
}

impl LineBudget {
    const NEW: LineBudget = LineBudget { spent: 0, since: None, left_out: BTreeMap::new(), clients: BTreeSet::new() };

    /// Whether a line may be written; else it is counted. The first that is left out begins an interval.
    fn spend(&mut self, kind: &'static str, now: Instant) -> Line {
        let since = *self.since.get_or_insert(now);
        let refilled =
            u32::try_from(now.saturating_duration_since(since).as_secs() / REFILL.as_secs()).unwrap_or(BURST);
        self.spent = self.spent.saturating_sub(refilled);
        self.since = Some(since + REFILL * refilled);
        if self.spent < BURST {
            self.spent += 1;
            return Line::Written;
        }
        let first = self.left_out.is_empty();
        *self.left_out.entry(kind).or_default() += 1;
        if first { Line::FirstLeftOut } else { Line::LeftOut }
    }

    /// What was left out, as a text; none begins an interval now.
    fn summary(&mut self) -> String {
        let kinds: Vec<_> = std::mem::take(&mut self.left_out).iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        let clients: Vec<_> = std::mem::take(&mut self.clients).iter().map(Client::to_string).collect();
        let by = if clients.is_empty() { String::new() } else { format!("; refused were {}", clients.join(", ")) };
        format!("{}{by}", kinds.join(", "))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Written,
    FirstLeftOut,
    LeftOut,
}

/// Writes a line that a client has caused, unless these are too many.
pub(crate) fn within_budget(kind: &'static str, write: impl FnOnce()) {
    let line = BUDGET.lock().spend(kind, Instant::now());
    match line {
        Line::Written => write(),
        Line::LeftOut => {}
        Line::FirstLeftOut => {
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async {
                    tokio::time::sleep(INTERVAL).await;
                    let summary = BUDGET.lock().summary();
                    tracing::warn!("not logged one by one, in {} seconds: {summary}", INTERVAL.as_secs());
                });
            }
        }
    }
}

/// Has the next summary name this client.
pub(crate) fn name_client(client: Client) {
    let mut budget = BUDGET.lock();
    if budget.clients.len() < MAX_CLIENTS {
        budget.clients.insert(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Peer;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_lines_is_counted_and_lines_come_back_with_time() {
        let mut budget = LineBudget::NEW;
        let mut flood = |lines: u32| {
            let spent: Vec<_> = (0..lines).map(|_| budget.spend("unauthorized", Instant::now())).collect();
            let count = |line| spent.iter().filter(|spent| **spent == line).count();
            (count(Line::Written), count(Line::FirstLeftOut), count(Line::LeftOut))
        };
        assert_eq!(flood(100_000), (200, 1, 99_799));
        assert_eq!(flood(1), (0, 0, 1));
        tokio::time::advance(Duration::from_millis(3500)).await;
        assert_eq!(flood(100), (3, 0, 97), "one in a second");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(flood(100), (1, 0, 99));
        tokio::time::advance(Duration::from_secs(1000)).await;
        assert_eq!(flood(300), (200, 0, 100), "never more at once");
        budget.clients.insert(Client { peer: Peer::OtherUser(1001), address: None });
        budget.spend("forbidden_host", Instant::now());
        let told = "1 forbidden_host, 100097 unauthorized; refused were user 1001";
        assert_eq!(budget.summary(), told);
        assert_eq!(budget.spend("forbidden_host", Instant::now()), Line::FirstLeftOut, "a new interval");
    }
}
