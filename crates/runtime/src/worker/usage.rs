//! What a worker and all that it started take of the machine.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::kill::family;

/// What a worker's processes take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory.
    pub memory_bytes: u64,
    /// Processor time, with that of children which have ended.
    pub cpu: Duration,
    /// How many there are.
    pub processes: u64,
}

/// Looks at a worker and all that it started. Reads all of `/proc`: not for an async thread.
pub fn usage(worker: i32) -> Usage {
    let mut usage = Usage::default();
    let Some(root) = Pid::from_raw(worker) else { return usage };
    for pid in std::iter::once(root).chain(family(root, true)) {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())) else { continue };
        let Some((ticks, pages)) = ticks_and_pages(&stat) else { continue };
        usage.processes += 1;
        usage.cpu += Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64);
        usage.memory_bytes += pages * page_size() as u64;
    }
    usage
}

/// The resident memory of one process, where it is there.
pub fn resident_bytes(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    ticks_and_pages(&stat).map(|(_, pages)| pages * page_size() as u64)
}

/// Lets the worker, and what it starts from now on, map so many bytes to write to; then allocations fail.
pub fn limit_data(worker: i32, bytes: u64) {
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    if let Err(error) = prlimit(Pid::from_raw(worker), Resource::Data, limit) {
        tracing::warn!("worker process {worker} has no limit to its memory: {error}");
    }
}

/// Lets the worker, and what it starts from now on, have so many descriptors open; then opening fails.
pub fn limit_open_files(worker: i32, most: u64) {
    // No process gets more than this one might have.
    let most = getrlimit(Resource::Nofile).maximum.map_or(most, |maximum| maximum.min(most));
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    if let Err(error) = prlimit(Pid::from_raw(worker), Resource::Nofile, limit) {
        tracing::warn!("worker process {worker} has no limit to its open files: {error}");
    }
}

/// Lets no process of the worker fork, or start a thread, once this user has so many more than now. A backstop for code
/// that forks faster than anybody can look; the kernel counts what the user runs elsewhere too, hence the room, and does
/// not hold root to it. Reads all of `/proc`: not for an async thread.
pub fn limit_tasks(worker: i32, more: u64) {
    let most = tasks_of(rustix::process::getuid().as_raw()) + more;
    let most = getrlimit(Resource::Nproc).maximum.map_or(most, |maximum| maximum.min(most));
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    if let Err(error) = prlimit(Pid::from_raw(worker), Resource::Nproc, limit) {
        tracing::warn!("worker process {worker} has no limit to its processes but what is seen from outside: {error}");
    }
}

/// How many threads the processes of a user have.
fn tasks_of(user: u32) -> u64 {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let of_user = |entry: &std::fs::DirEntry| entry.metadata().is_ok_and(|metadata| metadata.uid() == user);
    let threads = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        field(&stat, 20)
    };
    entries.flatten().filter(of_user).filter_map(threads).sum()
}

/// User and system time, its own and that of ended children, and the resident pages.
fn ticks_and_pages(stat: &str) -> Option<(u64, u64)> {
    Some((field(stat, 14)? + field(stat, 15)? + field(stat, 16)? + field(stat, 17)?, field(stat, 24)?))
}

/// One of the numbers of `/proc/PID/stat` as proc(5) counts them, from 4 on; the name in field 2 may hold anything, so
/// count from its end.
fn field(stat: &str, number: usize) -> Option<u64> {
    stat[stat.rfind(')')? + 1..].split_ascii_whitespace().nth(number - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_fields_are_counted_from_the_end_of_the_name() {
        let stat = "71 (a ) b) S 1 71 71 0 -1 4194560 100 200 0 0 7 3 2 1 20 0 1 0 500 9000 321 18446744073709551615";
        assert_eq!(ticks_and_pages(stat), Some((13, 321)));
        assert_eq!(ticks_and_pages(""), None);
    }

    /// One that is at rest: of others, this process among them, the memory changes between two looks.
    #[test]
    fn a_process_takes_something() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
        let (mut input, mut output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        input.write_all(b"x").expect("written");
        output.read_exact(&mut [0]).expect("it runs, and waits for more");
        let pid = i32::try_from(child.id()).expect("a pid");
        let usage = usage(pid);
        assert!(usage.processes == 1 && usage.memory_bytes > 100 << 10, "{usage:?}");
        assert!(resident_bytes(pid).is_some_and(|bytes| bytes > 100 << 10 && bytes <= usage.memory_bytes * 2));
        drop(input);
        child.wait().expect("it ends");
    }
}
