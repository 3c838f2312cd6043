//! Whether a process is in the user namespace of this one: in another one, as sandboxes have it, anybody may have become this user.

use std::fs;

/// Whether the process that connected to a Unix socket is in the user namespace of this one. A process that has no number here is: it is
/// in an outer place, or in one that was given the socket. Of one that is gone or hides, it is not known, so that it is not.
pub fn is_in_own_user_namespace(pid: Option<i32>) -> bool {
    let Some(pid) = pid.filter(|pid| *pid > 0) else { return true };
    match fs::read_link("/proc/self/ns/user") {
        Ok(own) => fs::read_link(format!("/proc/{pid}/ns/user")).is_ok_and(|theirs| theirs == own),
        Err(_) => true, // a kernel without such namespaces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_is_and_one_that_is_gone_is_not() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(
            is_in_own_user_namespace(Some(own)) && is_in_own_user_namespace(Some(0)) && is_in_own_user_namespace(None)
        );
        assert!(!is_in_own_user_namespace(Some(i32::MAX)));
    }
}
