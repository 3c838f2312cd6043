//! Wakes an idle worker on the CPU of the thread that sends it a request.
//!
//! The kernel wakes a process on an idle CPU. For back-to-back calls from one client that only costs: this thread is about
//! to sleep, which frees its CPU, while a sleeping CPU takes some 20 µs to wake up in a virtual machine, and this one takes
//! as long when the answer comes.
//!
//! The worker restores its affinity before it does anything else, since it may run before this thread does again. It
//! restores the CPUs that it had; it does not use CPUs that the machine or a control group gains in between.

use std::sync::Arc;

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use crate::worker::shared_page::{AffinityRestore, CPUS_BYTES, SharedPage};
use crate::worker::worker::Worker;

/// Pins one worker for its wake-ups.
#[derive(Debug)]
pub(crate) struct WakeAffinity {
    worker: Arc<Worker>,
    page: Arc<SharedPage>,
    /// The CPUs that the worker restores, and the same in the form of the page.
    cpus: CpuSet,
    bits: [u8; CPUS_BYTES],
    /// The worker cannot restore its affinity, so it is not pinned again.
    given_up: bool,
}

impl WakeAffinity {
    /// Does not touch the worker yet.
    pub(crate) fn new(worker: Arc<Worker>, page: Arc<SharedPage>) -> WakeAffinity {
        WakeAffinity { worker, page, cpus: CpuSet::new(), bits: [0; CPUS_BYTES], given_up: false }
    }

    /// Lets the worker wake up on the CPU of this thread when the caller sends it something next. Does nothing if the worker
    /// is not idle or may not run on this CPU.
    pub(crate) fn pin_to_current_cpu(&mut self) {
        match self.page.affinity_restore() {
            AffinityRestore::None if self.page.is_idle() => {}
            AffinityRestore::Failed if !std::mem::replace(&mut self.given_up, true) => {
                return self.set_affinity(self.cpus);
            }
            _ => return,
        }
        // Read each time: the user's code may have changed it.
        let Ok(cpus) = sched_getaffinity(Some(self.worker.process())) else { return };
        let cpu = sched_getcpu();
        if cpus.count() < 2 || !cpus.is_set(cpu) {
            return;
        }
        if cpus != self.cpus {
            let byte = |byte: usize| (0..8).fold(0, |bits, bit| bits | u8::from(cpus.is_set(byte * 8 + bit)) << bit);
            (self.cpus, self.bits) = (cpus, std::array::from_fn(byte));
        }
        self.page.request_restore(&self.bits);
        if !self.page.is_idle() || self.worker.has_ended() {
            return self.page.withdraw_restore();
        }
        let mut pinned = CpuSet::new();
        pinned.set(cpu);
        self.set_affinity(pinned);
        if self.page.affinity_restore() != AffinityRestore::Requested {
            self.set_affinity(cpus); // something else woke it, and it may have restored before it was pinned
        }
    }

    fn set_affinity(&self, cpus: CpuSet) {
        // If this is not allowed, the worker stays where it is, and its restore does no harm.
        let _ = sched_setaffinity(Some(self.worker.process()), &cpus);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    /// A process that waits for input, like an idle worker.
    struct Waiting {
        child: Child,
        affinity: WakeAffinity,
    }

    impl Waiting {
        fn new() -> Waiting {
            let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let pid = Pid::from_child(&child);
            let worker = Worker::of(pid, 1, 1, pidfd_open(pid, PidfdFlags::empty()).unwrap()).unwrap();
            Waiting { child, affinity: WakeAffinity::new(Arc::new(worker), Arc::new(SharedPage::new().unwrap())) }
        }

        fn cpus(&self) -> CpuSet {
            sched_getaffinity(Some(self.affinity.worker.process())).unwrap()
        }

        fn restore(&self) -> AffinityRestore {
            self.affinity.page.affinity_restore()
        }
    }

    impl Drop for Waiting {
        fn drop(&mut self) {
            drop(self.child.stdin.take());
            self.child.wait().unwrap();
        }
    }

    fn one_of(cpus: &CpuSet) -> CpuSet {
        let mut one = CpuSet::new();
        one.set((0..CpuSet::MAX_CPU).find(|&cpu| cpus.is_set(cpu)).unwrap());
        one
    }

    #[tokio::test]
    async fn idle_worker_is_pinned_and_asked_to_restore() {
        let mut waiting = Waiting::new();
        let all = waiting.cpus();
        if all.count() < 2 {
            return println!("skipped: there is only one CPU");
        }
        waiting.affinity.pin_to_current_cpu();
        assert_eq!((waiting.cpus(), waiting.restore()), (all, AffinityRestore::None), "it is not idle");
        waiting.affinity.page.set_idle(true);
        waiting.affinity.pin_to_current_cpu();
        assert_eq!((waiting.cpus().count(), waiting.restore()), (1, AffinityRestore::Requested));
        let bits = waiting.affinity.page.cpus();
        assert!((0..CPUS_BYTES * 8).all(|cpu| (bits[cpu / 8] >> (cpu % 8) & 1 == 1) == all.is_set(cpu)));
        // If it cannot restore, it is restored from here, and not pinned again.
        waiting.affinity.page.set_restore_failed();
        waiting.affinity.pin_to_current_cpu();
        assert_eq!((waiting.cpus(), waiting.restore()), (all, AffinityRestore::Failed));
        let one = one_of(&all);
        waiting.affinity.set_affinity(one);
        waiting.affinity.pin_to_current_cpu();
        assert_eq!(waiting.cpus(), one, "later changes are its own");
    }

    #[tokio::test]
    async fn worker_with_one_cpu_is_not_pinned() {
        let mut waiting = Waiting::new();
        let one = one_of(&waiting.cpus());
        waiting.affinity.set_affinity(one);
        waiting.affinity.page.set_idle(true);
        waiting.affinity.pin_to_current_cpu();
        assert_eq!((waiting.cpus(), waiting.restore()), (one, AffinityRestore::None));
    }

    #[tokio::test]
    async fn process_with_the_pid_of_an_ended_worker_is_not_pinned() {
        let mut waiting = Waiting::new();
        waiting.affinity.page.set_idle(true);
        let all = waiting.cpus();
        let mut ended = Command::new("true").spawn().unwrap();
        let pidfd = pidfd_open(Pid::from_child(&ended), PidfdFlags::empty()).unwrap();
        ended.wait().unwrap();
        waiting.affinity.worker = Arc::new(Worker::of(waiting.affinity.worker.process(), 1, 1, pidfd).unwrap());
        waiting.affinity.pin_to_current_cpu();
        assert_eq!((waiting.cpus(), waiting.restore()), (all, AffinityRestore::None));
    }
}
