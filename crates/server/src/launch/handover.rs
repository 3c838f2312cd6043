//! The listening sockets of a server go to its successor, so that no connection is refused between the two.
//!
//! Who restarts a server listens at a socket in the home before it tells the server to stop. The server finds that there, and sends its
//! listening sockets over it before it stops to accept. What connects from then on waits in them. A server that is dead, or was killed
//! before it could, sends nothing.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use beep_python_memory::{receive, send};
use beep_python_runtime::platform::Home;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;

use crate::launch::named_sockets::{HTTP, NamedSockets, PIPE, RPC};

/// The line behind the last socket.
const END: &str = "end";
/// How long a socket's path may be; the home may lie deep.
const MAX_PATH: usize = 107;

/// Waits for the sockets of one server. Dropping it removes its file.
#[derive(Debug)]
pub struct Successor {
    listener: UnixListener,
    path: PathBuf,
}

impl Successor {
    /// Of the server `id` of this home.
    pub fn of(home: &Home, id: &str) -> io::Result<Successor> {
        let path = path_of(home, id)?;
        let _ = fs::remove_file(&path); // of a restart that was killed
        let listener = UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        Ok(Successor { listener, path })
    }

    /// What a server has sent that has ended by now; `None` where it has not sent all of its sockets.
    pub fn take(self) -> Option<NamedSockets> {
        let (stream, _) = self.listener.accept().ok()?;
        is_own(&stream).then(|| receive_all(&stream))?
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Sends these sockets to the successor of the server `id`; whether there is one, and it has them.
pub(crate) fn hand_over(home: &Home, id: &str, sockets: &[(&'static str, OwnedFd)]) -> bool {
    let handed = || {
        let stream = UnixStream::connect(path_of(home, id)?)?;
        if !is_own(&stream) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        for (name, socket) in sockets {
            send(&stream, format!("{name}\n").as_bytes(), &[socket.as_fd()])?;
        }
        send(&stream, format!("{END}\n").as_bytes(), &[]).map(drop)
    };
    match handed() {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => {
            tracing::warn!("the listening sockets cannot be handed over: {error}");
            false
        }
    }
}

fn path_of(home: &Home, id: &str) -> io::Result<PathBuf> {
    let path = home.run().map_err(io::Error::other)?.join(format!("{id}.successor"));
    match path.as_os_str().len() <= MAX_PATH {
        true => Ok(path),
        false => Err(io::Error::new(io::ErrorKind::NotFound, "the path of the home is too long for a socket in it")),
    }
}

/// Whether the other end is of this user: only that one can open the folder, unless root has changed it.
fn is_own(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| peer.uid == geteuid())
}

fn receive_all(stream: &UnixStream) -> Option<NamedSockets> {
    let (mut text, mut sockets) = (Vec::new(), Vec::new());
    loop {
        let mut buffer = [0; 4096];
        match receive(stream, &mut buffer, &mut sockets).ok()? {
            received if received.truncated => return None,
            received if received.bytes == 0 => break,
            received => text.extend_from_slice(&buffer[..received.bytes]),
        }
    }
    let names = std::str::from_utf8(&text).ok()?.strip_suffix(&format!("{END}\n"))?;
    let names = names.lines().map(|name| [HTTP, PIPE, RPC].into_iter().find(|known| *known == name));
    let names: Vec<&'static str> = names.collect::<Option<_>>()?;
    (names.len() == sockets.len()).then(|| names.into_iter().zip(sockets).collect())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn socket() -> OwnedFd {
        TcpListener::bind("127.0.0.1:0").unwrap().into()
    }

    #[test]
    fn sockets_arrive_with_their_names_though_the_sender_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        assert!(!hand_over(&home, "a", &[]), "no successor");
        let successor = Successor::of(&home, "a").unwrap();
        let other = Successor::of(&home, "b").unwrap();
        // More than go with one message.
        let sockets: NamedSockets = (0..20).map(|i| (if i % 2 == 0 { HTTP } else { RPC }, socket())).collect();
        let address = |socket: &OwnedFd| rustix::net::getsockname(socket).unwrap();
        let sent: Vec<_> = sockets.iter().map(|(name, socket)| (*name, address(socket))).collect();
        assert!(hand_over(&home, "a", &sockets));
        drop(sockets);
        let taken = successor.take().expect("they are there");
        assert_eq!(taken.iter().map(|(name, socket)| (*name, address(socket))).collect::<Vec<_>>(), sent);
        assert!(other.take().is_none(), "nothing was sent");
        assert!(!hand_over(&home, "a", &[]), "no successor any more");
    }

    #[test]
    fn part_of_the_sockets_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let successor = Successor::of(&home, "a").unwrap();
        let stream = UnixStream::connect(path_of(&home, "a").unwrap()).unwrap();
        send(&stream, b"http\n", &[socket().as_fd()]).unwrap();
        drop(stream);
        assert!(successor.take().is_none());
    }

    #[test]
    fn file_of_a_killed_restart_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let killed = Successor::of(&home, "a").unwrap();
        let path = killed.path.clone();
        drop(UnixListener::bind(folder.path().join("other")).unwrap());
        fs::rename(folder.path().join("other"), &path).unwrap();
        assert!(!hand_over(&home, "a", &[("http", socket())]), "no listener");
        drop(killed);
        assert!(Successor::of(&home, "a").is_ok());
    }
}
