//! A process group that ends with its owner.

use std::io::{self, PipeWriter};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::lock::FileLock;

/// A process group, until dropped: then, or when this process ends, however it ends, all that is in it is killed.
///
/// Its leader waits for the end of a pipe that only this process holds. (The kernel's signal at a parent's death reaches
/// only the child itself, not what the child started.)
pub(super) struct ProcessGroup {
    /// `None` where there is no shell: then a group ends with its tool only where the tool ends by itself.
    leader: Option<(Child, PipeWriter)>,
}

impl ProcessGroup {
    /// A group that holds the lock too: this process may die while the tool still changes what the lock protects.
    pub(super) fn begin(lock: Option<&FileLock>) -> io::Result<ProcessGroup> {
        let (reader, writer) = io::pipe()?;
        let mut leader = Command::new("/bin/sh");
        leader.args(["-c", "read -r line; kill -KILL 0"]).stdin(reader).stderr(Stdio::null()).process_group(0);
        leader.stdout(lock.map_or_else(|| Ok(Stdio::null()), FileLock::as_stdio)?);
        match leader.spawn() {
            Ok(leader) => Ok(ProcessGroup { leader: Some((leader, writer)) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ProcessGroup { leader: None }),
            Err(error) => Err(error),
        }
    }

    /// What makes a command a part of it.
    pub(super) fn id(&self) -> i32 {
        self.leader.as_ref().map_or(0, |(leader, _)| leader.id() as i32)
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Some((mut leader, lifeline)) = self.leader.take() {
            drop(lifeline);
            let _ = leader.wait();
        }
    }
}
