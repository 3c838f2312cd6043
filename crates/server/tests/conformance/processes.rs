//! What runs on the machine because of these tests.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The processes that this one started, and those that they did.
pub fn descendants() -> BTreeSet<u32> {
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parents: Vec<(u32, u32)> = all.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = BTreeSet::from([std::process::id()]);
    loop {
        let before = found.len();
        found.extend(
            parents.iter().filter(|(_, parent)| found.contains(parent)).map(|(pid, _)| *pid).collect::<Vec<_>>(),
        );
        if found.len() == before {
            break;
        }
    }
    found.remove(&std::process::id());
    found
}

/// Waits until they are gone, and names the one that stays.
pub fn still_there(pids: BTreeSet<u32>) -> Option<String> {
    let began = Instant::now();
    for pid in pids {
        while parent(pid).is_some() {
            if began.elapsed() > Duration::from_secs(60) {
                let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                return Some(format!("process {pid}, {}", String::from_utf8_lossy(&command).replace('\0', " ")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    None
}

/// Waits until a process is gone.
pub async fn gone(pid: i32) {
    let left = tokio::task::spawn_blocking(move || still_there([pid.unsigned_abs()].into()));
    assert_eq!(left.await.expect("looked"), None);
}

/// The parent of a process that runs; one that has ended and was not waited for does not.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(parent)
}
