//! Real connections, real users, and clients that vanish.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use beep_python_server::auth::{Peer, PeerUid, peer_uid};

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn addresses(accepted: &TcpStream) -> (SocketAddr, SocketAddr) {
    (accepted.local_addr().unwrap(), accepted.peer_addr().unwrap())
}

/// A connection at `listen`, from a client at the same family.
fn connection(listen: &str, connect: &str) -> Option<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind(listen).ok()?;
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(format!("{connect}:{port}")).unwrap();
    Some((client, listener.accept().unwrap().0))
}

#[test]
fn own_connection_has_the_own_user_over_every_family() {
    let families = [
        ("127.0.0.1:0", "127.0.0.1"),
        ("0.0.0.0:0", "127.0.0.3"),
        ("[::1]:0", "[::1]"),
        ("[::]:0", "127.0.0.1"),               // a mapped address
        ("127.0.0.1:0", "[::ffff:127.0.0.1]"), // a client's socket for both families, as gRPC's C library makes it
        ("[::]:0", "[::ffff:127.0.0.1]"),
        ("[::]:0", "[::1]"),
    ];
    for (listen, connect) in families {
        if (listen.starts_with('[') || connect.starts_with('[')) && TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err()
        {
            eprintln!("skipped {listen}: no IPv6 here");
            continue;
        }
        let (_client, accepted) = connection(listen, connect).unwrap();
        let (local, remote) = addresses(&accepted);
        assert_eq!(peer_uid(local, remote), PeerUid::Known(own_uid()), "{listen} from {connect}");
        assert_eq!(Peer::of(local, remote), Peer::SameUser);
    }
}

/// While this is held no process is started here. One that is being started has a copy of every descriptor for a moment, so
/// that a client is not gone when its socket is closed.
fn no_process_starts() -> MutexGuard<'static, ()> {
    static STARTING: Mutex<()> = Mutex::new(());
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn client_that_closed_before_the_lookup_is_unknown() {
    let _alone = no_process_starts();
    let (client, accepted) = connection("127.0.0.1:0", "127.0.0.1").unwrap();
    let (local, remote) = addresses(&accepted);
    drop(client);
    // What a closed socket shows is user 0, which is the very user that runs these tests in a container.
    assert_eq!(peer_uid(local, remote), PeerUid::Unknown);
    assert_eq!(Peer::of(local, remote), Peer::UnknownOnLoopback);
    drop(accepted);
    assert_eq!(peer_uid(local, remote), PeerUid::Unknown);
}

#[test]
fn client_that_only_stopped_sending_is_known() {
    let (client, accepted) = connection("127.0.0.1:0", "127.0.0.1").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let (local, remote) = addresses(&accepted);
    assert_eq!(peer_uid(local, remote), PeerUid::Known(own_uid()));
}

#[test]
fn listener_at_the_port_of_a_gone_client_is_not_that_client() {
    let _alone = no_process_starts();
    let (client, accepted) = connection("127.0.0.1:0", "127.0.0.1").unwrap();
    let (local, remote) = addresses(&accepted);
    drop((client, accepted));
    // A question for a connection that is not there finds a listener of that port: ours, with our user.
    let Ok(listener) = TcpListener::bind(remote) else { return };
    assert_eq!(peer_uid(local, remote), PeerUid::Unknown);
    drop(listener);
}

#[test]
fn connection_that_never_was_is_unknown() {
    let address = |text: &str| text.parse().unwrap();
    assert_eq!(peer_uid(address("127.0.0.1:1"), address("127.0.0.1:2")), PeerUid::Unknown);
    assert_eq!(peer_uid(address("[::1]:1"), address("127.0.0.1:2")), PeerUid::Unknown);
    assert_eq!(peer_uid(address("192.0.2.1:1"), address("192.0.2.2:2")), PeerUid::Unknown);
}

#[test]
fn every_thread_has_its_own_lookup() {
    let (_client, accepted) = connection("127.0.0.1:0", "127.0.0.1").unwrap();
    let (local, remote) = addresses(&accepted);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                for _ in 0..200 {
                    assert_eq!(peer_uid(local, remote), PeerUid::Known(own_uid()));
                }
            });
        }
    });
}

const NO_CALL: u32 = 65534;

/// A client of another user: connects to `port`, sends a request, then closes at once or when its stdin closes.
struct Stranger(Child);

impl Stranger {
    fn connect(port: u16, close_at_once: bool) -> Option<Stranger> {
        if own_uid() != 0 {
            eprintln!("skipped: only root can run a client as another user");
            return None;
        }
        let wait = if close_at_once { "" } else { "read -r line" };
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET / HTTP/1.1\\r\\n\\r\\n' >&3; {wait}\n exec 3>&-; echo closed"
        );
        let mut command = Command::new("bash");
        command.args(["-c", &script]).uid(NO_CALL).gid(NO_CALL).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let _alone = no_process_starts(); // until this one runs its program
        Some(Stranger(command.spawn().unwrap()))
    }

    fn wait_until_closed(mut self) {
        drop(self.0.stdin.take());
        let mut line = String::new();
        BufReader::new(self.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "closed\n");
        assert!(self.0.wait().unwrap().success());
    }
}

#[test]
fn another_user_is_distinguished() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let Some(stranger) = Stranger::connect(listener.local_addr().unwrap().port(), false) else { return };
    let (accepted, _) = listener.accept().unwrap();
    let (local, remote) = addresses(&accepted);
    assert_eq!(peer_uid(local, remote), PeerUid::Known(NO_CALL));
    assert_eq!(Peer::of(local, remote), Peer::OtherUser(NO_CALL));
    stranger.wait_until_closed();
    assert_eq!(peer_uid(local, remote), PeerUid::Unknown, "and once it is gone it is nobody");
}

#[test]
fn another_user_that_sent_and_closed_before_we_accept_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let Some(stranger) = Stranger::connect(listener.local_addr().unwrap().port(), true) else { return };
    stranger.wait_until_closed();
    std::thread::sleep(Duration::from_millis(200));
    let (mut accepted, _) = listener.accept().unwrap();
    let mut request = [0; 16];
    accepted.read_exact(&mut request).unwrap();
    assert_eq!(&request, b"GET / HTTP/1.1\r\n", "the request is there to be served");
    let (local, remote) = addresses(&accepted);
    assert_eq!(peer_uid(local, remote), PeerUid::Unknown);
    assert_eq!(Peer::of(local, remote), Peer::UnknownOnLoopback);
    accepted.write_all(b"x").ok();
}
