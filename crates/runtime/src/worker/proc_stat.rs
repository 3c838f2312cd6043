//! `/proc/PID/stat`, see proc(5).

/// What is known of a process from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProcStat {
    pub(super) pid: i32,
    state: char,
    pub(super) parent: i32,
    /// The process group that it is in.
    pub(super) group: i32,
    /// The process session that it is in.
    pub(super) session: i32,
    /// User and system time, its own and that of its ended children, in ticks.
    pub(super) ticks: u64,
    pub(super) threads: u64,
    /// When it started, in ticks since boot.
    pub(super) started: u64,
    /// Page faults without I/O.
    pub(super) faults: u64,
    /// Where its stack begins; 0 where this user may not know.
    pub(super) stack: u64,
}

impl ProcStat {
    /// That of this process, if it exists.
    pub(super) fn read(pid: i32) -> Option<ProcStat> {
        ProcStat::parse(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: i32, stat: &str) -> Option<ProcStat> {
        // Counted from the end of field 2, the name, which may contain anything.
        let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let numbers: Vec<u64> = fields.take(25).map(|field| field.parse::<i64>().unwrap_or(0) as u64).collect();
        let field = |number: usize| numbers.get(number - 4).copied();
        let id = |number| field(number)?.try_into().ok();
        Some(ProcStat {
            pid,
            state,
            parent: id(4)?,
            group: id(5)?,
            session: id(6)?,
            ticks: field(14)? + field(15)? + field(16)? + field(17)?,
            threads: field(20)?,
            started: field(22)?,
            faults: field(10)?,
            stack: field(28).unwrap_or(0),
        })
    }

    /// Whether it is stopped, by a signal or a debugger.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Whether it has ended, and only its parent has not looked yet.
    pub(super) fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// The process id that was given last; 0 where the kernel does not tell.
pub(super) fn last_pid() -> i32 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_ascii_whitespace().last().and_then(|last| last.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_from_the_end_of_the_name() {
        let stat =
            "71 (a ) b) S 1 70 69 0 -1 4194560 100 200 0 0 7 3 2 1 20 0 5 0 500 9000 321 18446744073709551615 4 5 77";
        let parsed = ProcStat::parse(71, stat).expect("a process");
        assert_eq!((parsed.parent, parsed.group, parsed.session, parsed.ticks), (1, 70, 69, 13));
        assert_eq!((parsed.threads, parsed.started, parsed.is_zombie()), (5, 500, false));
        assert_eq!((parsed.faults, parsed.stack), (100, 77));
        assert_eq!(ProcStat::parse(71, ""), None);
        assert!(ProcStat::parse(71, &stat.replace(") S", ") Z")).is_some_and(|stat| stat.is_zombie()));
    }
}
