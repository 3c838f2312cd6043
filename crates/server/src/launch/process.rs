//! Identifying a process: pids are reused, start over when the machine does, and mean other processes in other namespaces.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;

use beep_python_protocol::Place;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The line of `/proc/PID/stat`, if there is such a process.
pub(super) fn stat_of(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{}/stat", shown_as(pid)?)).ok()
}

/// The number under which `/proc` shows the process `pid`: another one where it is of another namespace, as in a sandbox that has
/// ids of its own and the `/proc` of its host.
fn shown_as(pid: u32) -> Option<u32> {
    if fs::read_link("/proc/self").is_ok_and(|own| own == Path::new(&std::process::id().to_string())) {
        return Some(pid);
    }
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw)?;
    let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", process.as_raw_fd())).ok()?;
    about.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
}

/// Where this process runs.
pub(super) fn here() -> Place {
    Place::here(|path| fs::read_to_string(path).ok(), |path| fs::read_link(path).ok())
}

/// The command line of a process, blanks between its words, cut where it gets long.
pub(super) fn command_line(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = bytes.split(|&byte| byte == 0).filter(|word| !word.is_empty()).collect();
    let line = String::from_utf8_lossy(&words.join(&b' ')).into_owned();
    let cut: String = line.chars().take(120).collect();
    match (line.is_empty(), cut.len() < line.len()) {
        (true, _) => None,
        (false, true) => Some(format!("{cut}…")),
        (false, false) => Some(line),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn start_time(pid: u32) -> Option<u64> {
        beep_python_protocol::start_time(&stat_of(pid)?)
    }

    #[test]
    fn an_own_process_has_a_start_time_that_stays() {
        let own = start_time(std::process::id());
        assert!(own.is_some());
        assert_eq!(own, start_time(std::process::id()));
    }

    #[test]
    fn a_process_that_ended_has_none_though_nobody_waited_for_it() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        assert!(start_time(child.id()) >= start_time(std::process::id()));
        child.kill().unwrap();
        let pidfd = rustix::process::Pid::from_child(&child);
        rustix::process::waitid(
            rustix::process::WaitId::Pid(pidfd),
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        )
        .unwrap();
        assert_eq!(start_time(child.id()), None, "a zombie");
        child.wait().unwrap();
        assert_eq!(start_time(child.id()), None);
    }

    #[test]
    fn a_name_with_brackets_and_blanks_is_read_past() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a) R 1 (b");
        std::os::unix::fs::symlink("/bin/sleep", &odd).unwrap();
        let mut child = Command::new(&odd).arg("600").spawn().unwrap();
        let (time, own) = (start_time(child.id()), start_time(std::process::id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(time >= own && time.is_some());
    }
}
