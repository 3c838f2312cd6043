//! How much memory is a session's own.
//!
//! Of the pages that its processes map, those count that would be free if it ended: anonymous pages that it made or wrote, each
//! once, whichever of its processes share it, and shared memory. Not the pages that the zygote made, nor those of mapped files.
//!
//! The kernel tells a process's *share* of its anonymous pages (a page that `n` processes map counts `1/n` for each), and what
//! it alone maps. The session's processes share its own pages among themselves, so that their shares of these add up to the
//! pages. Its share of the zygote's pages is what the zygote itself has of pages that others map too, for all of them map the same
//! ones. So the own memory is the sum of `max(private, share − the zygote's share)`; of a worker without children, what is
//! private. (Where processes have written pages of a preload and then share them with their own children while other sessions run,
//! that is too little: never too much.) If the zygote is gone, what it had at the first look is subtracted once.
//!
//! To read this takes the kernel 8 ms for 1 GB, so it is read only where a limit may be passed, and for at most a hundredth of the
//! time. What may have been added since then tells whether that is so: more resident pages, and page faults, with which a
//! process makes a page of the zygote its own.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rustix::param::page_size;
use rustix::time::{ClockId, clock_gettime};

use crate::worker::proc_stat::ProcStat;
use crate::worker::process_memory::{Inode, Mapped, Resident, Segment, open_segments};

/// How much of the time may go by with measuring: one part in so many.
const TIME_PARTS: u32 = 100;

/// Measures the memory of one session.
#[derive(Debug)]
pub(super) struct MemoryMeter {
    zygote: Option<Inherited>,
    last: Option<Measured>,
    /// Not before this time does it measure again.
    next_at: Instant,
}

/// What the zygote had when it was first looked at.
#[derive(Debug)]
struct Inherited {
    stat: ProcStat,
    anonymous: u64,
    /// Its shared memory, which is no session's.
    segments: HashSet<Inode>,
}

/// The last measurement, and the quick figures of that time.
#[derive(Debug)]
struct Measured {
    bytes: u64,
    quick: HashMap<i32, Quick>,
    open: u64,
}

/// The quick figures of a process.
#[derive(Clone, Copy, Debug)]
struct Quick {
    started: u64,
    faults: u64,
    resident: Resident,
}

/// A look at the living processes of a session.
pub(super) struct Look {
    processes: Vec<ProcStat>,
    quick: HashMap<i32, Quick>,
    /// Shared memory that is open as files, by its size; without the zygote's.
    open: HashMap<Inode, u64>,
}

impl MemoryMeter {
    pub(super) fn new(zygote: i32) -> MemoryMeter {
        MemoryMeter { zygote: Inherited::of(zygote), last: None, next_at: Instant::now() }
    }

    /// The quick figures. A process that is about to call exec has its parent's address space (vfork), and does not count.
    pub(super) fn look(&self, members: &[ProcStat]) -> Look {
        let mut look = Look { processes: Vec::new(), quick: HashMap::new(), open: HashMap::new() };
        for stat in members.iter().filter(|stat| !stat.is_zombie()) {
            // One that ends has given up its memory already.
            let Some(resident) = Resident::read(stat.pid).filter(|resident| resident.anonymous > 0) else { continue };
            look.quick.insert(stat.pid, Quick { started: stat.started, faults: stat.faults, resident });
            look.processes.push(stat.clone());
        }
        let has_its_parents_space = |stat: &ProcStat| {
            let resident = |pid| look.quick.get(&pid).map(|quick| quick.resident);
            resident(stat.parent).is_some() && resident(stat.parent) == resident(stat.pid)
        };
        let (copies, processes): (Vec<_>, Vec<_>) = look.processes.into_iter().partition(has_its_parents_space);
        look.quick.retain(|pid, _| !copies.iter().any(|copy| copy.pid == *pid));
        look.processes = processes;
        look.open = look.processes.iter().flat_map(|stat| open_segments(stat.pid)).collect();
        if let Some(zygote) = &self.zygote {
            look.open.retain(|inode, _| !zygote.segments.contains(inode));
        }
        look
    }

    /// No less than its own memory.
    pub(super) fn at_most(&self, look: &Look) -> u64 {
        let Some(last) = &self.last else {
            return look.quick.values().map(|quick| quick.resident.anonymous + quick.resident.shared).sum::<u64>()
                + look.opened();
        };
        let added = look.quick.iter().map(|(pid, now)| now.added_since(last.quick.get(pid)));
        last.bytes + added.sum::<u64>() + look.opened().saturating_sub(last.open)
    }

    /// Its own memory as far as the quick figures tell.
    pub(super) fn about(&self, look: &Look) -> u64 {
        let Some(last) = &self.last else { return self.at_least(look) };
        let now: u64 = look.quick.values().map(Quick::resident_bytes).sum();
        // What is known of one that is gone is no measure of what went with it.
        let before: u64 = last
            .quick
            .iter()
            .filter(|(pid, _)| look.quick.contains_key(pid))
            .map(|(_, quick)| quick.resident_bytes())
            .sum();
        (last.bytes + now + look.opened()).saturating_sub(before + last.open)
    }

    /// No more than its own memory: what one process has beyond all that the zygote gave it.
    pub(super) fn at_least(&self, look: &Look) -> u64 {
        let own = |stat: &ProcStat| {
            let given = self.zygote.as_ref().filter(|zygote| zygote.made(stat)).map_or(0, |zygote| zygote.anonymous);
            look.quick.get(&stat.pid).map_or(0, |quick| quick.resident.anonymous.saturating_sub(given))
        };
        look.processes.iter().map(own).max().unwrap_or(0)
    }

    /// Whether it may take the time to measure.
    pub(super) fn may_measure(&self) -> bool {
        Instant::now() >= self.next_at
    }

    /// Its own memory; no more than that, where `members_now` says that some began or ended meanwhile, with which pages were shared.
    pub(super) fn measure(&mut self, look: &Look, members_now: impl FnOnce() -> Vec<ProcStat>) -> u64 {
        let began = processor_time();
        let (forked, others): (Vec<_>, Vec<_>) =
            look.processes.iter().partition(|stat| self.zygote.as_ref().is_some_and(|zygote| zygote.made(stat)));
        let zygote_share = || match (&self.zygote, forked.len()) {
            (Some(zygote), 0 | 1) => zygote.is_there().then_some(0),
            (Some(zygote), _) => zygote.shared_share(),
            (None, _) => None,
        };
        // Before and after, since sessions come and go meanwhile.
        let before = zygote_share();
        let read = |stat: &&ProcStat| Mapped::read(stat.pid).unwrap_or_else(|| unreadable(stat.pid));
        let others: Vec<Mapped> = others.iter().map(read).collect();
        let of_forked: Vec<Mapped> = forked.iter().map(read).collect();
        let own_of_forked = match (before, zygote_share()) {
            (Some(before), Some(after)) => own_of_forked(&of_forked, before.max(after)),
            _ => {
                let given = self.zygote.as_ref().map_or(0, |zygote| zygote.anonymous);
                of_forked.iter().map(|mapped| mapped.anonymous_share).sum::<u64>().saturating_sub(given)
            }
        };
        let own_of_others: u64 = others.iter().map(|mapped| mapped.anonymous_share).sum();
        let bytes = own_of_forked + own_of_others + self.shared_memory(look, of_forked.iter().chain(&others));
        if look.has_sharers_as_now(&self.look(&members_now())) {
            self.last = Some(Measured { bytes, quick: look.quick.clone(), open: look.opened() });
        }
        self.next_at = Instant::now() + processor_time().saturating_sub(began) * (TIME_PARTS - 1);
        bytes
    }

    /// Each segment once: what the processes have of its pages, and what none of them maps.
    fn shared_memory<'a>(&self, look: &Look, mapped: impl Iterator<Item = &'a Mapped>) -> u64 {
        let mut segments: HashMap<Inode, Segment> = HashMap::new();
        for (&inode, found) in mapped.flat_map(|mapped| &mapped.segments) {
            let segment = segments.entry(inode).or_default();
            segment.share += found.share;
            segment.resident = segment.resident.max(found.resident);
        }
        let is_own = |inode: &Inode| !self.zygote.as_ref().is_some_and(|zygote| zygote.segments.contains(inode));
        let shares = segments.iter().filter(|(inode, _)| is_own(inode)).map(|(_, segment)| segment.share);
        let resident = |inode| segments.get(inode).map_or(0, |segment| segment.resident);
        let unmapped = look.open.iter().map(|(inode, size)| size.saturating_sub(resident(inode)));
        shares.sum::<u64>() + unmapped.sum::<u64>()
    }
}

/// The processor time that this thread has used.
fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or(0))
}

/// Of processes that have the zygote's pages too, of which each has this share.
fn own_of_forked(forked: &[Mapped], zygote_share: u64) -> u64 {
    match forked {
        [alone] => alone.anonymous_private,
        _ => forked.iter().map(|one| one.anonymous_private.max(one.anonymous_share.saturating_sub(zygote_share))).sum(),
    }
}

/// What is taken for the figures of a process that has ended, or that this user may not look into.
fn unreadable(pid: i32) -> Mapped {
    let anonymous = Resident::read(pid).map_or(0, |resident| resident.anonymous);
    Mapped { anonymous_share: anonymous, anonymous_private: anonymous, ..Mapped::default() }
}

impl Look {
    /// Whether there are the same processes now, but for those that share no pages since they have called exec.
    fn has_sharers_as_now(&self, now: &Look) -> bool {
        let all = || self.processes.iter().chain(&now.processes);
        let is_in = |look: &Look, stat: &ProcStat| {
            look.processes.iter().any(|other| (other.pid, other.started) == (stat.pid, stat.started))
        };
        let shares = |stat: &ProcStat| all().any(|other| other.pid != stat.pid && other.stack == stat.stack);
        all().all(|stat| (is_in(self, stat) && is_in(now, stat)) || !shares(stat))
    }

    fn opened(&self) -> u64 {
        self.open.values().sum()
    }
}

impl Quick {
    fn resident_bytes(&self) -> u64 {
        self.resident.anonymous + self.resident.shared
    }

    fn added_since(&self, before: Option<&Quick>) -> u64 {
        let now = &self.resident;
        let Some(before) = before.filter(|before| before.started == self.started) else {
            return self.resident_bytes();
        };
        let faults = self.faults.saturating_sub(before.faults) * page_size() as u64;
        let grown = now.anonymous.saturating_sub(before.resident.anonymous);
        grown + now.shared.saturating_sub(before.resident.shared) + faults
    }
}

impl Inherited {
    fn of(zygote: i32) -> Option<Inherited> {
        let stat = ProcStat::read(zygote)?;
        let anonymous = Resident::read(zygote)?.anonymous;
        let mapped = Mapped::read(zygote).unwrap_or_default();
        let segments = open_segments(zygote).into_keys().chain(mapped.segments.into_keys()).collect();
        Some(Inherited { stat, anonymous, segments })
    }

    /// Whether the process was forked from the zygote, or from one that was, and is the same program still: its stack tells, whose
    /// place the kernel chooses anew for each program.
    fn made(&self, other: &ProcStat) -> bool {
        self.stat.stack == other.stack && other.stack != 0
    }

    /// Whether it has its memory still: a process that ends gives that up first.
    fn is_there(&self) -> bool {
        ProcStat::read(self.stat.pid).is_some_and(|now| now.started == self.stat.started)
            && Resident::read(self.stat.pid).is_some_and(|resident| resident.anonymous > 0)
    }

    /// Its share of anonymous pages that others have too; `None` if it is gone.
    fn shared_share(&self) -> Option<u64> {
        if !self.is_there() {
            return None;
        }
        Some(Mapped::read(self.stat.pid)?.shared_share())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(private: u64, share: u64) -> Mapped {
        Mapped { anonymous_private: private, anonymous_share: share, ..Mapped::default() }
    }

    #[test]
    fn pages_of_the_zygote_are_no_sessions() {
        // 400 of the zygote's, one session, which has 5.
        assert_eq!(own_of_forked(&[mapped(5, 205)], 200), 5);
        // A pool of three beside the worker, which share 60 of the session's: each has 15 of that, and 80 of the zygote's.
        let pool = [mapped(1, 96), mapped(2, 97), mapped(2, 97), mapped(2, 97)];
        assert_eq!(own_of_forked(&pool, 80), 60 + 7);
        // All of the zygote's pages written: they are the session's now.
        assert_eq!(own_of_forked(&[mapped(400, 400)], 0), 400);
        assert_eq!(own_of_forked(&[mapped(400, 400), mapped(3, 203)], 200), 403);
    }

    #[test]
    fn what_may_have_been_added_is_never_less_than_what_was() {
        let quick = |started, faults, anonymous| Quick {
            started,
            faults,
            resident: Resident { anonymous, ..Resident::default() },
        };
        let before = quick(1, 10, 100 << 20);
        assert_eq!(quick(1, 10, 100 << 20).added_since(Some(&before)), 0);
        assert_eq!(quick(1, 10, 150 << 20).added_since(Some(&before)), 50 << 20, "new pages");
        assert_eq!(quick(1, 12, 90 << 20).added_since(Some(&before)), 2 * page_size() as u64, "pages that were copied");
        assert_eq!(quick(2, 0, 30 << 20).added_since(Some(&before)), 30 << 20, "another process");
        assert_eq!(quick(1, 0, 30 << 20).added_since(None), 30 << 20);
    }
}
