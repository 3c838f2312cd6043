//! Resource limits that the kernel enforces on a worker.

use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::worker::proc_stat::ProcStat;
use crate::worker::process_memory::Resident;

/// Limits the writable memory of the worker to so much more than it has, and of each process that it starts from now on; then
/// allocations fail.
pub(crate) fn limit_data(worker: i32, more: u64) {
    let bytes = Resident::read(worker).map_or(0, |resident| resident.data).saturating_add(more);
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    if let Err(error) = prlimit(Pid::from_raw(worker), Resource::Data, limit) {
        tracing::warn!("cannot limit the memory of worker process {worker}: {error}");
    }
}

/// Limits the open descriptors of the worker, and of each process that it starts from now on; then opening fails.
pub(crate) fn limit_open_files(worker: i32, max: u64) {
    // The maximum of this process also bounds its children.
    let max = getrlimit(Resource::Nofile).maximum.map_or(max, |maximum| maximum.min(max));
    let limit = Rlimit { current: Some(max), maximum: Some(max) };
    if let Err(error) = prlimit(Pid::from_raw(worker), Resource::Nofile, limit) {
        tracing::warn!("cannot limit the open files of worker process {worker}: {error}");
    }
}

/// Forbids the worker to fork or start a thread once this user has `more` threads than now. A backstop for code that forks
/// faster than polling can see; the kernel also counts the user's other processes, hence the room, and does not limit
/// root. Reads all of `/proc`: not for an async thread.
pub(crate) fn limit_tasks(worker: i32, more: u64) {
    let max = tasks_of(rustix::process::getuid().as_raw()) + more;
    let max = getrlimit(Resource::Nproc).maximum.map_or(max, |maximum| maximum.min(max));
    let limit = Rlimit { current: Some(max), maximum: Some(max) };
    if let Err(error) = prlimit(Pid::from_raw(worker), Resource::Nproc, limit) {
        tracing::warn!("cannot limit the processes of worker process {worker}, which are only polled now: {error}");
    }
}

/// The number of threads of all processes of a user.
fn tasks_of(user: u32) -> u64 {
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let of_user = |entry: &std::fs::DirEntry| entry.metadata().is_ok_and(|metadata| metadata.uid() == user);
    let threads = |entry: std::fs::DirEntry| Some(ProcStat::read(entry.file_name().to_str()?.parse().ok()?)?.threads);
    entries.flatten().filter(of_user).filter_map(threads).sum()
}
