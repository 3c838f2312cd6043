//! The memory, processor time and processes of a worker and its descendants.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::Pid;

use crate::worker::proc_stat::field;
use crate::worker::process_tree::members;

/// The resources of a worker and its descendants together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResourceUsage {
    /// Resident memory.
    pub(crate) memory_bytes: u64,
    /// Processor time, including that of ended children.
    pub(crate) cpu: Duration,
    /// The number of processes.
    pub(crate) processes: u64,
}

impl ResourceUsage {
    /// Measures a worker and its descendants. Memory that is shared with other processes counts once, mapped or not. Reads all
    /// of `/proc`: not for an async thread.
    pub(crate) fn sample(worker: i32) -> ResourceUsage {
        let mut usage = ResourceUsage::default();
        let Some(root) = Pid::from_raw(worker) else { return usage };
        let (mut shared, mut resident_shared) = (SharedMemory::default(), 0);
        for pid in std::iter::once(root).chain(members(root, true)) {
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())) else { continue };
            let Some((ticks, pages)) = ticks_and_pages(&stat) else { continue };
            usage.processes += 1;
            usage.cpu += Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64);
            usage.memory_bytes += pages * page_size() as u64;
            shared.add_open_files_of(pid);
            resident_shared += resident_shared_bytes(pid);
        }
        usage.memory_bytes += shared.bytes.saturating_sub(resident_shared);
        usage
    }
}

/// Memory that processes have open as a file, which is resident in none of them until they map and touch it.
#[derive(Default)]
struct SharedMemory {
    seen: HashSet<(u64, u64)>,
    bytes: u64,
}

impl SharedMemory {
    fn add_open_files_of(&mut self, pid: Pid) {
        const BLOCK: u64 = 512;
        let Ok(open) = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())) else { return };
        for file in open.flatten().map(|file| file.path()) {
            let is_memory = |target: PathBuf| {
                let target = target.into_os_string().into_encoded_bytes();
                target.starts_with(b"/memfd:") || target.starts_with(b"/dev/shm/")
            };
            let named = std::fs::read_link(&file).is_ok_and(is_memory);
            if let (true, Ok(metadata)) = (named, std::fs::metadata(&file))
                && self.seen.insert((metadata.dev(), metadata.ino()))
            {
                self.bytes += metadata.blocks() * BLOCK;
            }
        }
    }
}

/// What a process has mapped and touched of shared memory.
fn resident_shared_bytes(pid: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssShmem:")?.trim().strip_suffix("kB"));
    kilobytes.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0) << 10
}

/// The resident memory of one process, if it exists.
pub(crate) fn resident_bytes(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    ticks_and_pages(&stat).map(|(_, pages)| pages * page_size() as u64)
}

/// User and system time, its own and that of ended children, in ticks; and resident pages.
fn ticks_and_pages(stat: &str) -> Option<(u64, u64)> {
    Some((field(stat, 14)? + field(stat, 15)? + field(stat, 16)? + field(stat, 17)?, field(stat, 24)?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn stat_fields_are_counted_from_the_end_of_the_name() {
        let stat = "71 (a ) b) S 1 71 71 0 -1 4194560 100 200 0 0 7 3 2 1 20 0 1 0 500 9000 321 18446744073709551615";
        assert_eq!(ticks_and_pages(stat), Some((13, 321)));
        assert_eq!(ticks_and_pages(""), None);
    }

    /// Measures a process that is idle: the memory of a busy one changes between two samples.
    #[test]
    fn sample_measures_an_idle_process() {
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
