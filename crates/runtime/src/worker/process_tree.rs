//! The processes of a session: its worker, and all that it started, wherever they are by now.
//!
//! Three things tell that a process belongs to a session: it descends from the worker, it is in the process session that the
//! worker leads, or it bears the worker's mark. A process that left both its parent and its process session, as a daemon does,
//! has the mark alone. The mark is the soft limit of file locks (`RLIMIT_LOCKS`), which Linux passes on over fork and exec and
//! has not used for anything since 2.4.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, pidfd_send_signal};

use crate::worker::proc_stat::{ProcStat, last_pid};
use crate::worker::process_table::all;

/// The time that a resource tracker has, which removes the shared memory that its program left. `_orphans.py` has it too.
const TRACKER_TIME: Duration = Duration::from_secs(5);
/// How long to wait before looking again for what is left.
const SWEEP_PAUSE: Duration = Duration::from_millis(5);
/// How often to look for orphans.
const MAX_SWEEPS: usize = 1100;
/// How often to look once more at processes that are stopped, though each look finds others.
const MAX_STOPS: usize = 100;
/// How long to follow the process ids that are given, before all processes are looked at again.
const CHASE: Duration = Duration::from_millis(5);
/// How many such chases without a find are enough where other programs start processes all the time.
const VAIN_CHASES: usize = 10;
/// The most process ids to look at, of those that were given since the last look.
const MAX_NEW_PIDS: i32 = 256;
/// What a resource tracker of `multiprocessing` or loky has in its command line.
const TRACKER: &str = "resource_tracker import";

/// A mark that no other session on this machine has, also where several containers share it.
pub(super) fn new_mark() -> u64 {
    // Large, so that programs that respect the limit see none; below infinity, and within what is signed.
    (1 << 62) | (RandomState::new().hash_one(0) >> 2)
}

/// The processes of one session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessTree {
    worker: Pid,
    mark: u64,
    /// When the worker started, in ticks since boot: what is older is none of its descendants.
    started: u64,
}

impl ProcessTree {
    /// That of a worker which was just forked, and bears this mark.
    pub(super) fn new(worker: Pid, mark: u64) -> ProcessTree {
        let started = ProcStat::read(worker.as_raw_nonzero().get()).map_or(0, |stat| stat.started);
        ProcessTree { worker, mark, started }
    }

    /// All that live, without the worker; `alive` says whether it does, so that its pid is its own.
    fn others(&self, alive: bool) -> Vec<Pid> {
        let living = self.members(alive).into_iter().filter(|stat| !stat.is_zombie() && stat.pid != self.pid());
        living.filter_map(|stat| Pid::from_raw(stat.pid)).collect()
    }

    pub(super) fn pid(&self) -> i32 {
        self.worker.as_raw_nonzero().get()
    }

    /// All, the worker too if it is `alive`; also those that have ended and only their parent has not looked yet.
    pub(super) fn members(&self, alive: bool) -> Vec<ProcStat> {
        self.members_among(all(), alive)
    }

    /// The same, of these processes of the machine.
    pub(super) fn members_among(&self, processes: impl Iterator<Item = ProcStat>, alive: bool) -> Vec<ProcStat> {
        let younger = processes.filter(|stat| stat.started >= self.started);
        let mut all: HashMap<i32, ProcStat> = younger.map(|stat| (stat.pid, stat)).collect();
        let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
        for stat in all.values() {
            children.entry(stat.parent).or_default().push(stat.pid);
        }
        let root = self.pid();
        let is_root = |stat: &&ProcStat| stat.session == root || has_mark(stat.pid, self.mark);
        let mut found: HashSet<i32> = all.values().filter(is_root).map(|stat| stat.pid).collect();
        let mut level: Vec<i32> = found.iter().copied().chain(alive.then_some(root)).collect();
        while let Some(parent) = level.pop() {
            for &child in children.get(&parent).into_iter().flatten() {
                if found.insert(child) {
                    level.push(child);
                }
            }
        }
        if alive {
            found.insert(root);
        } else {
            found.remove(&root);
        }
        found.into_iter().filter_map(|pid| all.remove(&pid)).collect()
    }

    /// Stops the worker, then kills all other processes, and the worker itself. Resource trackers go on: once the worker is
    /// gone they are orphans, and end as such.
    ///
    /// Stopping first keeps a fork bomb from outrunning the walk. Reads all of `/proc`, a millisecond or so: not for an async
    /// thread.
    pub(crate) fn kill(&self, pidfd: &OwnedFd) {
        // By its pidfd: the pid may belong to another process by the time this thread runs.
        if pidfd_send_signal(pidfd, Signal::STOP).is_err() {
            return;
        }
        let _ = kill_process_group(self.worker, Signal::STOP); // at once, so that no member forks meanwhile
        let mut stopped = HashSet::new();
        // Those that have another successor each time they are looked at are left to `kill_orphans`.
        let _ = (0..MAX_STOPS).find(|_| self.stop_others(true, &mut stopped) == 0);
        let pid = self.pid();
        tracing::debug!(pid, descendants = stopped.len(), "killing the worker's process tree");
        for pid in stopped {
            let _ = kill_process(pid, if is_tracker(pid) { Signal::CONT } else { Signal::KILL });
        }
        let _ = pidfd_send_signal(pidfd, Signal::KILL);
    }

    /// Stops those that are not `stopped` yet, but for resource trackers. Returns how many these were.
    fn stop_others(&self, alive: bool, stopped: &mut HashSet<Pid>) -> usize {
        let new = self.others(alive).into_iter().filter(|pid| !stopped.contains(pid)).collect::<Vec<_>>();
        for &pid in new.iter().filter(|&&pid| !is_tracker(pid)) {
            let _ = kill_process(pid, Signal::STOP);
        }
        stopped.extend(&new);
        new.len()
    }

    /// Stops all that an ended worker left behind, also processes that live for a moment only and are gone when a look at all
    /// processes comes to them: what is stopped has no successor.
    ///
    /// A look during which the machine started no process has seen all. Otherwise those that start are looked at one by one, at
    /// once: they bear the mark.
    fn stop_orphans(&self) -> HashSet<Pid> {
        let (mut stopped, mut vain) = (HashSet::new(), 0);
        for _ in 0..MAX_STOPS {
            let before = last_pid();
            let found = self.stop_others(false, &mut stopped);
            if last_pid() == before && found == 0 {
                break;
            }
            vain = if found + self.chase(before, &mut stopped) == 0 { vain + 1 } else { 0 };
            if vain == VAIN_CHASES {
                break;
            }
        }
        stopped
    }

    /// Stops what starts for a while and bears the mark. Returns how many these were.
    fn chase(&self, mut seen: i32, stopped: &mut HashSet<Pid>) -> usize {
        let (began, mut found) = (Instant::now(), 0);
        while began.elapsed() < CHASE {
            let last = last_pid();
            // Where the numbers begin anew the first of them are left to the next look.
            for pid in (seen.max(last - MAX_NEW_PIDS) + 1..=last).rev() {
                if has_mark(pid, self.mark)
                    && let Some(pid) = Pid::from_raw(pid)
                    && kill_process(pid, Signal::STOP).is_ok()
                {
                    found += usize::from(stopped.insert(pid));
                }
            }
            seen = last;
        }
        found
    }

    /// Kills what an ended worker left behind. Resource trackers are left to its zygote, which reports the end, where `reported`.
    /// Not for an async thread.
    pub(crate) fn kill_orphans(&self, reported: bool) {
        let (began, mut killed) = (Instant::now(), HashSet::new());
        for pid in self.stop_orphans() {
            if !is_tracker(pid) {
                killed.insert(pid);
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        for _ in 0..MAX_SWEEPS {
            let mut left = self.others(false);
            if reported {
                left.retain(|&pid| !is_tracker(pid));
            }
            if left.is_empty() {
                break;
            }
            let patient = began.elapsed() < TRACKER_TIME;
            for pid in left.into_iter().filter(|&pid| !(patient && is_tracker(pid))) {
                killed.insert(pid);
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(SWEEP_PAUSE);
        }
        if !killed.is_empty() {
            let pid = self.pid();
            tracing::debug!(pid, killed = killed.len(), "killed processes that the worker left behind");
        }
    }
}

/// Whether the soft limit of file locks of this process is the mark.
fn has_mark(pid: i32, mark: u64) -> bool {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it changes nothing, and writes into a value of the type that it takes.
    let told = unsafe { libc::prlimit64(pid, libc::RLIMIT_LOCKS, std::ptr::null(), &raw mut limit) };
    if told == 0 {
        return limit.rlim_cur == mark;
    }
    // Of a process that runs as another user, files tell.
    if io::Error::last_os_error().raw_os_error() != Some(libc::EPERM) {
        return false;
    }
    let Ok(limits) = fs::read_to_string(format!("/proc/{pid}/limits")) else { return false };
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max file locks")?.split_ascii_whitespace().next());
    soft.and_then(|soft| soft.parse().ok()) == Some(mark)
}

fn is_tracker(pid: Pid) -> bool {
    let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    String::from_utf8_lossy(&command).contains(TRACKER)
}
