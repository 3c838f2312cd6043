//! `/proc/PID/stat`, see proc(5).

/// A numeric field, from 4 on; counted from the end of field 2, the name, which may contain anything.
pub(super) fn field(stat: &str, number: usize) -> Option<u64> {
    stat[stat.rfind(')')? + 1..].split_ascii_whitespace().nth(number - 3)?.parse().ok()
}
