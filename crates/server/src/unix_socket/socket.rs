//! The socket of a pipe: `run/<name>.sock` in the home.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use beep_python_runtime::platform::{FileError, FileLock, Home, failed_to, file_identity};

use crate::accept::BACKLOG;
use crate::unix_socket::error::{MAX_PATH, PipeError};
use crate::unix_socket::name::PipeName;
use crate::unix_socket::path::{PathKind, inspect_path, link_of};

/// A listening socket, and its file, which is removed on drop unless it is [handed over](BoundPipe::into_listener).
#[derive(Debug)]
pub struct BoundPipe {
    listener: UnixListener,
    file: SocketFile,
}

/// Listens at the socket of this name. The socket of a dead server is replaced; that of a running server is an error.
pub fn bind_pipe(home: &Home, name: &PipeName) -> Result<BoundPipe, PipeError> {
    let path = home.run()?.join(format!("{name}.sock"));
    if path.as_os_str().len() > MAX_PATH {
        return Err(PipeError::PathTooLong { path });
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

    /// The socket alone, non-blocking; its file stays, for the server to remove.
    pub fn into_listener(self) -> io::Result<UnixListener> {
        let BoundPipe { listener, mut file } = self;
        listener.set_nonblocking(true)?;
        file.keep();
        Ok(listener)
    }

    /// Leaves the file to the process that has the socket now.
    pub(crate) fn hand_over(mut self) {
        self.file.keep();
    }

    /// A second descriptor of the socket, to be handed to another process.
    pub(crate) fn share(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

/// The file of a socket and the link to it. Dropping this removes both.
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
        Ok(SocketFile { path: path.to_owned(), identity: file_identity(&metadata), kept: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it there when this is dropped.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let unchanged = |metadata: fs::Metadata| file_identity(&metadata) == self.identity;
        if !self.kept && fs::symlink_metadata(&self.path).is_ok_and(unchanged) {
            remove_with_link(&self.path);
        }
    }
}

/// Removes the socket at `path` and its link if their server was killed before it could.
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

/// Serializes inspecting a path and replacing what is there.
fn lock(path: &Path) -> Result<FileLock, FileError> {
    FileLock::acquire(path.with_extension("lock"))
}
