//! Killing a worker with all processes that it started.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, pidfd_send_signal};

use crate::worker::proc_stat::field;

/// Stops the worker, then kills its descendants, every process of its process session, and the worker itself.
///
/// Stopping first keeps a fork bomb from outrunning the walk. Reads all of `/proc`, a millisecond or so: not for an async
/// thread.
pub(crate) fn kill_tree(worker: Pid, pidfd: &OwnedFd) {
    // By its pidfd: the pid may belong to another process by the time this thread runs.
    if pidfd_send_signal(pidfd, Signal::STOP).is_err() {
        return;
    }
    let _ = kill_process_group(worker, Signal::STOP); // at once, so that no member forks meanwhile
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
    tracing::debug!(pid = worker.as_raw_nonzero(), descendants = stopped.len(), "killing the worker's process tree");
    for pid in stopped {
        let _ = kill_process(pid, Signal::KILL);
    }
    let _ = pidfd_send_signal(pidfd, Signal::KILL);
}

/// How often to look for orphans: a process that forks during one sweep is found by the next.
const MAX_SWEEPS: usize = 100;

/// Kills the processes that an ended worker left in its process session.
pub(crate) fn kill_orphans(worker: Pid) {
    let mut killed = 0;
    for _ in 0..MAX_SWEEPS {
        let left = members(worker, false);
        if left.is_empty() {
            break;
        }
        // A session id is not reused while a member lives, so this cannot hit an unrelated process.
        let _ = kill_process_group(worker, Signal::KILL);
        killed += left.len();
        for pid in left {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    if killed > 0 {
        tracing::debug!(pid = worker.as_raw_nonzero(), killed, "killed processes that the worker left behind");
    }
}

/// The members of the process session that `root` leads and, if `root` is alive, all descendants of it and of them.
pub(super) fn members(root: Pid, alive: bool) -> Vec<Pid> {
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
    let mut level: Vec<i32> = found.iter().copied().chain(alive.then_some(root)).collect();
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

fn parent_and_session(pid: i32) -> Option<(i32, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some((field(&stat, 4)?.try_into().ok()?, field(&stat, 6)?.try_into().ok()?))
}
