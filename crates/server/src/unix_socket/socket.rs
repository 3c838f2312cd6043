//! The socket of a pipe: `run/<name>.sock` in the home.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use beep_python_runtime::platform::{FileError, FileLock, Home, failed_to};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::error::MAX_PATH;
use super::dotnet_link::link_of;
use super::{PipeError, PipeName};
use crate::launch::BACKLOG;

/// A socket that listens, and its file, which goes with this unless it is [handed over](BoundPipe::into_listener).
#[derive(Debug)]
pub struct BoundPipe {
    listener: UnixListener,
    file: SocketFile,
}

/// Listens at the socket of this name. What a dead server left there is replaced; that of a living one is refused.
pub fn bind_pipe(home: &Home, name: &PipeName) -> Result<BoundPipe, PipeError> {
    let path = home.run()?.join(format!("{name}.sock"));
    let link = link_of(&path).ok_or(PipeError::Unnamed)?;
    for path in [&path, &link] {
        if path.as_os_str().len() > MAX_PATH {
            return Err(PipeError::PathTooLong { path: path.clone() });
        }
    }
    let _alone = lock(&path)?;
    match inspect_path(&path)? {
        PathKind::Nothing => {}
        PathKind::DeadSocket => fs::remove_file(&path).map_err(failed_to("remove", &path))?,
        PathKind::LivingSocket => return Err(PipeError::InUse { path }),
        PathKind::Other(what) => return Err(PipeError::Foreign { path, what }),
    }
    let refused = |source| PipeError::Refused { path: path.clone(), source };
    let listener = UnixListener::bind(&path).map_err(refused)?; // the folder keeps others out until the mode is set
    let file = SocketFile::at(&path)?;
    let bound = BoundPipe { listener, file };
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed_to("change the mode of", &path))?;
    rustix::net::listen(&bound.listener, BACKLOG).map_err(|error| refused(error.into()))?;
    Ok(bound)
}

impl BoundPipe {
    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The socket alone; its file stays, for whoever serves it to remove. Non-blocking, as a server needs it.
    pub fn into_listener(self) -> io::Result<UnixListener> {
        let BoundPipe { listener, mut file } = self;
        listener.set_nonblocking(true)?;
        file.kept = true;
        Ok(listener)
    }

    /// Leaves the file to the process that has the socket now.
    pub(crate) fn hand_over(mut self) {
        self.file.kept = true;
    }

    /// A second descriptor of the socket, to be handed to another process.
    pub(crate) fn share(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

/// The file of a socket, with the link that leads to it. Both go with this.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    kept: bool,
}

impl SocketFile {
    /// The file that is at `path` now.
    pub(super) fn at(path: &Path) -> Result<SocketFile, FileError> {
        let metadata = fs::symlink_metadata(path).map_err(failed_to("read", path))?;
        Ok(SocketFile { path: path.to_owned(), identity: (metadata.dev(), metadata.ino()), kept: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let unchanged = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == self.identity;
        if !self.kept && fs::symlink_metadata(&self.path).is_ok_and(unchanged) {
            remove_with_link(&self.path);
        }
    }
}

/// Removes the socket at `path` and its link where their server is dead: killed, it could not do so itself.
pub fn remove_left_over(path: &Path) {
    let Ok(_alone) = lock(path) else { return };
    if matches!(inspect_path(path), Ok(PathKind::DeadSocket)) {
        remove_with_link(path);
    }
}

fn remove_with_link(path: &Path) {
    if let Some(link) = link_of(path).filter(|link| fs::read_link(link).is_ok_and(|target| target == path)) {
        let _ = fs::remove_file(link);
    }
    let _ = fs::remove_file(path);
}

/// One at a time looks at what is at a path, and puts something else there.
fn lock(path: &Path) -> Result<FileLock, FileError> {
    FileLock::acquire(path.with_extension("lock"))
}

/// What there is at a path.
pub(super) enum PathKind {
    Nothing,
    DeadSocket,
    LivingSocket,
    Other(String),
}

/// Looks at what a path itself is; a link is not followed.
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

/// Whether anybody listens. A queue that is full, or a socket that refuses us, is somebody's.
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
