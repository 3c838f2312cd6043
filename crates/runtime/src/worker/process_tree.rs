//! Ending a worker with all that it started.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, pidfd_send_signal};

/// Stops the worker, then ends its descendants and every process of its process session, then the worker itself.
///
/// Stopping first keeps a process that forks without end from outrunning the walk. Reads all of `/proc`, a millisecond
/// or so: not for an async thread.
pub(crate) fn kill_tree(worker: Pid, pidfd: &OwnedFd) {
    // By its pidfd: the number may be another's by the time a thread gets here.
    if pidfd_send_signal(pidfd, Signal::STOP).is_err() {
        return;
    }
    let _ = kill_process_group(worker, Signal::STOP); // at once: nobody in it can fork meanwhile
    let mut stopped = HashSet::new();
    loop {
        let mut new = 0;
        for pid in members(worker, true) {
            if stopped.insert(pid) {
                new += 1;
                let _ = kill_process(pid, Signal::STOP);
            }
        }
        if new == 0 {
            break;
        }
    }
    let _ = kill_process_group(worker, Signal::KILL);
    for pid in stopped {
        let _ = kill_process(pid, Signal::KILL);
    }
    let _ = pidfd_send_signal(pidfd, Signal::KILL);
}

/// How often what a worker left is looked for: whatever forks in the moment of a look is found by the next.
const MAX_SWEEPS: usize = 100;

/// Ends what a worker that is gone has left in its process session.
pub(crate) fn kill_orphans(worker: Pid) {
    for _ in 0..MAX_SWEEPS {
        let left = members(worker, false);
        if left.is_empty() {
            return;
        }
        // The number of a process session is not given to a new process while a member lives, so this hits nobody else.
        let _ = kill_process_group(worker, Signal::KILL);
        for pid in left {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The members of the process session that `root` leads and, where it lives, all that descend from it or them.
pub(super) fn members(root: Pid, lives: bool) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let mut found = HashSet::new();
    let root = root.as_raw_nonzero().get();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Some((parent, session)) = parent_and_session(pid) else { continue };
        children.entry(parent).or_default().push(pid);
        if session == root {
            found.insert(pid);
        }
    }
    let mut level: Vec<i32> = found.iter().copied().chain(lives.then_some(root)).collect();
    while let Some(parent) = level.pop() {
        for &child in children.get(&parent).into_iter().flatten() {
            if found.insert(child) {
                level.push(child);
            }
        }
    }
    found.remove(&root);
    found.into_iter().filter_map(Pid::from_raw).collect()
}

/// Fields 4 and 6 of `/proc/PID/stat` (proc(5)); the name in field 2 may hold anything, so count from its end.
fn parent_and_session(pid: i32) -> Option<(i32, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some((parent, session))
}
