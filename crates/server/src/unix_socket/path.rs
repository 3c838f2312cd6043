//! The paths of a pipe: its socket, the link to it, and what stands there.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use beep_python_runtime::platform::{FileError, failed_to};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// How the name of a link begins.
pub(super) const PREFIX: &str = "CoreFxPipe_";

/// The link to the socket at `path`; `None` where that is no socket of a pipe.
pub(super) fn link_of(path: &Path) -> Option<PathBuf> {
    let mut name = OsString::from(PREFIX);
    name.push(name_of(path)?);
    Some(std::env::temp_dir().join(name))
}

/// What stands at a path.
pub(super) enum PathKind {
    Nothing,
    DeadSocket,
    LivingSocket,
    Other(String),
}

/// Inspects a path itself; a link is not followed.
pub(super) fn inspect_path(path: &Path) -> Result<PathKind, FileError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(PathKind::Nothing);
        }
        Err(error) => return Err(failed_to("read", path)(error)),
    };
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_socket() => {
            return Ok(if is_alive(path) { PathKind::LivingSocket } else { PathKind::DeadSocket });
        }
        () if kind.is_dir() => "a folder",
        () if kind.is_symlink() => "a link",
        () => "a file",
    };
    Ok(PathKind::Other(what.to_owned()))
}

/// Whether a process listens. A full queue, or a socket that denies access, belongs to one, too.
fn is_alive(path: &Path) -> bool {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let connected = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .and_then(|socket| connect(&socket, &SocketAddrUnix::new(path)?));
    !matches!(connected, Err(Errno::CONNREFUSED | Errno::NOENT))
}

/// The name of the pipe whose socket is at `path`.
pub(super) fn name_of(path: &Path) -> Option<&OsStr> {
    (path.extension()? == "sock").then(|| path.file_stem())?
}
