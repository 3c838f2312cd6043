//! Stopping servers that end when asked, that do not, and that are gone.

use std::time::Duration;

use beep_python_server::launch::{ServerState, Stopped, records, state_of, stop, write_record};

use super::test_home::{TestHome, kill_and_wait, wait_until};

#[test]
fn a_server_that_is_asked_to_stop_ends_by_itself() {
    let test_home = TestHome::new();
    let record = test_home.launch(&test_home.tiny("answers")).unwrap();
    assert_eq!(stop(&test_home.home, &record, Duration::from_secs(60)).unwrap(), Stopped::Drained);
    assert!(records(&test_home.home).unwrap().is_empty());
    assert!(!state_of(&record).is_alive());
    assert_eq!(stop(&test_home.home, &record, Duration::from_secs(60)).unwrap(), Stopped::AlreadyGone);
}

#[test]
fn a_server_that_does_not_end_is_killed() {
    let test_home = TestHome::new();
    let record = test_home.launch(&test_home.tiny("never-stops")).unwrap();
    let stopping = std::thread::scope(|scope| {
        let stopping = scope.spawn(|| stop(&test_home.home, &record, Duration::from_secs(5)));
        wait_until("it says that it is stopping", || {
            records(&test_home.home).unwrap().iter().any(|(_, state)| *state == ServerState::Stopping)
        });
        stopping.join().unwrap()
    });
    assert_eq!(stopping.unwrap(), Stopped::Killed);
    assert!(records(&test_home.home).unwrap().is_empty());
    assert!(!state_of(&record).is_alive());
}

#[test]
fn a_server_that_was_killed_leaves_a_record_that_says_so() {
    let test_home = TestHome::new();
    let record = test_home.launch(&test_home.tiny("answers")).unwrap();
    kill_and_wait(record.pid);
    assert_eq!(records(&test_home.home).unwrap(), [(record.clone(), ServerState::Ended)]);
    assert_eq!(stop(&test_home.home, &record, Duration::from_secs(60)).unwrap(), Stopped::AlreadyGone);
    assert!(records(&test_home.home).unwrap().is_empty());
}

#[test]
fn a_process_that_merely_has_the_pid_is_left_alone() {
    let test_home = TestHome::new();
    let record = test_home.launch(&test_home.tiny("answers")).unwrap();
    let mut reused = record.clone();
    reused.start_time += 1;
    let mut rebooted = record.clone();
    rebooted.place.boot_id = Some("00000000-0000-0000-0000-000000000000".into());
    // A machine without an id could be any.
    let later = if record.place.machine_id.is_some() { ServerState::Rebooted } else { ServerState::Elsewhere };
    for (stale, state) in [(reused, ServerState::PidReused), (rebooted, later)] {
        write_record(&test_home.home, &stale).unwrap();
        assert_eq!(records(&test_home.home).unwrap(), [(stale.clone(), state)]);
        if state == ServerState::Elsewhere {
            continue;
        }
        assert_eq!(stop(&test_home.home, &stale, Duration::ZERO).unwrap(), Stopped::AlreadyGone);
        assert!(records(&test_home.home).unwrap().is_empty());
        assert_eq!(state_of(&record), ServerState::Running, "{state:?}");
    }
    write_record(&test_home.home, &record).unwrap();
}

#[test]
fn impossible_pid_is_no_process() {
    let test_home = TestHome::new();
    let mut record = test_home.launch(&test_home.tiny("answers")).unwrap();
    stop(&test_home.home, &record, Duration::from_secs(60)).unwrap();
    for pid in [0, u32::MAX, i32::MAX as u32] {
        record.pid = pid;
        assert_eq!(stop(&test_home.home, &record, Duration::ZERO).unwrap(), Stopped::AlreadyGone);
    }
}
