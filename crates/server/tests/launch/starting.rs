//! Starting servers that work, fail, die or hang.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use beep_python_server::launch::{BindError, LaunchError, LaunchPlan, ServerState, log_tail, records, state_of};
use beep_python_server::unix_socket::PipeName;

use super::test_home::{TestHome, kill_and_wait, wait_until};
use crate::port::Port;

fn ask(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"?").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_server_that_is_ready_answers_on_both_loopbacks() {
    let test_home = TestHome::new();
    // What a shell had open, a lock say, must not stay open with the server.
    let open = fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let record = test_home.launch(&test_home.tiny("answers")).unwrap();
    let port = record.endpoints[0].port().unwrap();
    let expected = format!("pid={0} session={0} stdin=/dev/null child-fds=0,1,2,3\n", record.pid);
    assert_eq!(ask(&format!("127.0.0.1:{port}")), expected, "a session of its own, and nothing leaks to its children");
    if TcpListener::bind("[::1]:0").is_ok() {
        assert_eq!(ask(&format!("[::1]:{port}")), expected);
    }
    assert_eq!(record.id.len(), 6);
    assert!(record.id.starts_with(|first| ('a'..='f').contains(&first)), "{} could be a port", record.id);
    assert_eq!(state_of(&record), ServerState::Running);
    assert_eq!(records(&test_home.home).unwrap(), [(record, ServerState::Running)]);
}

#[test]
fn its_output_goes_to_a_log_of_its_own_that_others_cannot_read() {
    let test_home = TestHome::new();
    let plan = test_home.script("echo out; echo err >&2; exec 1>&- 2>&-; echo '{\"ready\":{}}' >&5; exit 3");
    assert!(test_home.launch(&plan).is_err());
    let logs = test_home.files("logs");
    assert_eq!(logs.len(), 1);
    assert_eq!(log_tail(&logs[0], 5), "out\nerr");
    assert_eq!(fs::metadata(&logs[0]).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(test_home.home.root().join("logs")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_record_is_private() {
    let test_home = TestHome::new();
    test_home.launch(&test_home.tiny("answers")).unwrap();
    let records = test_home.files("servers");
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(fs::metadata(&records[0]).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn startup_error_is_reported_cause_by_cause() {
    let test_home = TestHome::new();
    let error = test_home.launch(&test_home.tiny("fails")).unwrap_err();
    assert!(matches!(error, LaunchError::Failed(_)), "{error:?}");
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    assert_eq!(causes, ["the environment cannot be read", "the disk is on fire"]);
    assert!(test_home.files("servers").is_empty());
}

#[test]
fn silent_death_is_reported_with_status_and_log() {
    let test_home = TestHome::new();
    let error = test_home.launch(&test_home.script("echo loading; echo 'it went wrong' >&2; exit 7")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server ended before it was ready (exit status: 7); the last lines of its log:\nloading\nit went wrong"
    );
    let error = test_home.launch(&test_home.script("kill -SEGV $$")).unwrap_err().to_string();
    assert!(error.contains("signal: 11"), "{error}");
}

#[test]
fn a_child_that_keeps_the_pipe_does_not_hide_the_death_of_the_server() {
    let test_home = TestHome::new();
    let error = test_home.launch(&test_home.script("sleep 600 & echo $! ; exit 7")).unwrap_err();
    let LaunchError::Died { status, log_tail } = error else { panic!("{error:?}") };
    assert_eq!(status.code(), Some(7));
    kill_and_wait(log_tail.parse().unwrap());
}

#[test]
fn a_server_that_is_not_ready_in_time_is_killed_and_leaves_nothing() {
    let test_home = TestHome::new();
    // The end of its log, once it had the time to say something there: how long that takes, nobody knows.
    let log_of = |plan: &LaunchPlan, within: Duration| {
        let mut launcher = test_home.launcher();
        launcher.ready_within = within;
        loop {
            let error = launcher.launch(plan).unwrap_err();
            let LaunchError::TimedOut { waited, log_tail } = error else { panic!("{error:?}") };
            assert_eq!(waited, launcher.ready_within);
            assert!(test_home.files("servers").is_empty(), "its record is gone");
            if log_tail.contains("hanging") || waited > Duration::from_secs(60) {
                return log_tail;
            }
            launcher.ready_within = 2 * waited + Duration::from_secs(1);
        }
    };
    let log = log_of(&test_home.tiny("hangs-after-its-record"), Duration::from_secs(1));
    assert!(log.contains("hanging"), "{log}");
    let log = log_of(&test_home.script("echo hanging as $$; exec sleep 600"), Duration::ZERO);
    let pid = log.strip_prefix("hanging as ").expect(&log);
    assert!(!fs::exists(format!("/proc/{pid}")).unwrap(), "its process is gone");
}

#[test]
fn nonsense_on_the_pipe_is_quoted() {
    let test_home = TestHome::new();
    let error = test_home.launch(&test_home.script("echo nonsense >&$BEEP_PYTHON_READY_FD")).unwrap_err();
    let LaunchError::Misunderstood { said, .. } = error else { panic!("{error:?}") };
    assert_eq!(said, "nonsense");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let test_home = TestHome::new();
    let mut launcher = test_home.launcher();
    launcher.program = "/nonexistent/beep-python".into();
    let error = launcher.launch(&LaunchPlan { http: Some(0), ..LaunchPlan::default() }).unwrap_err();
    assert_eq!(error.to_string(), "cannot run /nonexistent/beep-python");
}

#[test]
fn port_in_use_is_reported_before_anything_starts() {
    let test_home = TestHome::new();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let error = test_home.launch(&LaunchPlan { http: Some(port), ..test_home.tiny("answers") }).unwrap_err();
    let LaunchError::Bind(BindError::PortInUse { owner, .. }) = &error else { panic!("{error:?}") };
    assert_eq!(owner.pid, Some(std::process::id()));
    assert!(test_home.files("logs").is_empty());
}

#[test]
fn the_id_and_the_port_can_be_kept() {
    let test_home = TestHome::new();
    let port = Port::new();
    let plan = LaunchPlan { http: Some(port.number), ..test_home.tiny("answers") };
    let first = test_home.launch(&plan).unwrap();
    beep_python_server::launch::stop(&test_home.home, &first, Duration::from_secs(10)).unwrap();
    port.free();
    let again = test_home.launch(&LaunchPlan { id: Some(first.id.clone()), ..plan }).unwrap();
    assert_eq!((&again.id, again.endpoints[0].port()), (&first.id, Some(port.number)));
    assert_ne!(again.pid, first.pid);
}

#[test]
fn a_server_outlives_a_starter_that_is_killed_and_is_found_by_its_record() {
    let test_home = TestHome::new();
    // The starter is a shell here, which is killed while the server is not yet ready.
    let plan = test_home.tiny("answers");
    let directory = plan.directory.clone().unwrap();
    let gate = directory.join("gate");
    let slow = format!("touch begun; while ! [ -e '{}' ]; do sleep 0.01; done\n", gate.display());
    let script = fs::read_to_string(directory.join("serve")).unwrap();
    fs::write(directory.join("serve"), slow + &script).unwrap();

    let mut launcher = test_home.launcher();
    launcher.ready_within = Duration::from_secs(60);
    let program = std::env::current_exe().unwrap();
    let mut starter = std::process::Command::new(program)
        .args(["--exact", "launch::starting::starter_process", "--nocapture"])
        .env("STARTER_HOME", test_home.home.root())
        .env("STARTER_DIRECTORY", &directory)
        .spawn()
        .unwrap();
    wait_until("the server has begun", || directory.join("begun").exists());
    starter.kill().unwrap();
    starter.wait().unwrap();
    assert!(records(&test_home.home).unwrap().is_empty(), "nothing half-made");
    fs::write(gate, "").unwrap();
    wait_until("the server is there", || {
        records(&test_home.home).unwrap().iter().any(|(_, state)| *state == ServerState::Running)
    });
}

/// The process that is killed in the test above; by itself it does nothing.
#[test]
fn starter_process() {
    let (Some(home), Some(directory)) = (std::env::var_os("STARTER_HOME"), std::env::var_os("STARTER_DIRECTORY"))
    else {
        return;
    };
    let home = beep_python_runtime::platform::Home::open(home).unwrap();
    let launcher = beep_python_server::launch::ServerLauncher::new("/bin/sh", &home);
    let _ = launcher.launch(&LaunchPlan { http: Some(0), directory: Some(directory.into()), ..LaunchPlan::default() });
}

#[test]
fn foreground_server_replaces_the_process() {
    let test_home = TestHome::new();
    // On a line of its own, whatever the program that becomes it has said on its last one.
    let plan = test_home.script(
        "echo; echo \"$$ $LISTEN_PID $LISTEN_FDS $LISTEN_FDNAMES ${BEEP_PYTHON_READY_FD-none} $*\"; ls /proc/$$/fd",
    );
    let program = std::env::current_exe().unwrap();
    let child = std::process::Command::new(program)
        .args(["--exact", "launch::starting::foreground_process", "--nocapture"])
        .env("FOREGROUND_HOME", test_home.home.root())
        .env("FOREGROUND_DIRECTORY", plan.directory.unwrap())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let sockets = if TcpListener::bind("[::1]:0").is_ok() { 2 } else { 1 };
    let names = vec!["http"; sockets].join(":");
    let line = output.lines().find(|line| line.starts_with(&format!("{pid} "))).expect(&output);
    assert!(line.starts_with(&format!("{pid} {pid} {sockets} {names} none --id ")), "{line}");
    assert!(line.ends_with(" --venv x"), "{line}");
    assert!(!line.contains("--log"), "{line}");
}

/// The process that becomes a server in the test above; by itself it does nothing.
#[test]
fn foreground_process() {
    let (Some(home), Some(directory)) = (std::env::var_os("FOREGROUND_HOME"), std::env::var_os("FOREGROUND_DIRECTORY"))
    else {
        return;
    };
    let home = beep_python_runtime::platform::Home::open(home).unwrap();
    let launcher = beep_python_server::launch::ServerLauncher::new("/bin/sh", &home);
    let arguments = vec!["--venv".to_owned(), "x".to_owned()];
    let error = launcher.exec_server(&LaunchPlan {
        http: Some(0),
        directory: Some(directory.into()),
        arguments,
        ..LaunchPlan::default()
    });
    panic!("{error:?}");
}

#[test]
fn a_server_gets_all_of_its_sockets() {
    let test_home = TestHome::new();
    let name = PipeName::random().unwrap();
    let plan = LaunchPlan { pipe: Some(name.clone()), rpc: Some(0), ..test_home.tiny("answers") };
    let record = test_home.launch(&plan).unwrap();
    let ports: Vec<_> = record.endpoints.iter().map(|endpoint| endpoint.port().unwrap()).collect();
    let [http, rpc] = ports[..] else { panic!("{record:?}") };
    assert_ne!(http, rpc);
    for port in [http, rpc] {
        assert!(ask(&format!("127.0.0.1:{port}")).starts_with(&format!("pid={} ", record.pid)));
    }
    let socket = test_home.home.root().join(format!("run/{name}.sock"));
    let mut said = String::new();
    std::os::unix::net::UnixStream::connect(&socket).unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "pipe\n");
}

#[test]
fn a_server_that_cannot_start_leaves_no_socket() {
    let test_home = TestHome::new();
    let pipe = Some(PipeName::random().unwrap());
    let error = test_home.launch(&LaunchPlan { http: None, pipe, ..test_home.script("exit 3") }).unwrap_err();
    assert!(matches!(error, LaunchError::Died { .. }), "{error:?}");
    assert!(test_home.files("run").is_empty());
    let nothing = test_home.launch(&LaunchPlan { http: None, ..test_home.tiny("answers") }).unwrap_err();
    assert!(matches!(nothing, LaunchError::NoBackend));
}
