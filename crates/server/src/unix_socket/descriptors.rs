//! Descriptors that have come, until their lines claim them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use beep_python_memory::{MAX_DESCRIPTORS, Memory};
use beep_python_protocol::{DataDescriptor, ErrorCode, Problem};
use beep_python_runtime::session::service::attach::Attachment;

use crate::unix_socket::data::{Attached, too_much};

/// How many may wait: those of a few messages.
const MAX_WAITING: usize = 4 * MAX_DESCRIPTORS;

/// The descriptors of a connection, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    waiting: VecDeque<OwnedFd>,
    /// Whether some were lost on their way.
    lost: bool,
}

impl Descriptors {
    /// Adds what one read gave; `truncated` where some were lost. An error where the client sends what no line claims.
    pub(super) fn push(&mut self, came: Vec<OwnedFd>, truncated: bool) -> io::Result<()> {
        self.waiting.extend(came);
        self.lost |= truncated;
        if self.waiting.len() > MAX_WAITING {
            return Err(io::Error::other("the client sends descriptors that no line claims"));
        }
        Ok(())
    }

    /// The memory of these data, whose descriptors came with their line.
    pub(super) fn claim(&mut self, data: Vec<DataDescriptor>, limit: u64) -> Result<Vec<Attached>, Problem> {
        if std::mem::take(&mut self.lost) || self.waiting.len() < data.len() {
            let (found, wanted) = (self.waiting.len(), data.len());
            self.waiting.clear();
            let detail =
                format!("{found} of {wanted} descriptors came with the line; send it again, with the data inline");
            return Err(Problem::new(ErrorCode::DataLost, detail));
        }
        let claimed: Vec<_> = self.waiting.drain(..data.len()).collect();
        let attached = data.into_iter().zip(claimed).map(|(descriptor, sent)| {
            if descriptor.byte_length > limit {
                return Err(too_much(descriptor.byte_length, limit));
            }
            let invalid =
                |error: beep_python_memory::MemoryError| Problem::new(ErrorCode::InvalidRequest, error.to_string());
            let memory = Memory::received(sent).map_err(invalid)?;
            Ok(Attached::Memory(Attachment { descriptor, memory }))
        });
        attached.collect()
    }
}
