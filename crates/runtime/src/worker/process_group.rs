//! The other processes of a worker's process group, which an interrupt reaches too, as Ctrl-C on a terminal does.
//!
//! A terminal sends SIGINT to the whole group. The worker has a signal of its own, so each of the others is sent SIGINT by itself: those
//! that were there when the worker was interrupted, and not what its code, or one of them, starts then to clean up.

use std::os::fd::OwnedFd;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::{ClockId, clock_gettime};

use crate::worker::proc_stat::{ProcStat, last_pid};

/// A moment that processes began before, or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessMark {
    /// Clock ticks since the machine was started; a hundredth of a second each.
    ticks: u64,
    /// The process id that was given last: within a tick they tell which came first.
    last_pid: i32,
}

impl ProcessMark {
    /// This moment.
    pub(crate) fn now() -> ProcessMark {
        let now = clock_gettime(ClockId::Boottime);
        let per_second = clock_ticks_per_second();
        let ticks = now.tv_sec as u64 * per_second + now.tv_nsec as u64 * per_second / 1_000_000_000;
        ProcessMark { ticks, last_pid: last_pid() }
    }

    fn is_before(self, process: &Process) -> bool {
        process.started > self.ticks || process.started == self.ticks && process.pid > self.last_pid
    }
}

/// A process, as `/proc` tells of it. The start tells it from others that had its id before.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: i32,
    group: i32,
    started: u64,
}

/// The processes of the group that `leader` leads, without `leader`, that began before `until`; where there is a mark `since`, those
/// that began after it. Reads all of `/proc`: not for an async thread.
pub(super) fn others(leader: Pid, since: Option<ProcessMark>, until: ProcessMark) -> Vec<OwnedFd> {
    let leader = leader.as_raw_nonzero().get();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let all = entries.flatten().filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?));
    let found = all.filter(|process| process.group == leader && process.pid != leader);
    let found = found.filter(|process| !until.is_before(process) && since.is_none_or(|mark| mark.is_before(process)));
    found.filter_map(hold).collect()
}

/// Sends each of them SIGINT.
pub(super) fn interrupt(processes: &[OwnedFd]) {
    for process in processes {
        let _ = pidfd_send_signal(process, Signal::INT); // it may have ended
    }
}

/// A descriptor of this very process; `None` where it has ended.
fn hold(found: Process) -> Option<OwnedFd> {
    let pidfd = pidfd_open(Pid::from_raw(found.pid)?, PidfdFlags::empty()).ok()?;
    // After the descriptor was opened: if its id still belongs to the same process, so does the descriptor.
    (process(found.pid) == Some(found)).then_some(pidfd)
}

fn process(pid: i32) -> Option<Process> {
    ProcStat::read(pid).map(|stat| Process { pid, group: stat.group, started: stat.started })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command};

    use super::*;

    fn sleeper(group: i32) -> Child {
        Command::new("sleep").arg("1000").process_group(group).spawn().expect("it starts")
    }

    fn end(mut child: Child) -> Option<i32> {
        let _ = child.kill();
        child.wait().expect("it ends").signal()
    }

    #[test]
    fn the_group_is_interrupted_without_its_leader_and_strangers() {
        let leader = sleeper(0);
        let group = i32::try_from(leader.id()).expect("a process id");
        let (mut member, stranger) = (sleeper(group), sleeper(0));
        let found = others(Pid::from_raw(group).expect("a process id"), None, ProcessMark::now());
        assert_eq!(found.len(), 1);
        interrupt(&found);
        assert_eq!(member.wait().expect("it ends").signal(), Some(2), "SIGINT");
        assert_eq!((end(leader), end(stranger)), (Some(9), Some(9)), "these went on");
    }

    #[test]
    fn marks_spare_what_began_before_and_after() {
        let leader = sleeper(0);
        let group = i32::try_from(leader.id()).expect("a process id");
        let before = sleeper(group);
        let since = ProcessMark::now();
        let mut between = sleeper(group);
        let until = ProcessMark::now();
        let after = sleeper(group);
        let found = others(Pid::from_raw(group).expect("a process id"), Some(since), until);
        assert_eq!(found.len(), 1);
        interrupt(&found);
        assert_eq!(between.wait().expect("it ends").signal(), Some(2), "SIGINT");
        assert_eq!([leader, before, after].map(end), [Some(9); 3], "these went on");
    }

    #[test]
    fn an_id_that_another_process_has_now_is_not_held() {
        let child = sleeper(0);
        let pid = i32::try_from(child.id()).expect("a process id");
        let told = process(pid).expect("it runs");
        assert!(hold(told).is_some());
        assert!(hold(Process { started: told.started + 1, ..told }).is_none());
        end(child);
    }
}
