//! A server under a service manager, which listens as systemd does.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Stdio;
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
