//! Identifying a process: pids are reused, and start over when the machine does.

use std::fs;
use std::io;

/// The line of `/proc/PID/stat`, if there is such a process.
pub(super) fn stat_of(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

/// The name of this run of the machine.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
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
