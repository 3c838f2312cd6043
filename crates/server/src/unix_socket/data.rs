//! Data beside the lines: after them, as descriptors, or as files.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use beep_python_memory::{Memory, MemoryWriter};
use beep_python_protocol::{DataDescriptor, ErrorCode, Problem};
use beep_python_runtime::session::service::attach::Attachment;
use beep_python_runtime::session::{Datum, DatumMemory, DatumPieces, HeldMemory};
use parking_lot::Mutex;
use rustix::fs::OFlags;
use serde::Deserialize;

/// The folder of shared memory, the only one whose files a client can name.
const SHARED_MEMORY: &str = "/dev/shm";

/// How data go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Via {
    /// After the line.
    Inline,
    /// As descriptors, which come with the line's first byte.
    Fd,
    /// As a file that the other side opens.
    File,
}

impl Via {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Via::Inline => "inline",
            Via::Fd => "fd",
            Via::File => "file",
        }
    }
}

/// A datum of a request, as its line describes it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Described {
    #[serde(flatten)]
    pub(super) descriptor: DataDescriptor,
    /// The file, where it goes as one.
    #[serde(default)]
    pub(super) path: Option<PathBuf>,
}

/// A datum that came with a request.
#[derive(Debug)]
pub(super) enum Attached {
    /// In memory.
    Memory(Attachment),
    /// In a file, which is not read yet.
    File(DataDescriptor, PathBuf),
}

impl Attached {
    /// The datum in memory. A file is copied, on a thread that may wait: its owner may cut it off at any time.
    pub(super) async fn read(self, limit: u64) -> Result<Attachment, Problem> {
        match self {
            Attached::Memory(attachment) => Ok(attachment),
            Attached::File(descriptor, path) => {
                let copied = tokio::task::spawn_blocking(move || {
                    let memory = copy(&path, &descriptor, limit)?;
                    Ok(Attachment { descriptor: DataDescriptor { offset: 0, shared: false, ..descriptor }, memory })
                });
                copied.await.unwrap_or_else(|error| Err(Problem::new(ErrorCode::Internal, error.to_string())))
            }
        }
    }
}

fn copy(path: &Path, descriptor: &DataDescriptor, limit: u64) -> Result<Memory, Problem> {
    let invalid = |detail: String| Problem::new(ErrorCode::InvalidRequest, detail);
    let failed = |error: io::Error| invalid(format!("{} cannot be read: {error}", path.display()));
    if descriptor.byte_length > limit {
        return Err(too_much(descriptor.byte_length, limit));
    }
    let name = path.strip_prefix(SHARED_MEMORY).ok().map(|name| name.components().collect::<Vec<_>>());
    if !matches!(name.as_deref(), Some([Component::Normal(_)])) {
        return Err(invalid(format!("{} is no file in {SHARED_MEMORY}, where data as files must lie", path.display())));
    }
    // Without waiting for the other end of a pipe that has the name.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let end = descriptor.offset.checked_add(descriptor.byte_length);
    if !metadata.is_file() || end.is_none_or(|end| end > metadata.len()) {
        let (found, DataDescriptor { offset, byte_length, .. }) = (metadata.len(), descriptor);
        let detail =
            format!("{} has {found} bytes, its description says {offset} and {byte_length} more", path.display());
        return Err(invalid(detail));
    }
    copy_part(file, descriptor).map_err(failed)
}

fn copy_part(mut file: File, descriptor: &DataDescriptor) -> io::Result<Memory> {
    io::Seek::seek(&mut file, io::SeekFrom::Start(descriptor.offset))?;
    let mut writer = MemoryWriter::create()?;
    let copied = io::copy(&mut file.take(descriptor.byte_length), &mut writer)?;
    if copied < descriptor.byte_length {
        return Err(io::ErrorKind::UnexpectedEof.into()); // it was cut off meanwhile
    }
    writer.finish().map_err(io::Error::other)
}

/// The error of data over the server's limit.
pub(super) fn too_much(bytes: u64, limit: u64) -> Problem {
    let detail = format!("the data have {bytes} bytes, more than the {limit} that this server takes");
    Problem::new(ErrorCode::BodyTooLarge, detail)
}

/// A datum on its way to a client.
pub(super) enum Outgoing {
    /// After its line.
    Inline(DatumPieces),
    /// With its line.
    Descriptor(Arc<HeldMemory>),
}

/// What is open for the clients of a connection that read files, by path. It ends with the connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases(Arc<Mutex<HashMap<String, Arc<HeldMemory>>>>);

impl Leases {
    /// The file of this memory, which is there until it is released.
    fn lend(&self, memory: Arc<HeldMemory>) -> String {
        let path = format!("/proc/{}/fd/{}", std::process::id(), memory.as_fd().as_raw_fd());
        self.0.lock().insert(path.clone(), memory);
        path
    }

    /// Ends the file of this path. Returns whether there was one.
    pub(super) fn release(&self, path: &str) -> bool {
        self.0.lock().remove(path).is_some()
    }
}

/// How a datum goes, as the client asked, or after its line where this process has no descriptor of it: what the line says
/// of it, and what follows.
pub(super) fn send(datum: Datum, via: Via, leases: &Leases) -> (String, Option<Outgoing>) {
    match (via, &datum.memory) {
        (Via::Fd, DatumMemory::Sealed(memory)) => {
            let memory = memory.clone();
            (format!(r#","via":"{}","fds":1"#, via.as_str()), Some(Outgoing::Descriptor(memory)))
        }
        (Via::File, DatumMemory::Sealed(memory)) => {
            let path = leases.lend(memory.clone());
            (format!(r#","via":"{}","path":"{path}""#, via.as_str()), None)
        }
        (Via::Inline | Via::Fd | Via::File, _) => {
            (format!(r#","via":"{}""#, Via::Inline.as_str()), Some(Outgoing::Inline(datum.into_pieces())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str, length: u64) -> String {
        let descriptor = DataDescriptor { byte_length: length, ..DataDescriptor::default() };
        copy(Path::new(path), &descriptor, 1 << 20).unwrap_err().detail
    }

    #[test]
    fn only_files_of_shared_memory_are_read() {
        let name = format!("{SHARED_MEMORY}/beep-python-test-{}", std::process::id());
        std::fs::write(&name, b"0123456789").unwrap();
        let descriptor = DataDescriptor { byte_length: 4, offset: 3, ..DataDescriptor::default() };
        let memory = copy(Path::new(&name), &descriptor, 1 << 20).unwrap();
        assert_eq!(memory.read_at(0, 9).unwrap(), "3456");
        assert!(refused(&name, 11).contains("has 10 bytes"));
        assert!(refused(&name, 2 << 20).contains("more than the 1048576"));
        let link = format!("{name}-link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(refused(&link, 1).contains("cannot be read"));
        for path in ["/etc/passwd", "/dev/shm/../../etc/passwd", "/dev/shm", "etc", "/dev/shm/a/b"] {
            assert!(refused(path, 1).contains("no file in /dev/shm"), "{path}");
        }
        for file in [name, link] {
            std::fs::remove_file(file).unwrap();
        }
    }
}
