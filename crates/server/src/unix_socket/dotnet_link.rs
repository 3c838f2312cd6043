//! The link by which .NET clients find a pipe: `CoreFxPipe_<name>` in the folder for temporary files.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use beep_python_runtime::platform::{error_chain, failed_to};

use crate::unix_socket::error::{MAX_PATH, PipeError};
use crate::unix_socket::path::{PREFIX, PathKind, inspect_path, link_of};
use crate::unix_socket::socket::SocketFile;

/// A link to a socket whose folder cannot be seen is that of a dead server after so long.
const OLD: Duration = Duration::from_secs(24 * 3600);

/// A pipe that is ready to be served: its socket, and the link to it, if there can be one. Dropping it removes both files.
#[derive(Debug)]
pub struct Pipe {
    pub(super) listener: UnixListener,
    file: SocketFile,
    pub(super) link: Option<PathBuf>,
}

impl Pipe {
    /// A pipe on the socket that [`bind_pipe`](super::bind_pipe) made, perhaps in another process.
    ///
    /// The link is made here. A link of ours whose server is dead is replaced, anything else that stands in its place is
    /// left there, and is an error: .NET clients would take it for this server. Without a link the pipe works all the same, by
    /// its path: a folder for temporary files that is missing, full or read-only is no reason not to start.
    pub fn open(listener: UnixListener) -> Result<Pipe, PipeError> {
        let address = listener.local_addr().map_err(|_| PipeError::Unnamed)?;
        let socket = address.as_pathname().ok_or(PipeError::Unnamed)?;
        let file = SocketFile::at(socket)?;
        remove_links_of_the_dead();
        let link = link_of(socket).ok_or(PipeError::Unnamed)?;
        let fits = link.as_os_str().len() <= MAX_PATH;
        let pipe = Pipe { listener, file, link: fits.then(|| link.clone()) };
        let made = if fits { make(&link, socket) } else { Err(PipeError::PathTooLong { path: link }) };
        match made {
            Err(error @ PipeError::Foreign { .. }) => return Err(error),
            Err(error) => {
                let error = error_chain(&error);
                tracing::warn!(%error, "there is no link for .NET clients: they find the pipe by the path of its socket only");
            }
            Ok(()) => {}
        }
        Ok(pipe)
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        self.file.path()
    }

    /// A second descriptor of its socket, for a successor.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        Ok(self.listener.try_clone()?.into())
    }

    /// Leaves its files to the successor of this server, which has the socket.
    pub(super) fn leave(mut self) {
        self.file.keep();
    }

    /// Where clients find it: `unix:` and the socket's path.
    pub fn url(&self) -> String {
        format!("unix:{}", self.socket().display())
    }
}

/// Whether .NET clients find the socket at this path by the name of its pipe.
pub fn is_linked(socket: &Path) -> bool {
    link_of(socket).is_some_and(|link| fs::read_link(link).is_ok_and(|target| target == socket))
}

/// Makes the link again if it is gone: folders for temporary files are cleaned now and then.
pub(super) fn ensure_link(link: &Path, socket: &Path) {
    match symlink(socket, link) {
        Ok(()) => tracing::info!("the link {} was gone and is there again", link.display()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => tracing::debug!("the link {} cannot be made: {error}", link.display()),
    }
}

fn make(link: &Path, socket: &Path) -> Result<(), PipeError> {
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        match symlink(socket, link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return Ok(made.map_err(failed_to("make the link", link))?),
        }
        let foreign = |what: String| PipeError::Foreign { path: link.to_owned(), what };
        let metadata = match fs::symlink_metadata(link) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata.map_err(failed_to("read", link))?,
        };
        let own = rustix::process::geteuid().as_raw();
        if metadata.uid() != own {
            return Err(foreign(format!("a file of user {}", metadata.uid())));
        }
        if !metadata.is_symlink() {
            return Err(foreign("no link".to_owned()));
        }
        let target = fs::read_link(link).map_err(failed_to("read", link))?;
        if target == socket {
            return Ok(()); // left by a server of this name that was killed
        }
        if target.file_name() != socket.file_name() {
            return Err(foreign(format!("a link to {}", target.display())));
        }
        match inspect_path(&target)? {
            PathKind::Nothing | PathKind::DeadSocket => remove_stale(link, &target)?,
            PathKind::LivingSocket => return Err(foreign(format!("the link of the server at {}", target.display()))),
            PathKind::Other(what) => return Err(foreign(format!("a link to {what}, {}", target.display()))),
        }
    }
    Err(PipeError::Foreign { path: link.to_owned(), what: "a link that another process keeps making".to_owned() })
}

/// Removes the links that servers of this user left when they were killed, in homes that may be gone: no other looks after them.
fn remove_links_of_the_dead() {
    let own = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let link = entry.path();
        let is_own = || entry.metadata().is_ok_and(|metadata| metadata.is_symlink() && metadata.uid() == own);
        if !entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) || !is_own() {
            continue;
        }
        let Some(target) = fs::read_link(&link).ok().filter(|target| link_of(target).as_ref() == Some(&link)) else {
            continue;
        };
        // Of a home that cannot be seen here, the server may live: in another container, with the same folder for temporary files.
        let is_seen = || target.parent().is_some_and(Path::is_dir);
        let is_old = || entry.metadata().and_then(|metadata| metadata.modified()?.elapsed().map_err(io::Error::other));
        let is_dead = match inspect_path(&target) {
            Ok(PathKind::DeadSocket) => true,
            Ok(PathKind::Nothing) => is_seen() || is_old().is_ok_and(|age| age > OLD),
            _ => false,
        };
        if is_dead {
            let _ = remove_stale(&link, &target); // another server may be faster
        }
    }
}

/// Removes the link if it still leads to `target`. It is moved aside first, so that one which another server has made
/// in its place meanwhile is not lost.
fn remove_stale(link: &Path, target: &Path) -> Result<(), PipeError> {
    let mut aside = link.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    let aside = PathBuf::from(aside);
    match fs::rename(link, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        moved => moved.map_err(failed_to("move", link))?,
    }
    let found = fs::read_link(&aside).map_err(failed_to("read", &aside))?;
    if found != target || matches!(inspect_path(target), Ok(PathKind::LivingSocket)) {
        let _ = symlink(found, link);
    }
    Ok(fs::remove_file(&aside).map_err(failed_to("remove", &aside))?)
}
