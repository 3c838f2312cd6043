//! The address of a pipe.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use beep_python_peer::Peer;
use beep_python_protocol::pipe_name;
use tokio::net::UnixStream;

use crate::error::Error;
use crate::trust::check;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of a pipe: `unix:/path/of/the.sock`, or `pipe:NAME` for the socket that .NET clients use for a pipe of that
/// name: `CoreFxPipe_NAME` in the folder for temporary files. `pipe:/path` is a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PipeEndpoint {
    text: String,
    path: PathBuf,
}

impl PipeEndpoint {
    /// The path of the socket, or of a link to it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn connect(&self) -> Result<UnixStream, Error> {
        let failed = |source| Error::Connect { endpoint: self.to_string(), source };
        // Connecting takes no time unless the host's queue is full.
        match tokio::time::timeout(CONNECT_TIMEOUT, UnixStream::connect(&self.path)).await {
            Ok(connected) => {
                let stream = connected.map_err(failed)?;
                let uid = stream.peer_cred().map_err(failed)?.uid();
                // The folder of temporary files is everybody's: another user may have made a socket of that name.
                check(Peer::of_user(uid))
                    .map_err(|reason| Error::UntrustedServer { endpoint: self.to_string(), reason })?;
                Ok(stream)
            }
            Err(_) => Err(failed(io::Error::new(io::ErrorKind::TimedOut, "no connection within 10 seconds"))),
        }
    }
}

impl FromStr for PipeEndpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<PipeEndpoint, Error> {
        let wrong = |reason: &str| Error::Endpoint { endpoint: text.to_owned(), reason: reason.to_owned() };
        let trimmed = text.trim();
        // A name as Windows writes it needs no `pipe:` before it.
        let named = trimmed.strip_prefix("pipe:").or(Some(trimmed).filter(|text| pipe_name(text) != *text));
        let path = match (trimmed.strip_prefix("unix:"), named.map(pipe_name)) {
            (Some(path), _) => PathBuf::from(path),
            (_, Some(path)) if path.starts_with('/') => PathBuf::from(path),
            (_, Some("")) => return Err(wrong("it names no pipe")),
            (_, Some(name)) if name.contains(['/', '\0']) => return Err(wrong("the name of a pipe has no `/`")),
            (_, Some(name)) => std::env::temp_dir().join(format!("CoreFxPipe_{name}")),
            _ => return Err(wrong("it must begin with unix: or pipe:")),
        };
        if !path.is_absolute() {
            return Err(wrong("the path of a socket must be absolute"));
        }
        Ok(PipeEndpoint { text: trimmed.to_owned(), path })
    }
}

impl fmt::Display for PipeEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_lead_to_their_sockets() {
        let link = std::env::temp_dir().join("CoreFxPipe_my-pipe");
        for (text, path) in [
            ("unix:/run/x.sock", Path::new("/run/x.sock")),
            ("unix:///run/x.sock", Path::new("///run/x.sock")),
            ("pipe:/run/x.sock", Path::new("/run/x.sock")),
            (" pipe:my-pipe ", &link),
            (r"pipe:\\.\pipe\my-pipe", &link),
            (r"\\.\pipe\my-pipe", &link),
        ] {
            assert_eq!(text.parse::<PipeEndpoint>().unwrap().path(), path, "{text}");
        }
        for text in ["", "pipe:", "unix:", "unix:run/x", "pipe:a/b", r"\\.\pipe\", "http://localhost", "/run/x.sock"] {
            assert!(matches!(text.parse::<PipeEndpoint>(), Err(Error::Endpoint { .. })), "{text}");
        }
    }
}
