//! Limits that the kernel holds a worker to.

use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::worker::resource_usage::field;

/// Lets the worker, and what it starts from now on, map so many bytes to write to; then allocations fail.
pub(crate) fn limit_data(worker: i32, bytes: u64) {
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    if let Err(error) = prlimit(Pid::from_raw(worker), Resource::Data, limit) {
        tracing::warn!("worker process {worker} has no limit to its memory: {error}");
    }
}

/// Lets the worker, and what it starts from now on, have so many descriptors open; then opening fails.
pub(crate) fn limit_open_files(worker: i32, most: u64) {
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
pub(crate) fn limit_tasks(worker: i32, more: u64) {
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
