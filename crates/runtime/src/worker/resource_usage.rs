//! The memory, processor time and processes of a worker and its descendants.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};

use crate::worker::memory_meter::MemoryMeter;
use crate::worker::proc_stat::ProcStat;
use crate::worker::process_table::ProcessTable;
use crate::worker::process_tree::ProcessTree;

/// The resources of a worker and its descendants together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResourceUsage {
    /// Memory of their own, see `memory_meter.rs`. Exact where a limit may be passed, and there is time to measure; otherwise
    /// no more than it is where a limit may be passed, and no less where none is.
    pub(crate) memory_bytes: u64,
    /// Processor time, including that of ended children.
    pub(crate) cpu: Duration,
    /// The number of processes.
    pub(crate) processes: u64,
}

/// What to find out about the memory of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryQuestion {
    /// Nothing.
    Unlimited,
    /// Whether it has more than so many bytes.
    IsAbove(u64),
    /// How much it has, if there is time to measure.
    HowMuch,
    /// How much it has, however long that takes.
    Exactly,
}

/// Measures a worker and its descendants, again and again.
#[derive(Debug)]
pub(crate) struct Sampler {
    processes: ProcessTree,
    zygote: i32,
    /// Made when memory is asked for.
    memory: Option<MemoryMeter>,
    /// Processor time, in ticks, of orphans that have ended: their parent is no part of the session.
    ended: u64,
    /// The ticks of orphans at the last sample, by pid and start.
    orphans: HashMap<(i32, u64), u64>,
}

impl Sampler {
    /// One for the worker that this zygote started.
    pub(crate) fn new(processes: ProcessTree, zygote: i32) -> Sampler {
        Sampler { processes, zygote, memory: None, ended: 0, orphans: HashMap::new() }
    }

    /// Reads what `/proc` tells of its processes' memory: not for an async thread.
    pub(crate) fn sample(&mut self, table: &ProcessTable, question: MemoryQuestion) -> ResourceUsage {
        let members = self.processes.members_among(table.processes.iter().cloned(), true);
        ResourceUsage {
            memory_bytes: self.memory_bytes(&members, question),
            cpu: time_of(self.ticks(&members)),
            processes: members.iter().filter(|stat| !stat.is_zombie()).count() as u64,
        }
    }

    fn memory_bytes(&mut self, members: &[ProcStat], question: MemoryQuestion) -> u64 {
        if question == MemoryQuestion::Unlimited {
            return 0;
        }
        let meter = self.memory.get_or_insert_with(|| MemoryMeter::new(self.zygote));
        let look = meter.look(members);
        let at_most = meter.at_most(&look).max(meter.at_least(&look));
        let may_measure = meter.may_measure();
        match question {
            MemoryQuestion::IsAbove(limit) if at_most <= limit => at_most,
            MemoryQuestion::IsAbove(_) if !may_measure => meter.at_least(&look),
            MemoryQuestion::HowMuch if !may_measure => meter.about(&look),
            _ => {
                let processes = self.processes;
                meter.measure(&look, || processes.members(true)).max(meter.at_least(&look))
            }
        }
    }

    /// The processor time of all, also of those that have ended. A parent takes over the time of its children; that of orphans goes
    /// to the zygote.
    fn ticks(&mut self, members: &[ProcStat]) -> u64 {
        let pids: HashSet<i32> = members.iter().map(|stat| stat.pid).collect();
        let key = |stat: &ProcStat| (stat.pid, stat.started);
        let is_orphan = |stat: &&ProcStat| stat.pid != self.processes.pid() && !pids.contains(&stat.parent);
        let orphans: HashMap<_, _> = members.iter().filter(is_orphan).map(|stat| (key(stat), stat.ticks)).collect();
        let before = std::mem::replace(&mut self.orphans, orphans);
        let gone = before.iter().filter(|(orphan, _)| !members.iter().any(|stat| key(stat) == **orphan));
        self.ended += gone.map(|(_, ticks)| ticks).sum::<u64>();
        self.ended + members.iter().map(|stat| stat.ticks).sum::<u64>()
    }
}

/// The resident memory of one process, if it exists.
pub(crate) fn resident_bytes(pid: i32) -> Option<u64> {
    let sizes = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    Some(sizes.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()? * page_size() as u64)
}

/// What one process does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessFigures {
    /// Its processor time, and that of its ended children.
    pub(crate) cpu: Duration,
    /// Whether it is stopped, by a signal or a debugger.
    pub(crate) stopped: bool,
}

impl ProcessFigures {
    /// Those of a process, if it exists.
    pub(crate) fn read(pid: i32) -> Option<ProcessFigures> {
        let stat = ProcStat::read(pid)?;
        Some(ProcessFigures { cpu: time_of(stat.ticks), stopped: stat.is_stopped() })
    }
}

/// Ticks of the kernel as time.
fn time_of(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use rustix::process::Pid;

    use super::*;

    /// Measures a process that is idle: the memory of a busy one changes between two samples.
    #[test]
    fn sample_measures_an_idle_process() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
        let (mut input, mut output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        input.write_all(b"x").expect("written");
        output.read_exact(&mut [0]).expect("it runs, and waits for more");
        let pid = i32::try_from(child.id()).expect("a pid");
        let usage = Sampler::new(ProcessTree::new(Pid::from_raw(pid).expect("a pid"), 1), 1)
            .sample(&ProcessTable::read(), MemoryQuestion::Exactly);
        assert!(usage.processes == 1 && usage.memory_bytes > 40 << 10, "{usage:?}");
        assert!(resident_bytes(pid).is_some_and(|bytes| bytes > usage.memory_bytes), "with the files that it maps");
        drop(input);
        child.wait().expect("it ends");
    }
}
