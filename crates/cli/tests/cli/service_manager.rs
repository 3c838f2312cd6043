//! A server under a service manager, which listens as systemd does.

use std::io::{BufRead as _, BufReader};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::test_home::{TestHome, signal};

fn told(socket: &UnixDatagram) -> String {
    let mut message = [0; 1024];
    let count = socket.recv(&mut message).expect("something is told in time");
    String::from_utf8_lossy(&message[..count]).into_owned()
}

#[test]
fn it_is_told_that_the_server_is_ready_lives_and_stops() {
    let home = TestHome::with_runtime();
    let path = home.directory().join("notify");
    let name = format!("beep-python-test-{}", std::process::id());
    let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
    for (variable, socket) in [
        (path.to_str().unwrap().to_owned(), UnixDatagram::bind(&path).unwrap()),
        (format!("@{name}"), UnixDatagram::bind_addr(&abstract_address).unwrap()),
    ] {
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut command = home.command(&["start", "http", "--port", "0", "--foreground", "--drain", "7s"]);
        command.env("NOTIFY_SOCKET", &variable).env("WATCHDOG_USEC", "4000000").stdout(Stdio::null());
        let mut server = command.stderr(Stdio::null()).spawn().unwrap();
        assert_eq!(told(&socket), "READY=1");
        for _ in 0..2 {
            assert_eq!(told(&socket), "WATCHDOG=1");
        }
        let code = "import os; sorted(os.environ.keys() & {'NOTIFY_SOCKET', 'WATCHDOG_USEC'})";
        assert_eq!(home.success(&["eval", "--session", "default", code]), "[]\n");
        signal(server.id().into(), Signal::TERM);
        let stopping = std::iter::repeat_with(|| told(&socket)).find(|state| state != "WATCHDOG=1");
        assert_eq!(stopping.unwrap(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=17000000");
        assert!(server.wait().unwrap().success());
    }
}

#[test]
fn server_in_the_background_is_not_its_service() {
    let home = TestHome::with_runtime();
    let path = home.directory().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    assert!(
        home.command(&["start", "http", "--port", "0"]).env("NOTIFY_SOCKET", &path).output().unwrap().status.success()
    );
    home.success(&["stop"]);
    assert!(socket.recv(&mut [0; 10]).is_err());
}

#[test]
fn it_finishes_what_is_under_way_when_its_terminal_is_gone_unless_that_is_ignored() {
    for nohup in [false, true] {
        let home = TestHome::with_runtime();
        let path = home.directory().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let ignore = if nohup { "trap '' HUP; " } else { "" };
        let program = env!("CARGO_BIN_EXE_beep-python");
        let script = format!("{ignore}exec {program} start http --port 0 --foreground");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).env("BEEP_PYTHON_HOME", home.root()).env("NOTIFY_SOCKET", &path);
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = shell.spawn().unwrap();
        assert_eq!(told(&socket), "READY=1");
        let code = "import time; print('begun', flush=True); time.sleep(1); 'done'";
        let mut call = home.command(&["eval", "--session", "default", code]).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(call.stdout.take().unwrap()).lines();
        assert_eq!(output.next().unwrap().unwrap(), "begun");
        signal(server.id().into(), Signal::HUP);
        assert_eq!(output.next().unwrap().unwrap(), "done", "it has the time of --drain");
        assert!(call.wait().unwrap().success());
        if nohup {
            assert_eq!(home.success(&["eval", "--session", "default", "1 + 1"]), "2\n");
            signal(server.id().into(), Signal::TERM);
        }
        assert!(server.wait().unwrap().success());
    }
}
