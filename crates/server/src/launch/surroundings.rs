//! What a server was started in that its record does not have: its variables, from its own process.
//!
//! They may hold secrets, so they go from the memory of one process into that of the next, and into no file and no log.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use beep_python_protocol::ServerRecord;

use crate::launch::record::state_of;

/// The variables of a process. `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct Variables(pub(super) Vec<(OsString, OsString)>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variables({} of them)", self.0.len())
    }
}

/// What a running server was started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// Its variables.
    pub variables: Variables,
    /// Its folder, under the name that it has now; as it was if it is gone.
    pub directory: PathBuf,
}

/// The surroundings of a server; `None` when its process is gone, and they with it.
pub fn surroundings_of(record: &ServerRecord) -> io::Result<Option<Surroundings>> {
    let process = PathBuf::from(format!("/proc/{}", record.pid));
    let read = fs::read(process.join("environ"));
    let directory = fs::read_link(process.join("cwd")).ok().filter(|directory| directory.is_dir());
    // Afterwards, so that what was read is that of this very process.
    if !state_of(record).is_alive() {
        return Ok(None);
    }
    let directory = directory.unwrap_or_else(|| record.directory.clone());
    Ok(Some(Surroundings { variables: parse(&read?), directory }))
}

fn parse(environ: &[u8]) -> Variables {
    let owned = |bytes| OsStr::from_bytes(bytes).to_owned();
    let pairs = environ.split(|&byte| byte == 0).filter_map(|pair| {
        let equals = pair.iter().position(|&byte| byte == b'=').filter(|&at| at > 0)?;
        Some((owned(&pair[..equals]), owned(&pair[equals + 1..])))
    });
    Variables(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_they_are_and_hidden_from_logs() {
        let variables = parse(b"A=1\0TOKEN=a=b\nc\xff\0EMPTY=\0nothing\0=x\0\0");
        let shown: Vec<_> = variables.0.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        assert_eq!(shown, [(&b"A"[..], &b"1"[..]), (b"TOKEN", b"a=b\nc\xff"), (b"EMPTY", b"")]);
        assert_eq!(format!("{variables:?}"), "Variables(3 of them)");
    }
}
