//! Whether a process is in the user namespace of this one: in another one, as sandboxes have it, any process
//! may have become this user.

use std::fs;

/// Whether the process that connected to a Unix socket is in the user namespace of this one; `None` of a process that has no number
/// here, in an outer namespace of processes or in one beside this. One that is gone or hides is not.
pub fn is_in_own_user_namespace(pid: Option<i32>) -> Option<bool> {
    let Ok(own) = fs::read_link("/proc/self/ns/user") else { return Some(true) }; // a kernel without such namespaces
    let pid = pid.filter(|pid| *pid > 0)?;
    Some(fs::read_link(format!("/proc/{pid}/ns/user")).is_ok_and(|theirs| theirs == own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_and_one_that_is_gone_is_not() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(is_in_own_user_namespace(Some(own)), Some(true));
        assert_eq!(is_in_own_user_namespace(Some(i32::MAX)), Some(false));
    }

    #[test]
    fn of_a_process_that_has_no_number_here_nothing_is_known() {
        assert_eq!((is_in_own_user_namespace(Some(0)), is_in_own_user_namespace(None)), (None, None));
    }
}
