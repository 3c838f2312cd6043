//! Whether the kernel ended a worker for want of memory.
//!
//! It counts whom it ended, of the whole machine and of each control group. That says something of a session only where its worker is in a
//! control group of its own: of a group that it shares with the host, and so with all other sessions, any process may have been meant.

use std::fs;
use std::path::PathBuf;

/// The control group of a worker, apart from its host's.
#[derive(Debug)]
pub(crate) struct OwnGroup {
    events: PathBuf,
    ended_before: u64,
}

impl OwnGroup {
    /// That of this process, if it is not its host's.
    pub(crate) fn of(worker: i32) -> Option<OwnGroup> {
        let read = |process: &str| fs::read_to_string(format!("/proc/{process}/cgroup")).ok();
        let events = own_events(&read(&worker.to_string())?, &read("self")?)?;
        let ended_before = ended(&fs::read_to_string(&events).ok()?)?;
        Some(OwnGroup { events, ended_before })
    }

    /// Whether the kernel has ended one of its processes since.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let now = fs::read_to_string(&self.events).ok().and_then(|events| ended(&events));
        now.is_some_and(|now| now > self.ended_before)
    }
}

/// The file that counts for the group of memory in the worker's `/proc/PID/cgroup`, unless the host is in the same.
fn own_events(worker: &str, host: &str) -> Option<PathBuf> {
    let group = |text: &str, controllers: &str| {
        let of = |line: &str| {
            let (found, path) = line.split_once(':')?.1.split_once(':')?;
            found.split(',').any(|one| one == controllers).then(|| path.to_owned())
        };
        text.lines().find_map(of)
    };
    for (controllers, folder, file) in
        [("memory", "/sys/fs/cgroup/memory", "memory.oom_control"), ("", "/sys/fs/cgroup", "memory.events")]
    {
        if let Some(path) = group(worker, controllers) {
            let is_own = group(host, controllers).is_some_and(|of_host| of_host != path);
            return is_own.then(|| PathBuf::from(format!("{folder}{path}/{file}")));
        }
    }
    None
}

/// How many processes the kernel has ended for want of memory, from such a file.
fn ended(events: &str) -> Option<u64> {
    events.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_group_of_its_own_tells() {
        let second = |path: &str| format!("0::{path}\n");
        assert_eq!(own_events(&second("/a"), &second("/a")), None);
        assert_eq!(own_events(&second("/a/b"), &second("/a")), Some("/sys/fs/cgroup/a/b/memory.events".into()));
        let first = |path: &str| format!("9:name=systemd:/\n4:cpu,memory:{path}\n0::/\n");
        assert_eq!(own_events(&first("/a"), &first("/a")), None);
        assert_eq!(own_events(&first("/w"), &first("/")), Some("/sys/fs/cgroup/memory/w/memory.oom_control".into()));
        assert_eq!(own_events("", ""), None);
    }

    #[test]
    fn the_kernel_counts_those_it_ends() {
        assert_eq!(ended("low 7\noom 4\noom_kill 3\noom_group_kill 9\n"), Some(3));
        assert_eq!(ended("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"), Some(5));
        assert_eq!(ended(""), None);
    }

    #[test]
    fn a_worker_beside_its_host_has_none() {
        assert!(OwnGroup::of(i32::try_from(std::process::id()).expect("a pid")).is_none());
    }
}
