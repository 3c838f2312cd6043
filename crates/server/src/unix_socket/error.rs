//! Errors of making a pipe.

use std::io;
use std::path::PathBuf;

use beep_python_protocol::quoted;
use beep_python_runtime::platform::{FileError, HomeError};

/// Why there is no pipe.
#[derive(Debug, thiserror::Error)]
pub enum PipeError {
    /// The name cannot be that of a pipe.
    #[error(
        "{} is no name for a pipe: it must have 1 to 64 letters, digits, '-', '_' and '.', and not begin with '.'",
        quoted(name)
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for the name of a pipe")]
    Random(#[source] io::Error),
    /// A path is too long for a socket.
    #[error("the path {} has {} bytes; that of a Unix socket has at most {MAX_PATH}", path.display(), path.as_os_str().len())]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// A server listens there.
    #[error("a server listens at {} already", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something foreign stands at the path of the socket or its link. It was left as it is.
    #[error("{} is {what}, which is not ours to replace", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
        /// What stands there.
        what: String,
    },
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file cannot be worked with.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system refused.
    #[error("cannot listen at {}", path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The inherited socket has no path.
    #[error("the inherited socket has no path in the file system, so it is no pipe of ours")]
    Unnamed,
}

/// The longest path of a Unix socket on Linux.
pub(super) const MAX_PATH: usize = 107;
