//! Letting a worker wake up where this thread runs.
//!
//! The kernel wakes a process on a CPU that is idle. Where a client makes one call after the other and nothing else is under
//! way, that costs and gains nothing: this thread is about to sleep, and its CPU would be free, while a CPU that slept takes
//! some 20 µs to wake up in a virtual machine, and this one's takes as long when the answer comes.
//!
//! The worker itself goes back to all of its CPUs before it does anything else: it may run before this thread does again. They
//! are the ones that it had; what a machine or a control group gets later it does not use.

use std::sync::Arc;

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use crate::worker::shared_page::{AffinityRestore, CPUS_BYTES, SharedPage};
use crate::worker::worker::Worker;

/// Draws a worker near.
#[derive(Debug)]
pub(crate) struct WakeAffinity {
    worker: Arc<Worker>,
    slots: Arc<SharedPage>,
    /// The CPUs that it goes back to, and the same as the page has them.
    cpus: CpuSet,
    bits: [u8; CPUS_BYTES],
    /// It was not let go back by itself, and is drawn no more.
    given_up: bool,
}

impl WakeAffinity {
    /// Nothing is done yet.
    pub(crate) fn new(worker: Arc<Worker>, slots: Arc<SharedPage>) -> WakeAffinity {
        WakeAffinity { worker, slots, cpus: CpuSet::new(), bits: [0; CPUS_BYTES], given_up: false }
    }

    /// Lets the worker wake up on the CPU of this thread, when the caller now sends it something. Nothing happens where it does
    /// not rest, or cannot come here.
    pub(crate) fn pin_to_current_cpu(&mut self) {
        match self.slots.affinity_restore() {
            AffinityRestore::None if self.slots.is_idle() => {}
            AffinityRestore::Failed if !std::mem::replace(&mut self.given_up, true) => {
                return self.set_affinity(self.cpus);
            }
            _ => return,
        }
        // Asked each time: the user's code may have chosen others.
        let Ok(cpus) = sched_getaffinity(Some(self.worker.process())) else { return };
        let cpu = sched_getcpu();
        if cpus.count() < 2 || !cpus.is_set(cpu) {
            return;
        }
        if cpus != self.cpus {
            let byte = |byte: usize| (0..8).fold(0, |bits, bit| bits | u8::from(cpus.is_set(byte * 8 + bit)) << bit);
            (self.cpus, self.bits) = (cpus, std::array::from_fn(byte));
        }
        self.slots.request_restore(&self.bits);
        if !self.slots.is_idle() || self.worker.has_ended() {
            return self.slots.withdraw_restore();
        }
        let mut here = CpuSet::new();
        here.set(cpu);
        self.set_affinity(here);
        if self.slots.affinity_restore() != AffinityRestore::Requested {
            self.set_affinity(cpus); // something else woke it up, and it may have gone back before it was drawn
        }
    }

    fn set_affinity(&self, cpus: CpuSet) {
        // Where this is not allowed, the worker stays where it is, and does what it was told to no harm.
        let _ = sched_setaffinity(Some(self.worker.process()), &cpus);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    /// A process that waits for input, as a worker does.
    struct Waiting {
        child: Child,
        near: WakeAffinity,
    }

    impl Waiting {
        fn new() -> Waiting {
            let child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let pid = Pid::from_child(&child);
            let worker = Worker::of(pid, pidfd_open(pid, PidfdFlags::empty()).unwrap()).unwrap();
            Waiting { child, near: WakeAffinity::new(Arc::new(worker), Arc::new(SharedPage::new().unwrap())) }
        }

        fn cpus(&self) -> CpuSet {
            sched_getaffinity(Some(self.near.worker.process())).unwrap()
        }

        fn told(&self) -> AffinityRestore {
            self.near.slots.affinity_restore()
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
    async fn a_worker_that_rests_is_drawn_here_and_told_to_go_back() {
        let mut waiting = Waiting::new();
        let all = waiting.cpus();
        if all.count() < 2 {
            return println!("skipped: there is one CPU only");
        }
        waiting.near.pin_to_current_cpu();
        assert_eq!((waiting.cpus(), waiting.told()), (all, AffinityRestore::None), "it does not rest");
        waiting.near.slots.set_idle(true);
        waiting.near.pin_to_current_cpu();
        assert_eq!((waiting.cpus().count(), waiting.told()), (1, AffinityRestore::Requested));
        let bits = waiting.near.slots.cpus();
        assert!((0..CPUS_BYTES * 8).all(|cpu| (bits[cpu / 8] >> (cpu % 8) & 1 == 1) == all.is_set(cpu)));
        // Where it says that it cannot, it is let back from here, and left alone from then on.
        waiting.near.slots.set_restore_failed();
        waiting.near.pin_to_current_cpu();
        assert_eq!((waiting.cpus(), waiting.told()), (all, AffinityRestore::Failed));
        let one = one_of(&all);
        waiting.near.set_affinity(one);
        waiting.near.pin_to_current_cpu();
        assert_eq!(waiting.cpus(), one, "what was chosen later is its own affair");
    }

    #[tokio::test]
    async fn a_worker_with_no_choice_is_left_alone() {
        let mut waiting = Waiting::new();
        let one = one_of(&waiting.cpus());
        waiting.near.set_affinity(one);
        waiting.near.slots.set_idle(true);
        waiting.near.pin_to_current_cpu();
        assert_eq!((waiting.cpus(), waiting.told()), (one, AffinityRestore::None));
    }

    #[tokio::test]
    async fn a_process_that_has_the_number_of_one_that_ended_is_left_alone() {
        let mut waiting = Waiting::new();
        waiting.near.slots.set_idle(true);
        let all = waiting.cpus();
        let mut ended = Command::new("true").spawn().unwrap();
        let pidfd = pidfd_open(Pid::from_child(&ended), PidfdFlags::empty()).unwrap();
        ended.wait().unwrap();
        waiting.near.worker = Arc::new(Worker::of(waiting.near.worker.process(), pidfd).unwrap());
        waiting.near.pin_to_current_cpu();
        assert_eq!((waiting.cpus(), waiting.told()), (all, AffinityRestore::None));
    }
}
