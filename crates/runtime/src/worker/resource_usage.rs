//! What a worker and all that it started take of the machine.

use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::Pid;

use crate::worker::process_tree::members;

/// What a worker's processes take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResourceUsage {
    /// Resident memory.
    pub(crate) memory_bytes: u64,
    /// Processor time, with that of children which have ended.
    pub(crate) cpu: Duration,
    /// How many there are.
    pub(crate) processes: u64,
}

impl ResourceUsage {
    /// Looks at a worker and all that it started. Reads all of `/proc`: not for an async thread.
    pub(crate) fn sample(worker: i32) -> ResourceUsage {
        let mut usage = ResourceUsage::default();
        let Some(root) = Pid::from_raw(worker) else { return usage };
        for pid in std::iter::once(root).chain(members(root, true)) {
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())) else { continue };
            let Some((ticks, pages)) = ticks_and_pages(&stat) else { continue };
            usage.processes += 1;
            usage.cpu += Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64);
            usage.memory_bytes += pages * page_size() as u64;
        }
        usage
    }
}

/// The resident memory of one process, where it is there.
pub(crate) fn resident_bytes(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    ticks_and_pages(&stat).map(|(_, pages)| pages * page_size() as u64)
}

/// User and system time, its own and that of ended children, and the resident pages.
fn ticks_and_pages(stat: &str) -> Option<(u64, u64)> {
    Some((field(stat, 14)? + field(stat, 15)? + field(stat, 16)? + field(stat, 17)?, field(stat, 24)?))
}

/// One of the numbers of `/proc/PID/stat` as proc(5) counts them, from 4 on; the name in field 2 may hold anything, so
/// count from its end.
pub(super) fn field(stat: &str, number: usize) -> Option<u64> {
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
        let usage = ResourceUsage::sample(pid);
        assert!(usage.processes == 1 && usage.memory_bytes > 100 << 10, "{usage:?}");
        assert!(resident_bytes(pid).is_some_and(|bytes| bytes > 100 << 10 && bytes <= usage.memory_bytes * 2));
        drop(input);
        child.wait().expect("it ends");
    }
}
